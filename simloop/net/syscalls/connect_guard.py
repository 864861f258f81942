"""What stands in front of ``socket.socket.connect``: a tool's function, which is asked first.

Owns: asking it. pytest-socket puts a function there that lets some hosts through, a test puts a
mock. A virtual socket has a ``connect`` of its own, so without this it would pass them by.

Must not know: what connecting is.

Invariant: a function that lets a call through calls the one that it found, which is C's. While a
tool is asked, that one connects nothing, and says so by an error that no system call gives.
"""

from __future__ import annotations

import socket
from types import MethodDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import _socket

__all__ = ["is_answered_by_tool", "refuse_while_asked"]

_IN_C = "bad family"
"""What C's ``connect`` says of a socket that it has not opened (CPython: ``getsockaddrarg``)."""

_asked: list[_socket.socket] = []
"""What a tool is being asked about, in whichever thread."""


def refuse_while_asked(sock: _socket.socket) -> None:
    """Answer for C's ``connect`` while a tool is asked about a socket.

    Raises:
        OSError: A tool is asked about it, and lets it through.
    """
    if any(each is sock for each in _asked):
        raise OSError(f"connect(): {_IN_C}")


def is_answered_by_tool(sock: socket.socket, address: Any) -> bool:
    """Return whether a tool has connected a socket in its own way; false: it lets it through.

    Raises:
        Exception: Whatever the tool refuses it by.
    """
    guard = vars(socket.socket).get("connect")
    if guard is None or isinstance(guard, MethodDescriptorType):
        return False
    bound = guard.__get__(sock, type(sock)) if hasattr(guard, "__get__") else guard
    _asked.append(sock)
    try:
        bound(address)
    except OSError as error:
        if error.errno is None and _IN_C in str(error):
            return False
        raise
    finally:
        _asked[:] = [each for each in _asked if each is not sock]
    return True
