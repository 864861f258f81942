"""Disks of hosts: each host has one of its own, over the real files, made when it is asked for.

Owns: the disk of a host with the host's clock and choices, and the system calls of its processes,
whose calls on files are made when the first one comes. A host that touches no file pays for none.

Must not know: the power of a host, and how its processes end.

Invariants:

- Two hosts share nothing of their disks: neither files nor random streams nor names of choices.
- All processes of a host have the same disk, each with its own folder, mask and descriptors.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from simloop._process.filesystem import FileSystemCalls
from simloop._sandbox import current
from simloop._sandbox.disk import (
    DiskTree,
    RealFiles,
    calls_of_descriptors,
    path_of_descriptor,
    remove_log_handlers,
)
from simloop.disk import Disk
from simloop.net.syscalls.system_calls import SystemCalls

from .disk_setup import WorldConditions

if TYPE_CHECKING:
    from simloop.world.hosts.host_process import HostProcess
    from simloop.world.hosts.sim_host import SimHost

__all__ = ["HostSystemCalls", "end_files", "make_host_disk", "seat_tree"]


class HostConditions(WorldConditions):
    """The time, the chances and the choices of one host.

    Args:
        host: The host.
    """

    # The crash of the host is told anyway. Whether it has a disk by then may depend on which run
    # was the first to import something, and must not show.
    tells_of_no_loss: bool = False

    def __init__(self, host: SimHost) -> None:
        world = host.world
        told = world._hearers, world._noters
        super().__init__(world.kernel, int(world.sandbox.start_ns), *told)
        self._clock = host.clock
        self._machine = host.machine
        self.prefix: str = f"{host.name}: "
        self.stream: str = f"disk/{host.name}"
        self.hostname: str = host.machine.hostname

    def now_ns(self) -> int:
        """Return the host's wall clock, as its own code sees it or as it is."""
        context = current()
        if context is not None and getattr(context.identity, "host", None) is self._machine:
            return int(context.start_ns) + context.clock.now_ns
        own = self._kernel if self._clock.own is None else self._clock.own
        return self._start_ns + self._clock.skew_ns + own.now_ns


class HostSystemCalls(SystemCalls):
    """The system calls of a process of a host.

    Args:
        process: The process.
        cwd: The folder that it begins in.
    """

    def __init__(self, process: HostProcess, cwd: str) -> None:
        machine = process.machine.machine
        super().__init__(lambda: machine)
        self._process = process
        self._cwd = cwd

    @cached_property
    def files(self) -> Any:
        """Its calls on files, on the disk of its host."""
        process, find_host = self._process, self._find_host
        disk, table = process.machine.disk, process.descriptors
        made = FileSystemCalls(find_host, disk, self._cwd, path_of_descriptor, table)
        made.pid = process.pid
        return made

    @property
    def made_files(self) -> Any:
        """The same, or None if it has not asked for any."""
        return vars(self).get("files")


def make_host_disk(host: SimHost) -> Disk:
    """Make the disk of a host, over the real files."""
    return Disk(RealFiles(), HostConditions(host))


def end_files(files: Any) -> bool:
    """Let files know that their process has ended; return whether any of its files was locked."""
    remove_log_handlers(files)
    return bool(files.end())


def seat_tree(host: SimHost) -> None:
    """Let the names of UNIX sockets lie in the folders of the host's disk."""
    host.machine.unix.tree = DiskTree(calls_of_descriptors)
