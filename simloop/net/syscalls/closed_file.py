"""The file behind a closed socket.

Owns: one object that answers every call with EBADF, so that a socket needs no test for "closed" in
each of its methods. Must not know sockets.
"""

from __future__ import annotations

import errno
from typing import Any

from simloop.net.errnos import os_error
from simloop.net.inet.socket_file import SocketFile

__all__ = ["CLOSED_FILE"]


class _ClosedFile(SocketFile):
    """What a closed socket stands on: everything is EBADF."""

    __slots__ = ()

    def __init__(self) -> None:
        """Hold nothing at all."""

    def __getattribute__(self, name: str) -> Any:
        # Tools that look at every object may look at this one; arguments are checked before files.
        if name.startswith("__") or name == "most_taken":
            return object.__getattribute__(self, name)
        raise os_error(errno.EBADF)


CLOSED_FILE = _ClosedFile()
