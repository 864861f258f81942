"""Process numbers of a world: whom ``os.kill`` and its kin reach.

Owns: the table from number to simulated process, and what the functions of ``os`` that take such
a number do. The program's own process has two: the real one, which ``os.getpid()`` tells, and the
host's.

Must not know: what a signal does.

Invariant: a number stays in the table when its process has ended, so that it is nobody's then, and
not that of a real process which happens to have it.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError
from simloop.net.errnos import os_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from .process import Child

__all__ = ["OWN_PID", "Pids"]

OWN_PID = 1000
"""The number of the host's own process, which its sockets tell of their peers."""


class Pids:
    """The processes of a world, by number.

    The methods return ``NotImplemented`` for a number that is no process of the world.

    Args:
        raise_signal: Sends a signal to the program's own process.
    """

    def __init__(self, raise_signal: Callable[[int], None]) -> None:
        self._raise_signal = raise_signal
        self._children: dict[int, Child] = {}
        self._groups: dict[int, int] = {}

    def add(self, child: Child, group: int | None) -> None:
        """Take a process in; without a group of its own it is in that of its parent."""
        self._children[child.pid] = child
        self._groups[child.pid] = os.getpgrp() if group is None else group

    def kill(self, pid: int, sig: int, /) -> Any:
        """Send a signal to a process, or look whether it is there, by signal 0."""
        if pid in (os.getpid(), OWN_PID):
            self._signal_own(sig)
            return None
        if pid == 0:
            return self.killpg(0, sig)
        child = self._children.get(pid)
        if child is None:
            return NotImplemented
        _check(sig)
        if child.returncode is not None:
            raise os_error(errno.ESRCH)
        child.send_signal(sig)
        return None

    def _signal_own(self, sig: int) -> None:
        _check(sig)
        if sig:
            self._raise_signal(sig)

    def killpg(self, pgid: int, sig: int, /) -> Any:
        """Send a signal to every process of a group, the program's own last."""
        own = os.getpgrp()
        group = pgid or own
        members = [pid for pid, each in self._groups.items() if each == group]
        if not members and group != own:
            return NotImplemented
        _check(sig)
        alive = [pid for pid in members if self._children[pid].returncode is None]
        for pid in alive:
            self._children[pid].send_signal(sig)
        if group == own:
            self._signal_own(sig)
        elif not alive:
            raise os_error(errno.ESRCH)
        return None

    def getpgid(self, pid: int, /) -> Any:
        """Return the group of a process."""
        if pid == OWN_PID:
            return os.getpgrp()
        child = self._children.get(pid)
        if child is None:
            return NotImplemented
        if child.returncode is not None:
            raise os_error(errno.ESRCH)
        return self._groups[pid]

    def waitpid(self, pid: int, options: int, /) -> Any:
        """Look whether a process has ended; one that has was waited for by asyncio already.

        Raises:
            UnsupportedError: The call would wait, and the process with it.
        """
        child = self._children.get(pid)
        if child is None:
            return NotImplemented
        if child.returncode is not None:
            raise os_error(errno.ECHILD)
        if options & os.WNOHANG:
            return 0, 0
        raise UnsupportedError(
            f"os.waitpid({pid}, {options}) would stop the loop on which the process lives; await"
            " process.wait(), or ask with os.WNOHANG"
        )


def _check(sig: int) -> None:
    if sig and sig not in signal.valid_signals():
        raise os_error(errno.EINVAL)
