"""The sandbox of one world: what its program finds where the real world would be.

Owns: entering and leaving. Inside, time, entropy and sockets are the world's; outside, nothing is
different from a process that never heard of simloop.

Must not know: loops, worlds, networks. Its clock, streams and sockets come by argument.

Invariants:

- A thread is inside of at most one sandbox at a time; entering another one inside pushes it.
- Whatever enters leaves, in reverse order, also when the run fails.
- Making a sandbox touches nothing; its streams are first drawn from when it is entered.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from simloop._kernel import NS_PER_SECOND
from simloop.errors import UsageError

from .entropy.entropy import Entropy
from .patching.registry import install, uninstall
from .permissions import check_names
from .process.garbage import collect
from .run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from .io.sockets import Sockets
    from .patching.module_state import Streams
    from .process.signals import Signals
    from .process.threads import Threads

__all__ = ["START_DATE", "Clock", "RunContext", "Sandbox", "ThreadSandbox"]

START_DATE = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
"""When a world begins if nobody says otherwise: the same date for everybody."""

_START_NS = 1_704_067_200 * NS_PER_SECOND
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Clock(Protocol):
    """The virtual clock, as a run's functions of time use it."""

    now_ns: int
    """Nanoseconds since the world began; read at each call."""

    def block(self, duration_ns: int, /) -> None:
        """Do what ``time.sleep`` does: let that much time pass while nothing else runs."""


class RunContext:
    """What a thread inside a run is given: a clock, a wall clock, entropy, sockets."""

    __slots__ = (
        "allowed",
        "become_loop",
        "clock",
        "entropy",
        "idle_polls",
        "signals",
        "sockets",
        "start_ns",
        "strict",
        "threads",
    )

    blocks_loop = True
    """Whether this is the thread that runs the loop: what waits on it can wait for nothing."""

    clock: Clock
    start_ns: int
    entropy: Entropy
    sockets: Sockets | None
    signals: Signals | None
    threads: Threads | None
    become_loop: Callable[[Any], None] | None
    allowed: tuple[str, ...]
    strict: bool
    idle_polls: tuple[int, int]
    """When, in nanoseconds, and how often by then, the thread asked in vain what is ready."""


class Sandbox(RunContext):
    """The sandbox of one world; enter it around each run.

    Args:
        clock: The virtual clock.
        streams: The random streams of the world's seed.
        sockets: What makes virtual sockets and answers for names and descriptors; ``None`` leaves
            them real, which makes using them an escape.
        signals: What stands in for signal handlers; ``None`` makes setting one an escape.
        threads: Who says how the run's threads wait for each other; ``None`` leaves them to the
            operating system.
        become_loop: Makes a loop of the world of the empty object that is to be one of asyncio's
            own; ``None`` lets the program have that.
        start_date: The wall clock's time when the virtual clock is at 0: a datetime (a naive one
            is UTC) or POSIX seconds.
        allow: Names of what the run may reach of the real world; see :func:`.allow`.
        strict: Also refuse what is allowed by default: writing files, starting threads.
    """

    __slots__ = ("__weakref__", "_frames")

    def __init__(
        self,
        *,
        clock: Clock,
        streams: Streams,
        sockets: Sockets | None = None,
        signals: Signals | None = None,
        threads: Threads | None = None,
        become_loop: Callable[[Any], None] | None = None,
        start_date: dt.datetime | float | None = None,
        allow: tuple[str, ...] = (),
        strict: bool = False,
    ) -> None:
        self.clock = clock
        self.start_ns: int = _START_NS if start_date is None else _posix_ns(start_date)
        self.entropy: Entropy = Entropy(streams)
        self.sockets = sockets
        self.signals = signals
        self.threads = threads
        self.become_loop = become_loop
        check_names(allow)
        self.allowed = allow
        self.strict = strict
        self.idle_polls: tuple[int, int] = (0, 0)
        self._frames: list[tuple[int, RunContext | None, Any] | None] = []

    def enter(self) -> None:
        """Begin a run on this thread: from now on its time, entropy and sockets are the world's.

        Raises:
            UsageError: Another thread is inside; a second one comes in by :meth:`guest`.
        """
        ident = get_ident()
        outer = by_thread.get(ident)
        if outer is self:
            self._frames.append(None)
            return
        if self._frames and any(frame and frame[0] != ident for frame in self._frames):
            raise UsageError(
                f"thread {ident} entered a world that another thread is running; "
                "let one thread run it, or join it with Sandbox.for_thread"
            )
        install()
        try:
            saved = self.entropy.enter(self.start_ns)
        except BaseException:
            uninstall()
            raise
        self._frames.append((ident, outer, saved))
        by_thread[ident] = self

    def exit(self) -> None:
        """End the run, or one level of it.

        Raises:
            UsageError: This is not the sandbox that this thread entered last.
        """
        if by_thread.get(get_ident()) is not self:
            raise UsageError("left a sandbox that is not the innermost of this thread")
        frame = self._frames.pop()
        if frame is None:
            return
        ident, outer, saved = frame
        collect(full=True)  # Finalizers of what the run leaves behind are part of the run.
        if outer is None:
            del by_thread[ident]
        else:
            by_thread[ident] = outer
        try:
            self.entropy.exit(saved)
        finally:
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

    def for_thread(self, clock: Clock | None = None) -> ThreadSandbox:
        """Return a context in which another thread belongs to the run, too.

        Args:
            clock: What that thread sees as its clock, in particular how it sleeps.
        """
        return ThreadSandbox(self, self.clock if clock is None else clock)

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


class ThreadSandbox(RunContext):
    """A second thread inside a run: it sees the world's time and entropy, by a clock of its own.

    It comes only while the run's own thread is inside, so there is nothing to patch, and the
    state of the ``random`` module is the run's already.
    """

    __slots__ = ("_ident", "_outer")

    blocks_loop = False
    allowed: tuple[str, ...]
    become_loop: Callable[[Any], None] | None

    def __init__(self, host: Sandbox, clock: Clock) -> None:
        self.clock = clock
        self.start_ns: int = host.start_ns
        self.entropy: Entropy = host.entropy
        self.sockets: Sockets | None = host.sockets
        self.signals: Signals | None = host.signals
        self.threads: Threads | None = host.threads
        self.become_loop = host.become_loop
        self.allowed = host.allowed
        self.strict: bool = host.strict
        self.idle_polls: tuple[int, int] = (0, 0)
        self._outer: RunContext | None = None
        self._ident = 0

    def __enter__(self) -> Self:
        self._ident = get_ident()
        self._outer = by_thread.get(self._ident)
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
