"""The sandbox of one world: what its programs find where the real world would be.

Owns: entering and leaving, and which process of the world the process-wide state is. Inside, time,
entropy and sockets are the world's; outside, nothing is different from a Python that never heard of
simloop.

Must not know: loops, worlds, networks. Its clock, streams and sockets come by argument.

Invariants:

- A thread is inside of at most one sandbox at a time; entering another one inside pushes it.
- What was entered is left, in reverse order, also when the run fails.
- Making a sandbox touches nothing; its streams are first drawn from when it is entered.
- Of a world's processes one is *in place*: the ``random`` module's state and the variables of
  libraries are its own. A sandbox that has one context never exchanges any.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, Self

from simloop._kernel import NS_PER_SECOND
from simloop.errors import UsageError

from .contracts import Clock, Identity, Signals, Sockets, Streams, Threads, check_contract
from .entropy.entropy import Entropy
from .files.file_times import FileTimes
from .patching.registry import install, uninstall
from .permissions import check_names
from .process.effects import Listener, listen, unlisten
from .process.garbage import collect
from .run_context import RunContext, by_thread, get_ident
from .time.detached_clock import DetachedClock, DetachedThreadClock
from .time.time_zone import time_zone
from .time.travels import arrive, borders, depart, travelled_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from .time.clock_polls import ClockPolls
    from .time.cpu_time import CpuTime
    from .time.detached_clock import AdvancingKernel

__all__ = ["START_DATE", "ProcessContext", "Sandbox", "ThreadSandbox"]

START_DATE = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
"""When a world begins if nobody says otherwise: the same date for everybody."""

_START_NS = 1_704_067_200 * NS_PER_SECOND
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Sandbox(RunContext):
    """The sandbox of one world; enter it around each run. It is its first process's context, too.

    Args:
        clock: The virtual clock.
        streams: The random streams of the world's seed.
        sockets: What makes virtual sockets and answers for names and descriptors; ``None`` leaves
            them real, which makes using them an escape.
        signals: What stands in for signal handlers; ``None`` leaves that to ``identity``, without
            which setting one is an escape.
        threads: Who says how the run's threads wait for each other; ``None`` leaves them to the
            operating system.
        identity: The process that the run is, in the world; ``None`` leaves the real one's number.
        become_loop: Makes a loop of the world of the empty object that is to be one of asyncio's
            own; ``None`` lets the program have that.
        start_date: The wall clock's time when the virtual clock is at 0: a datetime (a naive one
            is UTC) or POSIX seconds.
        allow: Names of what the run may reach of the real world; see :func:`.allow`.
        strict: Also refuse what is allowed by default: writing files, starting threads.
        zone: The time zone that its program begins in.

    Raises:
        UsageError: A part lacks something of its contract.
    """

    __slots__ = ("__weakref__", "_frames", "_listeners", "further")

    def __init__(
        self,
        *,
        clock: Clock,
        streams: Streams,
        sockets: Sockets | None = None,
        signals: Signals | None = None,
        threads: Threads | None = None,
        identity: Identity | None = None,
        become_loop: Callable[[Any], None] | None = None,
        start_date: dt.datetime | float | None = None,
        allow: tuple[str, ...] = (),
        strict: bool = False,
        zone: str = "UTC",
    ) -> None:
        self.clock: Clock = clock
        self.start_ns: int = _START_NS if start_date is None else _posix_ns(start_date)
        self.entropy: Entropy = Entropy(streams, zone)
        self.files: FileTimes = FileTimes()
        self.sockets = sockets
        self.signals = signals
        self.threads = threads
        self.identity = identity
        self.become_loop = become_loop
        check_names(allow)
        _check_parts(self)
        self.allowed: tuple[str, ...] = tuple(allow)
        self.strict = strict
        self.idle_polls: tuple[int, int] = (0, 0)
        self.reads: Iterator[None] = repeat(None, clock.limits.reads_unseen)
        self.polls: ClockPolls | None = None
        self.cpu: CpuTime | None = None
        self.numbers: dict[int, int] = {}
        self.next_number: Callable[[], int] = count(1).__next__
        # The context of a further process, if one is in place; not itself, which would be a cycle.
        self.further: RunContext | None = None
        self._frames: list[tuple[int, RunContext | None, Any] | None] = []
        # Told of what the run does to the outside, while it is on.
        self._listeners: tuple[Listener, ...] = ()

    def let_go(self, clock: Clock, threads: Threads) -> None:
        """Hold nothing of a run that is over, but stand-ins until :meth:`renew` comes."""
        self.clock, self.threads, self.polls, self.cpu = clock, threads, None, None

    def renew(self, *, clock: Clock, streams: Streams, threads: Threads) -> None:
        """Be what the constructor makes, for another run of the same options, by new parts.

        It is to be idle, and what else it was made of to be as it was.
        """
        self.clock = clock
        self.entropy = Entropy(streams, self.entropy.zone)
        self.files = FileTimes()
        self.threads = threads
        self.idle_polls = (0, 0)
        self.reads = repeat(None, clock.limits.reads_unseen)
        self.polls = self.cpu = None
        self.numbers = {}
        self.next_number = count(1).__next__

    def is_idle(self) -> bool:
        """Return whether no run is in it, and nothing of one is left in place."""
        return not (self._frames or self._listeners) and self.further is None

    def hear(self, tell: Callable[[str, Any], object], *, is_silent: bool = False) -> None:
        """Tell of what runs do to the outside; see :mod:`.effects` for the arguments."""
        added = (Listener(self.numbers, tell, is_silent=is_silent),)
        self._listeners += added
        if self._frames:
            listen(added)

    def unhear(self, tell: Callable[[str, Any], object]) -> None:
        """Tell no more."""
        removed = tuple(each for each in self._listeners if each.tell == tell)
        self._listeners = tuple(each for each in self._listeners if each.tell != tell)
        if self._frames:
            unlisten(removed)

    @property
    def in_place(self) -> RunContext:
        """The context of the process that the process-wide state is."""
        return self if self.further is None else self.further

    def enter(self) -> None:
        """Begin a run on this thread: from now on its time, entropy and sockets are the world's.

        Raises:
            UsageError: Another thread is inside; a second one comes in by :meth:`guest`.
        """
        ident = get_ident()
        outer = by_thread.get(ident)
        context = self if self.further is None else self.further
        if outer is context:
            self._frames.append(None)
            return
        if self._frames and any(frame and frame[0] != ident for frame in self._frames):
            raise UsageError(
                f"thread {ident} entered a world that another thread is running; "
                "let one thread run it, or join it with Sandbox.for_thread"
            )
        install()
        if borders:
            depart(outer)
        try:
            saved = context.entropy.enter(context.start_ns)
        except BaseException:
            uninstall()
            raise
        self._frames.append((ident, outer, saved))
        self.numbers[ident] = 0
        by_thread[ident] = context
        if borders:
            arrive(context)
        if self._listeners and len(self._frames) == 1:
            listen(self._listeners)

    def exit(self) -> None:
        """End the run, or one level of it.

        Raises:
            UsageError: This is not the sandbox that this thread entered last.
        """
        context = self if self.further is None else self.further
        if by_thread.get(get_ident()) is not context:
            raise UsageError("left a sandbox that is not the innermost of this thread")
        frame = self._frames.pop()
        if frame is None:
            return
        try:
            collect()  # Finalizers of what the run leaves behind are part of the run.
        finally:  # What hears of collections may raise, as other tools do, and Ctrl-C comes there.
            self._leave(context, *frame)

    def _leave(self, context: RunContext, ident: int, outer: RunContext | None, saved: Any) -> None:
        if borders:
            depart(context)
        if outer is None:
            del by_thread[ident]
        else:
            by_thread[ident] = outer
        if not self._frames:
            self.numbers.clear()
            if self._listeners:
                unlisten(self._listeners)
        try:
            context.entropy.exit(saved)
        finally:
            if borders:
                arrive(outer)
            uninstall()

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exit()

    def for_thread(self, clock: Clock | None = None, number: int = 1) -> ThreadSandbox:
        """Return a context in which another thread belongs to the run, and to its process in place.

        Args:
            clock: What that thread sees as its clock, in particular how it sleeps.
            number: Which thread of the run it is, counted from 1.
        """
        context = self.in_place
        if clock is None:
            clock = context.clock
        elif isinstance(context.clock, DetachedClock):
            clock = DetachedThreadClock(context.clock, clock)
        return ThreadSandbox(context, clock, number)

    def detach_clock(self, kernel: AdvancingKernel) -> None:
        """Let the program's clocks go by themselves; see :mod:`.time.detached_clock`."""
        if not isinstance(self.clock, DetachedClock):
            self.clock = DetachedClock(kernel)

    def attach_clock(self, kernel: Clock) -> None:
        """Let the program's clocks be the kernel's again; the date does not go back by it."""
        if isinstance(self.clock, DetachedClock):
            self.start_ns += self.clock.attach()
            self.clock = kernel

    def for_process(
        self,
        *,
        clock: Clock,
        start_ns: int,
        streams: Streams,
        sockets: Sockets,
        identity: Identity,
    ) -> ProcessContext:
        """Return the context of one more process of the world; see :meth:`switch_to`."""
        context = ProcessContext(self)
        context.clock = clock
        context.start_ns = travelled_like(self.start_ns, start_ns)
        context.entropy = Entropy(streams, self.entropy.zone)
        context.sockets = sockets
        context.identity = identity
        _check_parts(context)
        return context

    def switch_to(self, context: RunContext) -> None:
        """Put another process of the world in place: its entropy, clock, sockets and signals.

        The calling thread gets its context, unless it is one that stays in its own process. Outside
        of runs the next one begins with it.
        """
        before = self.further or self
        if context is before:
            return
        own, others = context.identity, before.identity
        self.further = None if context is self else context
        if own is not None and others is not None:
            own.follow(others)
        elif own is not None:
            own.took_place()
        elif others is not None:
            others.left_place()
        if self._frames:
            if not before.entropy.switch_quickly(context.entropy):
                time_zone.leaves_variable = True  # Its environment is in place by now.
                try:
                    before.entropy.switch_to(context.entropy, context.start_ns)
                finally:
                    time_zone.leaves_variable = False
            ident = get_ident()
            if by_thread.get(ident) is before:
                by_thread[ident] = context

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Let the calling thread step out of the run for a block: there, nothing is virtual."""
        ident = get_ident()
        seat = by_thread.pop(ident, None)
        try:
            yield
        finally:
            if seat is not None:
                by_thread[ident] = seat


class ProcessContext(RunContext):
    """What the loop's thread is given while it runs one of a world's further processes."""

    __slots__ = ()

    def __init__(self, sandbox: Sandbox) -> None:
        self.files: FileTimes = sandbox.files
        self.threads: Threads | None = sandbox.threads
        self.become_loop: Callable[[Any], None] | None = sandbox.become_loop
        self.allowed: tuple[str, ...] = sandbox.allowed
        self.strict: bool = sandbox.strict
        self.signals: Signals | None = None
        self.numbers: dict[int, int] = sandbox.numbers
        self.next_number: Callable[[], int] = sandbox.next_number
        self.idle_polls: tuple[int, int] = (0, 0)
        self.reads: Iterator[None] = repeat(None, sandbox.clock.limits.reads_unseen)
        self.polls: ClockPolls | None = None
        self.cpu: CpuTime | None = None


_checked: dict[tuple[type, ...], None] = {}
"""Kinds of parts that were looked at already, together: a run asks once."""


def _check_parts(context: RunContext) -> None:
    parts = context.sockets, context.signals, context.threads, context.identity
    kinds = (type(context.clock), *map(type, parts))
    if kinds in _checked:
        return
    check_contract(context.clock, Clock)
    for part, contract in zip(parts, (Sockets, Signals, Threads, Identity), strict=True):
        if part is not None:
            check_contract(part, contract)
    _checked[kinds] = None


class ThreadSandbox(RunContext):
    """A second thread inside a run: it sees the world's time and entropy, by a clock of its own.

    It comes only while the run's own thread is inside, so there is nothing to patch, and the
    state of the ``random`` module is the run's already.
    """

    __slots__ = ("_ident", "_number", "_outer", "process")

    blocks_loop = False
    allowed: tuple[str, ...]
    become_loop: Callable[[Any], None] | None

    def __init__(self, process: RunContext, clock: Clock, number: int) -> None:
        self.process: RunContext | None = process
        self.clock = clock
        self.start_ns: int = process.start_ns
        self.entropy: Entropy = process.entropy
        self.files: FileTimes = process.files
        self.sockets: Sockets | None = process.sockets
        self.signals: Signals | None = process.signals
        self.threads: Threads | None = process.threads
        self.become_loop = process.become_loop
        self.allowed = process.allowed
        self.strict: bool = process.strict
        self.identity: Identity | None = process.identity
        self.numbers: dict[int, int] = process.numbers
        self.next_number: Callable[[], int] = process.next_number
        self.idle_polls: tuple[int, int] = (0, 0)
        self.reads: Iterator[None] = repeat(None, clock.limits.reads_unseen)
        self.polls: ClockPolls | None = None
        self.cpu: CpuTime | None = None
        self._number = number
        self._outer: RunContext | None = None
        self._ident = 0

    def __enter__(self) -> Self:
        self._ident = get_ident()
        self._outer = by_thread.get(self._ident)
        self.numbers[self._ident] = self._number
        by_thread[self._ident] = self
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.expel()

    def expel(self) -> None:
        """End the thread's stay, from whatever thread: it is on its own from now on."""
        if by_thread.get(self._ident) is not self:
            return
        if self._outer is None:
            del by_thread[self._ident]
        else:
            by_thread[self._ident] = self._outer


def _posix_ns(date: dt.datetime | float) -> int:
    if not isinstance(date, dt.datetime):
        return round(date * NS_PER_SECOND)
    if date.tzinfo is None:
        date = date.replace(tzinfo=dt.UTC)
    return (date - _EPOCH) // dt.timedelta(microseconds=1) * 1000
