"""On which host a socket is made that a program makes by its class.

Owns: the question. Must not know who runs the program: what answers is set from above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.host import Host

__all__ = ["host_of_caller", "set_host_finder"]

_find_host: Callable[[], Host | None] | None = None


def set_host_finder(find: Callable[[], Host | None] | None) -> Callable[[], Host | None] | None:
    """Set on which host ``VirtualSocket(...)`` is made: ``find()`` returns the caller's, or None.

    Return the function that was set before.
    """
    global _find_host  # One class for the process, as socket.socket is.
    before, _find_host = _find_host, find
    return before


def host_of_caller() -> Host:
    """Return the host of the program that calls.

    Raises:
        UsageError: It is in no simulated world.
    """
    host = None if _find_host is None else _find_host()
    if host is None:
        raise UsageError(
            "VirtualSocket() outside of a simulated world: make it in a run, or by "
            "simloop.net.make_socket(host)"
        )
    return host
