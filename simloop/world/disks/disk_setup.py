"""Giving a machine of a world its disk.

Owns: handing the parts to each other: the real files below, the clock, what is chosen and drawn,
and the calls of a process on them. A world without a disk never loads this.

What happens on a disk by chance is drawn from the world's random stream ``disk``. Where the run is
explored it passes the choice gate instead, of the kind ``fault.disk``: there 0 is no fault and no
loss, and a finding is shrunk to those that it needs.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

from simloop._presence import by_thread
from simloop._process.filesystem import FileSystemCalls
from simloop._sandbox import current, get_ident
from simloop._sandbox.disk import DiskTree, RealFiles, path_of_descriptor
from simloop.disk import Disk
from simloop.disk.disk_conditions import Conditions
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._kernel import Kernel
    from simloop.net import Host
    from simloop.net.syscalls.system_calls import SystemCalls
    from simloop.world.world import World

__all__ = ["give_disk"]

_KIND = "fault.disk"
_LENGTHS = 16
"""How many lengths of time a call has to take, where a run is explored."""


class WorldConditions(Conditions):
    """The time, the chances and the choices of a world's driver.

    Args:
        kernel: The world's clock, streams and gate.
        start_ns: The wall clock's time, in POSIX nanoseconds, when the clock is at 0.
        hearers: What hears of all that a run does.
        noters: What hears of things that happen inside a run, and on which machine.
    """

    prefix: str = ""
    """What its questions and reports begin with: the name of the host, but for the driver's."""
    stream: str = "disk"
    hostname: str = ""
    """Of the machine, where it is not the driver's."""

    # It does not know the world: a file that outlives its run may still be closed.
    def __init__(
        self,
        kernel: Kernel,
        start_ns: int,
        hearers: list[Callable[[str, Any], object]],
        noters: list[Callable[[str, str, str], object]],
    ) -> None:
        self._kernel = kernel
        self._start_ns = start_ns
        self._hearers = hearers
        self._noters = noters

    def now_ns(self) -> int:
        """Return the wall clock of the code that runs, or of the world outside of it."""
        context = by_thread.get(get_ident())
        if context is not None and context.sockets is not None:
            files = context.sockets.files
            if files is not None and files.disk.conditions is self:
                now_ns: int = context.start_ns + context.clock.now_ns
                return now_ns
        return self._start_ns + self._kernel.now_ns

    def choose(self, count: int, name: str) -> int:
        """Return one of the outcomes: by the gate of an explored run, else drawn."""
        kernel = self._kernel
        if count < 2:  # noqa: PLR2004 - one outcome is no choice
            return 0
        if kernel.gate is not None:
            return kernel.choose(_KIND, self.prefix + name, count)
        return kernel.streams.stream(self.stream).randrange(count)

    def happens(self, name: str, p: float) -> bool:
        """Return whether a fault strikes: by the gate of an explored run, else with ``p``."""
        kernel = self._kernel
        if kernel.gate is not None:
            return bool(kernel.choose(_KIND, self.prefix + name, 2))
        return kernel.streams.stream(self.stream).random() < p

    def random(self, name: str) -> float:
        """Return a number for a length of time: by the gate, else from a stream of its own."""
        if self._kernel.gate is not None:
            return self._kernel.choose(_KIND, self.prefix + name, _LENGTHS) / (_LENGTHS - 1)
        return self._kernel.streams.stream(f"{self.stream}/latency").random()

    def wait(self, duration_ns: int) -> None:
        """Let time pass for the calling thread, as ``time.sleep`` does."""
        context = current()
        if context is not None:
            context.clock.block(duration_ns)

    def tell(self, text: str) -> None:
        """Tell the watchers of the run."""
        for hear in self._hearers:
            hear("disk", self.prefix + text)
        for note in self._noters:
            note("disk", text, self.hostname)


def give_disk(world: World) -> Disk:
    """Make the disk of the machine that the program of a run runs on, over the real files.

    Raises:
        UsageError: The world allows its program to write the real files.
    """
    if "files" in world.sandbox.allowed:
        raise UsageError(
            'disk=True beside allow=("files",): that one leaves the files real for the whole run;'
            ' allow them for a block, with simloop.allow("files"): ...'
        )
    told = world._hearers, world._noters
    disk = Disk(RealFiles(), WorldConditions(world.kernel, world.sandbox.start_ns, *told))
    sockets: Any = world.sandbox.sockets
    give_calls(sockets, world.main_host, disk, world.process.cwd)
    return disk


def give_calls(sockets: SystemCalls, host: Host, disk: Disk, cwd: str) -> None:
    """Let a process make its calls on files on the disk of its host."""
    folder, table = os.path.realpath(cwd), host.descriptors
    sockets.files = FileSystemCalls(lambda: host, disk, folder, path_of_descriptor, table)
    find = weakref.ref(sockets.files)
    host.unix.tree = DiskTree(find)
