"""The world: one simulated universe.

Owns: putting the parts together. A world has one kernel (clock, schedule, seed), one network, the
stand-ins for the real world's time and entropy, and the loops that live in it. The parts do not
know each other; what one needs of another is handed over here.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar

from simloop._kernel import Kernel, RandomStreams
from simloop._loop import SimLoop, provide_worlds, share_generator_hooks
from simloop._loop.asked_class import dress
from simloop._process import MainProcess, Process, ProcessTable, Programs
from simloop._sandbox import (
    RealTree,
    Sandbox,
    ThreadSandbox,
    check_zone,
    current,
    freeze_garbage,
    get_ident,
    interrupt_handler,
    is_of_user,
    passed_file,
    tidy,
)
from simloop._threads import ThreadScheduler, let_threads_block
from simloop.errors import UsageError
from simloop.net import Network, set_host_finder
from simloop.net.syscalls.system_calls import SystemCalls

from .hosts.hosted_world import HostedWorld
from .run_options import RunOptions, check_flag, check_platform, check_start, steps_and_time
from .thread_bridge import ThreadBridge
from .traffic_tap import TrafficTap

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from simloop._process import ProcessClock
    from simloop.disk import Disk
    from simloop.errors import DeadlockError, SimError
    from simloop.net import Host, NamesTable

    from .realtime import RealtimePacer

__all__ = ["World", "world_of"]

_HOSTNAME = "localhost"
"""The name of the machine of the program of a run."""

_INSIDE: AbstractContextManager[object] = nullcontext()
"""For code that is inside already."""

_GONE = "the world is gone: keep the World for as long as you use its parts"


class World(HostedWorld):
    """One universe: what a seed determines.

    Args:
        seed: Where all randomness comes from.
        start_time: What the clock shows at first, in seconds.
        start_date: The wall clock's time when the virtual clock is at 0: a datetime (a naive one
            is UTC) or POSIX seconds; 2024-01-01T00:00:00Z if None, for everybody the same.
        tz: The time zone of its programs: a name such as ``"Europe/Berlin"``, or a rule of POSIX;
            UTC if None, on every machine.
        allow: What of the real world its programs may reach; see :func:`simloop.allow`.
        strict: Also refuse what is allowed by default: writing files, starting threads.
        realtime: Virtual seconds per real second, see :meth:`pace`; None for as fast as it goes.
        disk: Give the program of the run a disk of its own, :attr:`disk`: it reads the real files,
            and what it writes stays in the world.

    Raises:
        UsageError: One of them has a value that means nothing.

    Example:
        >>> import asyncio, simloop
        >>> world = simloop.World(seed=7)
        >>> simloop.run(asyncio.sleep(60), world=world)
        >>> world.time_ns
        60000000000
    """

    properties: Any = None
    """What must hold in its runs; set by :mod:`simloop.exploration` when a program states some."""

    real_ident: ClassVar[staticmethod[[], int]] = staticmethod(get_ident)
    origins_outside: int = 0
    has_lone_hooks: bool = False
    loop_class: type[SimLoop] = SimLoop
    asked_loop_class: type[SimLoop] = SimLoop  # Of those that the program asks asyncio for.
    on_end: Callable[[SimError], object] | None = None  # Hears of what ended a CleanUpLoop.

    def __init__(
        self,
        seed: int | str = 0,
        *,
        start_time: float = 0.0,
        start_date: dt.datetime | float | None = None,
        tz: str | None = None,
        allow: tuple[str, ...] = (),
        strict: bool = False,
        realtime: float | None = None,
        disk: bool = False,
    ) -> None:
        start_ns = check_start(seed, start_time, start_date, allow)
        if strict or disk:
            check_flag("strict", strict)
            check_flag("disk", disk)
        self.seed = seed
        self.kernel: Kernel = self._make_kernel(seed, start_ns)
        kernel = self.kernel
        kernel.limits.tidy = _tidy
        kernel.limits.say = _say
        kernel.limits.freeze_garbage = freeze_garbage
        kernel.stuck = _weakly(self, World._explain_deadlock)
        self.loops: list[Any] = []
        self.threads: ThreadScheduler = ThreadScheduler(kernel)
        # The parts know the world and each other weakly, so that a run leaves no work to the
        # garbage collector, which would cost more than a small run.
        self.process: MainProcess = MainProcess(weakref.proxy(self))
        self.sandbox: Sandbox = Sandbox(
            clock=kernel,
            streams=kernel.streams,
            sockets=_system_calls(self.process),
            threads=self.threads,
            identity=self.process,
            become_loop=_weakly(self, World._become_loop),
            start_date=start_date,
            allow=allow,
            strict=strict,
            zone=check_zone(tz),
        )
        self.threads.bridge = ThreadBridge(weakref.proxy(self.sandbox), self.loops)
        self._network: Network | None = None
        self._programs: Programs | None = None
        self._processes: ProcessTable | None = None
        self._wire = TrafficTap()
        self._is_watched = False
        self._switch_hearers: tuple[Callable[[str], object], ...] = ()
        self._hearers: list[Callable[[str, Any], object]] = []
        self._noters: list[Callable[[str, str, str], object]] = []
        self._pace: RealtimePacer | None = None
        self._disk: Disk | None = None
        if disk:
            check_platform("World(disk=True)")
            from .disks import give_disk  # noqa: PLC0415 - few worlds have one

            self._disk = give_disk(self)
        if realtime is not None:
            self.pace(realtime)
        self._start_ns = start_ns

    def can_renew(self) -> bool:
        """Return whether it is outside of runs and nothing is left of one; a disk always is."""
        is_empty = not self.loops and self._disk is None
        return is_empty and self.sandbox.is_idle() and self.threads.is_idle()

    def let_go(self, kernel: Kernel, threads: ThreadScheduler) -> None:
        """Hold nothing of a run that is over, and stand-ins until :meth:`renew` comes."""
        self.kernel, self.threads = kernel, threads
        self._network = self._programs = self._processes = self._pace = self.properties = None
        self.process.renew()
        self.sandbox.let_go(kernel, threads)

    def renew(self, seed: int | str) -> None:
        """Be what the constructor makes, with the same options but for the seed.

        For a world that is kept for many runs and has let go of the last one; part by part as
        above. (:mod:`simloop.exploration.sweeping.kept_world` says when one may be kept.)
        """
        self.seed = seed
        self.kernel = kernel = self._make_kernel(seed, self._start_ns)
        kernel.limits.tidy = _tidy
        kernel.limits.say = _say
        kernel.limits.freeze_garbage = freeze_garbage
        kernel.stuck = _weakly(self, World._explain_deadlock)  # Anew: by it one sees who has it.
        self.threads = ThreadScheduler(kernel)
        self.sandbox.renew(clock=kernel, streams=kernel.streams, threads=self.threads)
        self.threads.bridge = ThreadBridge(weakref.proxy(self.sandbox), self.loops)
        self._wire = TrafficTap()
        self._is_watched = False
        self._hearers, self._noters = [], []
        self.origins_outside = 0

    def _make_kernel(self, seed: int | str, start_ns: int) -> Kernel:
        return Kernel(seed, start_ns)

    @property
    def network(self) -> Network:
        """The virtual network, made when it is first asked for; internal but for its names."""
        if self._network is None:
            network = self._network = Network()
            kernel = self.kernel
            network.now_ns = partial(getattr, kernel, "now_ns")  # No frame, as a lambda has.
            network.clock = kernel
            network.make_random = lambda: kernel.streams.stream("ports")
            network.call_at_ns = kernel.call_at_ns
            network.make_stream = kernel.streams.stream
            network.choose = None if kernel.gate is None else kernel.choose
            self._tap()
        return self._network

    @property
    def disk(self) -> Disk:
        """The disk of the machine that the program of the run runs on.

        Raises:
            UsageError: The world was made without one.
        """
        if self._disk is None:
            raise UsageError(
                "world.disk: this world's program has the real files; make the world with"
                " simloop.World(disk=True), or give the run disk=True"
            )
        return self._disk

    @property
    def names(self) -> NamesTable:
        """What ``getaddrinfo`` answers, changed by ``add``, ``remove``, ``fail`` and ``delay``."""
        return self.network.names

    @property
    def programs(self) -> Programs:
        """What can be started as a process, as ``register`` and ``missing`` say."""
        if self._programs is None:
            self._programs = Programs()
        return self._programs

    @property
    def processes(self) -> ProcessTable:
        """The simulated processes by number; the first is the program of the run."""
        if self._processes is None:
            self._processes = ProcessTable(self.process)
        return self._processes

    @property
    def main_host(self) -> Host:
        """The machine that the program of the run runs on, made when it is first asked for."""
        return self.network.hosts.get(_HOSTNAME) or self.make_host(_HOSTNAME)

    def look_for_host(self) -> Host | None:
        """Return that machine, or None if nothing has asked for it yet."""
        return None if self._network is None else self.main_host

    def make_host(self, hostname: str, *addresses: str) -> Host:
        """Add a machine whose blocking calls wait as the threads of this world do."""
        network = self.network
        host = network.add_host(hostname, *addresses)
        if len(network.hosts) > 1:
            network.lay_wire()
        let_threads_block(host, self.threads)
        host.unix.tree = RealTree()
        host.on_foreign = passed_file  # type: ignore[method-assign]
        return host

    interrupt_handler: ClassVar[Callable[[], Any]] = staticmethod(interrupt_handler)
    is_of_user: ClassVar[Callable[[BaseException], bool]] = staticmethod(is_of_user)

    # Which process runs ----------------------------------------------------------------------

    def process_of_caller(self) -> Process:
        """Return the process of the code that runs, or the program of the run outside of it."""
        context = current()
        if context is None or context is self.sandbox or context.threads is not self.threads:
            return self.process
        identity = context.identity
        assert isinstance(identity, Process)
        return identity

    def step_into(self, process: Process, loop: Any) -> None:
        """Make a loop the running one, and put its process in place: the one switch there is.

        With the process go its clock, entropy, sockets, signals and identity; with the loop, that
        asyncio has it for the running one, and that it hears of asynchronous generators.
        """
        asyncio._set_running_loop(loop)
        if self.has_lone_hooks:
            share_generator_hooks(self)
        context, sandbox = process.context, self.sandbox
        if context is not sandbox.further:
            sandbox.switch_to(sandbox if context is None else context)
            for tell in self._switch_hearers:
                tell(f"{process.label}{process.pid}")

    def add_process(
        self,
        host: Host,
        argv: list[str],
        *,
        env: dict[str, str] | None = None,
        cwd: str = "/",
        clock: ProcessClock | None = None,
    ) -> Process:
        """Add one more process, on a machine; its loops are made with it.

        Args:
            host: The machine, of :meth:`make_host`.
            argv: The program's name and arguments.
            env: Its environment.
            cwd: Its working directory.
            clock: The machine's clock; the world's own if None.
        """
        process = Process(self.process.world, self.processes.next_pid())
        process.argv, process.env, process.cwd = argv, env or {}, cwd
        process.run_on(host, clock)
        process.context = self.sandbox.for_process(
            clock=self.kernel if clock is None else clock,
            start_ns=int(self.sandbox.start_ns) + (0 if clock is None else clock.skew_ns),
            streams=RandomStreams(f"{self.seed}/process/{process.pid}"),
            sockets=_system_calls(process),
            identity=process,
        )
        self.processes.add(process)
        return process

    def make_loop(self, process: Process) -> SimLoop:
        """Return a new loop of a process, by the clock of its machine; the kernel carries it."""
        loop: SimLoop = self._loop_class_of(process)(world=self, process=process)
        loop._is_carried = True
        return loop

    def _loop_class_of(self, process: Process) -> type[SimLoop]:
        if process.loop_class is not None:
            return process.loop_class  # type: ignore[no-any-return]
        if process.clock is None:
            return self.asked_loop_class
        from simloop._loop.own_clock import OwnClockLoop  # noqa: PLC0415 - few have one

        return OwnClockLoop

    @property
    def time_ns(self) -> int:
        """The virtual time in nanoseconds."""
        return self.kernel.now_ns

    @property
    def steps(self) -> int:
        """How many callbacks have run."""
        return self.kernel.steps

    def limit(
        self,
        *,
        max_time: float | None = None,
        max_steps: int | None = None,
        livelock_steps: int | None = None,
        clock_reads: int | None = None,
        clock_tick: float | None = None,
    ) -> None:
        """Set the limits of the world's run, in place of those before.

        Args:
            max_time: The virtual time, in seconds, past which the clock may not go.
            max_steps: How many callbacks may run, counted from the world's first.
            livelock_steps: How many may run while the clock stands still; a million if None.
            clock_reads: How often a clock may be read in one step before it moves; 10,000 if None.
            clock_tick: How many seconds each reading of a clock takes, 1e-6 say; 0 if None.

        Raises:
            UsageError: One of them is no limit.

        Example:
            >>> import asyncio, simloop
            >>> world = simloop.World()
            >>> world.limit(max_time=60)
            >>> with asyncio.Runner(loop_factory=lambda: simloop.SimLoop(world=world)) as runner:
            ...     runner.run(asyncio.sleep(3600))
            Traceback (most recent call last):
            ...
            simloop.errors.LimitError: the next deadline is at 3600.0 s of virtual time, and ...
        """
        given = max_time, max_steps, livelock_steps, clock_reads, clock_tick
        self.kernel.limit(**steps_and_time(*given))
        if clock_tick is not None:
            self.sandbox.reads = repeat(None, 0)  # Each is looked at from the next reading on.
            for loop in self.loops:
                loop._reads = repeat(None, 0)

    def pace(self, realtime: float) -> None:
        """Let virtual time keep pace with the wall, times a factor, from the next jump on.

        Steps and results stay the same, as long as no thread from outside speaks to a loop. What
        it does then happens at the wall's time.

        Args:
            realtime: Virtual seconds per real second: 1.0, or 10 for ten times as fast.

        Raises:
            UsageError: It is not above 0, or the world has a pace already.
        """
        from .realtime import RealtimePacer  # noqa: PLC0415 - who watches a run waits anyway

        if self._pace is not None:
            raise UsageError(f"pace({realtime!r}): the world has a pace already; make a new world")
        self._pace = RealtimePacer(self.kernel, realtime, self.threads.real_work.pause)

    def detach_clocks(self) -> None:
        """Let the program's clocks go by themselves, and the loop's clock by ``advance`` alone.

        From now on an advance leaves ``time.time``, ``time.monotonic`` and ``datetime.now`` where
        they are, and ``time.sleep`` moves these and not the loop's clock. So it is in asynctest's
        ``ClockedTestCase``. For a loop with ``autojump=False``.

        Example:
            >>> import time, simloop
            >>> async def main():
            ...     loop = simloop.current_loop()
            ...     loop.world.detach_clocks()
            ...     time.sleep(0.5)
            ...     await loop.advance(3600)
            ...     return loop.time(), time.monotonic()
            >>> simloop.run(main(), autojump=False)
            (3600.0, 0.5)
        """
        self.sandbox.detach_clock(self.kernel)

    def attach_clocks(self) -> None:
        """Let the program's clocks be the loop's again, after :meth:`detach_clocks`."""
        self.sandbox.attach_clock(self.kernel)

    def attach(self, loop: Any) -> None:
        """Take note of a loop that lives here."""
        self.loops.append(loop)
        loop.process.loops.append(loop)
        if self._is_watched:
            loop.mark_tasks()

    def detach(self, loop: Any) -> None:
        """Forget a loop that was closed."""
        self.loops.remove(loop)
        loop.process.loops.remove(loop)
        self.kernel.detach()
        if self.has_hosts and not self.process.loops and self.process.events is None:
            self.end_hosts()

    def _explain_deadlock(self) -> DeadlockError:
        from simloop._loop.diagnosis.deadlock_report import explain_deadlock  # noqa: PLC0415 - only who is stuck pays

        return explain_deadlock(self)

    def _become_loop(self, shell: Any) -> None:
        """Make the empty object that is to be a loop of asyncio's a loop of this world."""
        cls = self._loop_class_of(self.process_of_caller())
        dress(shell, cls)
        cls.__init__(shell, world=self)
        if self.kernel.is_running:
            shell.detach_schedule()

    def watch(self, watcher: Any, *, is_silent: bool = False) -> None:
        """Tell ``watcher`` of each step, and of what else it has a method for.

        That is ``sent`` for bytes that cross sockets and pipes, ``timed`` for timers, ``happened``
        for what the run does to the outside beside, ``noted`` for what happens inside (a process
        begins, a host crashes, a fault strikes), and, beside ``sent``, what a ``PacketWatcher`` of
        :mod:`simloop.net.wire.watched_wire` has for packets between hosts.

        Args:
            watcher: What is told.
            is_silent: Whether what the run prints is to go to the watcher only.
        """
        self.kernel.observe(watcher)
        self._is_watched = True
        for loop in self.loops:
            loop.mark_tasks()
        if hasattr(watcher, "sent"):
            self._wire.listeners.append(watcher)
            self._tap()
        if hasattr(watcher, "switched"):
            self._switch_hearers = (*self._switch_hearers, watcher.switched)
        if hasattr(watcher, "happened"):
            self._hearers.append(watcher.happened)
            self.sandbox.hear(watcher.happened, is_silent=is_silent)
        if hasattr(watcher, "noted"):
            self._noters.append(watcher.noted)

    def unwatch(self, watcher: Any) -> None:
        """Stop telling ``watcher``."""
        self.kernel.unobserve(watcher)
        if watcher in self._wire.listeners:
            self._wire.listeners.remove(watcher)
            self._tap()
        if hasattr(watcher, "switched"):
            left = [each for each in self._switch_hearers if each != watcher.switched]
            self._switch_hearers = tuple(left)
        if hasattr(watcher, "happened"):
            self._hearers.remove(watcher.happened)
            self.sandbox.unhear(watcher.happened)
        if hasattr(watcher, "noted"):
            self._noters.remove(watcher.noted)

    def system_calls(self, process: Process) -> SystemCalls:
        """Return the system calls of a process, on its machine."""
        return _system_calls(process)

    def note(self, what: str, data: str, hostname: str = "") -> None:
        """Tell the watchers of something that happens inside: a process begins, a signal comes.

        Args:
            what: The kind: ``"process"``, ``"host"``, ``"fault"``, ``"signal"``.
            data: What happens, in words.
            hostname: The machine on which it does, where that is known.
        """
        for hear in self._hearers:
            hear(what, data)
        for tell in self._noters:
            tell(what, data, hostname)

    def _tap(self) -> None:
        """Let the network tell whoever listens, if there is a network, and anybody."""
        if self._network is not None:
            self._network.tap = self._wire.sent if self._wire.listeners else None
            self._network.watch_packets(self._wire.listeners)

    def inside(self) -> AbstractContextManager[object]:
        """Make the real world's names mean this world, until left."""
        seat = current()
        if isinstance(seat, ThreadSandbox) and seat.threads is self.threads:
            return _INSIDE  # A thread of the run is inside already.
        return _INSIDE if seat is self.sandbox.in_place else self.sandbox


def _tidy(full: bool) -> None:  # noqa: FBT001 - a hook of the kernel
    tidy(full=full)


def _say(text: str) -> None:
    """Write a line for people, which is no output of the program."""
    context = current()
    threads = None if context is None else context.threads
    with nullcontext() if threads is None else threads.for_real():
        print(text, file=sys.__stderr__, flush=True)


def _weakly(world: World, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a method of the world, and does not keep it."""
    find = weakref.ref(world)

    def call(*args: Any) -> Any:
        found = find()
        if found is None:
            raise UsageError(_GONE)
        return method(found, *args)

    return call


def _system_calls(process: Process) -> SystemCalls:
    """Return the system calls of a process, on its machine."""

    def find_host() -> Host:
        try:
            return process.host
        except ReferenceError:
            raise UsageError(_GONE) from None

    return SystemCalls(find_host, process.look_for_host)


def world_of(call: str, options: RunOptions) -> World:
    """Return the world that the options of a call name, or a new one by them.

    Raises:
        UsageError: They name one, and say how it is to be made, or have a value that means nothing.
    """
    if options.world is None:
        return World(**options.of_world())
    if not isinstance(options.world, World):
        raise UsageError(f"{call} got world={options.world!r}; it takes a simloop.World, or None")
    options.refuse_conflict(call)
    return options.world


def _world_of_loop(
    *, seed: int | str | None, start_time: float | None, world: World | None
) -> World:
    if seed is None and start_time is None and world is None:
        return World()  # As for most loops.
    return world_of("SimLoop()", RunOptions(seed, start_time, world=world))


def _find_host() -> Host | None:
    """Return the host on which the calling thread opens sockets, if it is inside of a world."""
    seat = current()
    sockets = None if seat is None else seat.sockets
    return sockets._find_host() if isinstance(sockets, SystemCalls) else None


provide_worlds(_world_of_loop)
set_host_finder(_find_host)
