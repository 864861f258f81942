"""The processes of a world by number: which one ``os.kill`` and its kin reach.

Owns: the table from number to process, the counting, and what the functions of ``os`` that take
such a number do.

Must not know: what a signal does.

Invariants:

- A number stays in the table when its process has ended, so that it is no process then, and not a
  real one that happens to have it.
- A process sees those of its own machine. The test, whose hands reach everywhere, sees all.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError
from simloop.net.errnos import os_error
from simloop.net.linux import os_names

from .dispositions import check_sent

if TYPE_CHECKING:
    from .process import Process

__all__ = ["ProcessTable"]


class ProcessTable:
    """The processes of a world, by number.

    The methods that the functions of ``os`` become return ``NotImplemented`` for a number that is
    no process of the world.

    Args:
        main: The program of the run.
    """

    def __init__(self, main: Process) -> None:
        self._main = main
        self._by_pid: dict[int, Process] = {main.pid: main}
        self._next_pid = main.pid + 1

    def next_pid(self) -> int:
        """Number the next process."""
        pid = self._next_pid
        self._next_pid += 1
        return pid

    def add(self, process: Process, group: int | None = None) -> None:
        """Take a process in; without a group of its own it is in that of its parent."""
        self._by_pid[process.pid] = process
        if group is not None:
            process.group = group
        if process.parent is not None:
            process.parent.children[process.pid] = process

    def __iter__(self) -> Any:
        """Visit every process, the ended ones too, in the order of their numbers."""
        return iter(self._by_pid.values())

    def kill(self, caller: Process, pid: int, sig: int, /) -> Any:
        """Send a signal to a process, or look whether it is there, by signal 0 (man 2 kill)."""
        if pid == 0:
            return self.killpg(caller, 0, sig)
        process = self._by_pid.get(pid)
        if process is None:
            return NotImplemented
        check_sent(sig)
        if not self._is_there(process, caller):
            raise os_error(errno.ESRCH)
        if sig:
            process.send_signal(sig)
        return None

    def killpg(self, caller: Process, pgid: int, sig: int, /) -> Any:
        """Send a signal to every process of a group, the caller last (man 3 killpg)."""
        group = pgid or caller.group
        members = [each for each in self if each.group == group]
        if not members:
            return NotImplemented
        check_sent(sig)
        alive = [each for each in members if self._is_there(each, caller)]
        if not alive:
            raise os_error(errno.ESRCH)
        for process in sorted(alive, key=lambda each: each is caller):
            if sig:
                process.send_signal(sig)
        return None

    def getpgid(self, caller: Process, pid: int, /) -> Any:
        """Return the group of a process; 0 is the caller."""
        process = self._by_pid.get(pid or caller.pid)
        if process is None:
            return NotImplemented
        if not self._is_there(process, caller):
            raise os_error(errno.ESRCH)
        return process.group

    def _is_there(self, process: Process, caller: Process) -> bool:
        """Return whether a process lives, and where the caller sees it."""
        if process.exit_code is not None:
            return False
        machine = _machine(caller)
        is_test = machine is None or machine is self._main._host
        return is_test or machine is _machine(process)

    def waitpid(self, pid: int, options: int, /) -> Any:
        """Look whether a process has ended; one that has was waited for by asyncio already.

        Raises:
            UnsupportedError: The call would wait, and the process with it.
        """
        process = self._by_pid.get(pid)
        if process is None:
            return NotImplemented
        if process is self._main or process.exit_code is not None:
            raise os_error(errno.ECHILD)
        if options & os_names.WNOHANG:
            return 0, 0
        raise UnsupportedError(
            f"os.waitpid({pid}, {options}) would stop the loop on which the process lives; await"
            " process.wait(), or ask with os.WNOHANG"
        )


def _machine(process: Process) -> Any:
    """Return what a process runs on; None for the driver, if nothing has asked for that yet."""
    while process._host is None and process.parent is not None:
        process = process.parent
    return process._host
