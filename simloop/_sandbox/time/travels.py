"""Tools that set the date: time-machine and freezegun, in a run, around it and across its ends.

Owns: what a run's wall clock says while such a tool's block is on, and what is done where a block
and a run overlap. Inside of a block the date is the tool's: it stands still or goes on with the
clock of whoever asks, the run's in a run and the real one outside.

How. freezegun puts functions of its own under the names of Python's, which are called as ever; what
lets its date go on is ``datetime.now``, the run's in a run. time-machine writes C functions of its
own into those of ``time`` and ``datetime``, which in a run hold ours: it would take our functions
for the originals, so it is let do that while ours are off (:func:`.without_patches`). In a run the
wall clock is then told by the tool's traveller, see :class:`_TravelledStart`.

Where a run begins or ends within a block, what the tool has noted of one clock is told in the
other: a run within a block begins at the block's date, however long the block has been on, and
a block that was begun in a run goes on outside with what has passed of it.

Must not know: how a clock of a run moves.

Invariants:

- No difference is ever taken between a real time and a run's.
- A process that has loaded neither tool pays one look at an empty list for each run.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

from simloop._kernel import NS_PER_SECOND
from simloop._sandbox.patching.registry import (
    load_without_patches,
    redirect,
    when_loaded,
    without_patches,
)
from simloop._sandbox.run_context import RunContext, by_thread, get_ident

from .datetimes import now_at
from .time_module import WALL_CLOCKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["arrive", "borders", "depart", "travelled_like"]


class _Border(Protocol):
    """What one tool has noted of a clock, and how it is noted anew where the clock changes."""

    def depart(self, run: RunContext | None) -> None:
        """Get ready for another clock; None: from the real one."""

    def arrive(self, run: RunContext | None) -> None:
        """Go by the clock of a run from now on, or by the real one."""


borders: list[_Border] = []
"""Of the tools that are loaded."""


def depart(run: RunContext | None) -> None:
    """Get ready to go by another clock than this run's, or the real one."""
    for each in borders:
        each.depart(run)


def arrive(run: RunContext | None) -> None:
    """Go by the clock of a run, or the real one, from now on."""
    for each in borders:
        each.arrive(run)


class _Starts:
    """When blocks began by the clock of where they are asked, and how that is carried over.

    Args:
        now: Returns the time, of the run or the real one, in the tool's own units.
        get: Returns when a block began, or None if it has not been asked for the date yet.
        put: Notes when it began.
    """

    def __init__(
        self, now: Callable[[], Any], get: Callable[[Any], Any], put: Callable[[Any, Any], object]
    ) -> None:
        self._now = now
        self._get = get
        self._put = put
        self._outside: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        """Of blocks that were begun outside of runs: when, by the real clock."""
        self._inside: WeakKeyDictionary[Any, tuple[ref[Any], Any]] = WeakKeyDictionary()
        """What had passed of them in a run, by its clock, and which process's it was."""
        self._noted: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        """What was noted last, by which one can tell whether a block has moved since."""

    def depart(self, block: Any, run: RunContext | None) -> None:
        """Keep what has passed of a block."""
        began = self._get(block)
        noted = self._noted.pop(block, self)
        if run is None:
            if noted != began:  # It was begun outside, or moved there.
                self._outside[block] = began
                self._inside.pop(block, None)
        elif began is not None:
            if noted != began and noted is not None:  # The same for the run.
                self._outside.pop(block, None)
            self._inside[block] = ref(run.entropy), self._now() - began

    def arrive(self, block: Any, run: RunContext | None) -> None:
        """Note when a block began by the clock that counts from now on."""
        began = self._outside.get(block)
        kept = self._inside.get(block)
        is_own = kept is not None and run is not None and kept[0]() is run.entropy
        if kept is not None and (is_own or block not in self._outside):
            began = self._now() - kept[1]
        elif run is not None and began is not None:
            began = self._now()  # Each run within the block begins at its date.
        if began is not None or block in self._outside:
            self._put(block, began)
        self._noted[block] = self._get(block)


# time-machine -----------------------------------------------------------------------------------


class _TravelledStart(int):
    """What is added to a run's clock for its wall clock, in a run that has heard of a traveller.

    The sum is the traveller's time while there is one. To be asked only by the thread whose clock
    is added: a traveller that goes on asks for the run's own time, :func:`_wall_ns`.
    """

    stack: list[Any] = []  # noqa: RUF012 - of time-machine, which has one
    __slots__ = ()

    def __add__(self, now_ns: int) -> int:
        stack = self.stack
        told: int = stack[-1].time_ns() if stack else int.__add__(self, now_ns)
        return told


def _wall_ns(run: RunContext) -> int:
    """Return what a run's wall clock says by itself."""
    return int.__add__(run.start_ns, run.clock.now_ns)


def travelled_like(other_ns: int, start_ns: int) -> int:
    """Return where a process's wall clock starts that begins in a run with that of another one."""
    return start_ns if type(other_ns) is int else _TravelledStart(start_ns)


def _let_travel(run: RunContext) -> None:
    """Let the date be a traveller's in the process to which a context belongs."""
    for each in (run, *by_thread.values()):
        if each.entropy is run.entropy and type(each.start_ns) is int:
            each.start_ns = _TravelledStart(each.start_ns)


class _TimeMachine:
    """time-machine's travellers, at the ends of runs."""

    def __init__(self, stack: list[Any], now_ns: Callable[[], int]) -> None:
        self._stack = stack
        self._starts = _Starts(now_ns, _began, _begin)

    def depart(self, run: RunContext | None) -> None:
        """Take back the zones of the travellers, and keep what has passed."""
        for traveller in reversed(self._stack):
            traveller._stop()
            if traveller._tick:
                self._starts.depart(traveller, run)

    def arrive(self, run: RunContext | None) -> None:
        """Put the zones of the travellers in place, and note when they began."""
        if run is not None and self._stack:
            _let_travel(run)
        for traveller in self._stack:
            if traveller._tick:
                self._starts.arrive(traveller, run)
            traveller._start()


def _began(traveller: Any) -> int | None:
    return traveller._real_start_timestamp_ns if traveller._requested else None


def _begin(traveller: Any, began_ns: int | None) -> None:
    traveller._requested = began_ns is not None
    traveller._real_start_timestamp_ns = began_ns


def _patch_apart(module: ModuleType, name: str) -> None:
    """Let time-machine write into C functions while ours are not there."""

    def apart() -> None:
        without_patches(real)
        run = by_thread.get(get_ident())
        if run is not None:
            _let_travel(run)

    real = redirect(getattr(module, name), apart)


def _answer(module: ModuleType, name: str, answer: Callable[..., Any]) -> None:
    """Let what time-machine calls the original tell the run's own time, in a run."""
    target = getattr(module, f"original_{name}", None)
    if target is None:
        return

    def original(*args: Any) -> Any:
        run = by_thread.get(get_ident())
        return real(*args) if run is None else answer(_wall_ns(run), *args)

    real = redirect(target, original)


def _strftime(wall_ns: int, layout: str, moment: Any = None) -> str:
    if moment is None:
        moment = time.localtime(wall_ns // NS_PER_SECOND)
    return time.strftime(layout, moment)


def _clock_gettime_ns(wall_ns: int, clock_id: int) -> int:
    return wall_ns if clock_id in WALL_CLOCKS else time.clock_gettime_ns(clock_id)


def _seconds_or(seconds: float | None, wall_ns: int) -> float:
    return wall_ns // NS_PER_SECOND if seconds is None else seconds


_ORIGINALS: dict[str, Callable[..., Any]] = {
    "time": lambda wall_ns: wall_ns / NS_PER_SECOND,
    "time_ns": lambda wall_ns: wall_ns,
    "now": lambda wall_ns, tz=None: now_at(wall_ns, tz),
    "utcnow": lambda wall_ns: now_at(wall_ns, utc=True),
    "gmtime": lambda wall_ns, seconds=None: time.gmtime(_seconds_or(seconds, wall_ns)),
    "localtime": lambda wall_ns, seconds=None: time.localtime(_seconds_or(seconds, wall_ns)),
    "strftime": _strftime,
    "clock_gettime": lambda wall_ns, clock: _clock_gettime_ns(wall_ns, clock) / NS_PER_SECOND,
    "clock_gettime_ns": _clock_gettime_ns,
}


def _register_time_machine(module: ModuleType) -> None:
    import _time_machine  # type: ignore[import-not-found]  # noqa: PLC0415 - its part in C

    for name in ("patch", "unpatch", "patch_if_needed"):  # By the version.
        if hasattr(_time_machine, name):
            _patch_apart(_time_machine, name)
    for name, answer in _ORIGINALS.items():
        _answer(_time_machine, name, answer)
    stack = getattr(module, "traveller_stack", None)
    if stack is None:
        stack = module.coordinates_stack  # Of version 2.
    _TravelledStart.stack = stack
    borders.append(_TimeMachine(stack, _time_machine.original_time_ns))


load_without_patches("_time_machine")
when_loaded("time_machine", _register_time_machine)


# freezegun --------------------------------------------------------------------------------------


class _Freezegun:
    """freezegun's dates that go on, at the ends of runs."""

    def __init__(self, module: Any) -> None:
        self._factories = module.freeze_factories
        self._ticking = module.TickingDateTimeFactory
        self._starts = _Starts(self._now, _began_at, _begin_at)
        self._real = module.real_datetime

    def _now(self) -> Any:
        """Ask as freezegun does: each time by the class, whose method in a run is the run's."""
        return self._real.now()

    def _going_on(self) -> list[Any]:
        return [each for each in self._factories if isinstance(each, self._ticking)]

    def depart(self, run: RunContext | None) -> None:
        """Keep what has passed."""
        for each in self._going_on():
            self._starts.depart(each, run)

    def arrive(self, run: RunContext | None) -> None:
        """Note when they began."""
        for each in self._going_on():
            self._starts.arrive(each, run)


def _began_at(factory: Any) -> Any:
    return factory.start


def _begin_at(factory: Any, began: Any) -> None:
    factory.start = began


when_loaded("freezegun.api", lambda module: borders.append(_Freezegun(module)))
