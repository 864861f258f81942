"""The options of a run: their names, which of them make a world, and what each one takes.

Owns: the record that `run`, `simulate`, `check`, the pytest mark, the unittest case, the decorator,
embedding and the command hand on; the refusal of names that it does not have, of options that
could not take effect, and of values that mean nothing.

Must not know: what a world is made of, and how a run goes.

Invariants:

- The options of the world come first, and are None where they were not given: the defaults of a
  world are said once, by :class:`World`, and ``seed=0`` beside ``world=`` is told from no seed.
- What was given takes effect or is refused; nothing is dropped.
- The record is a named tuple and not an attrs class, because each run makes one: attrs would cost
  a plain run the import of a package that it has no other use for, some 10 ms.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from simloop._kernel import NEVER, NS_PER_SECOND, nanoseconds
from simloop.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from .world import World

__all__ = [
    "OF_WORLD",
    "RunOptions",
    "check_flag",
    "check_start",
    "refuse_unknown",
    "steps_and_time",
]

OF_WORLD = ("seed", "start_time", "start_date", "tz", "allow", "strict", "disk")
"""The options that make a world, in the order of :class:`RunOptions`; a given world has its own."""

_NOTHING = (None,) * len(OF_WORLD)

_LIMITS = ("max_time", "max_steps", "livelock_steps", "clock_reads", "clock_tick")
_NO_LIMITS = (None,) * len(_LIMITS)

_TIME_LIMIT_NS = 1 << 100

_TICK_MIN_NS = 1000
"""A float of today's date tells moments apart that are 239 ns or more from each other."""
"""Times from here on are no times at which a clock could start."""


class RunOptions(NamedTuple):
    """What was asked of a run; the words are those of :func:`simloop.run`."""

    seed: int | str | None = None
    start_time: float | None = None
    start_date: dt.datetime | float | None = None
    tz: str | None = None
    allow: tuple[str, ...] | None = None
    strict: bool | None = None
    disk: bool | None = None
    # From here on: the run's own, also in a world that was given.
    debug: bool | None = None
    autojump: bool = True
    max_time: float | None = None
    max_steps: int | None = None
    livelock_steps: int | None = None
    clock_reads: int | None = None
    clock_tick: float | None = None
    real_step_limit: float | None = None
    realtime: float | None = None
    world: World | None = None

    @classmethod
    def of(
        cls,
        call: str,
        given: Mapping[str, Any],
        *,
        foreign: Mapping[str, str] | None = None,
        further: Iterable[str] = (),
        args: Iterable[Any] = (),
    ) -> RunOptions:
        """Make options of what was written down by name.

        Args:
            call: What it was given to, for the message: ``virtual_time()``, say.
            given: Names and values.
            foreign: Options that mean nothing there, each with the way out.
            further: What it takes beside, for the message: somebody else has read that.
            args: What was given without a name, which is nothing that is known.

        Raises:
            UsageError: Something else was given, or options that exclude each other.
        """
        foreign = foreign or {}
        known = [*(name for name in cls._fields if name not in foreign), *further]
        refuse_unknown(call, given, known, foreign=foreign, args=args)
        options = cls(**given)
        options.refuse_conflict(call)
        return options

    def of_world(self) -> dict[str, Any]:
        """Return the options of the world that were given, by name."""
        if self[: len(OF_WORLD)] == _NOTHING:
            return {}  # As in most runs.
        # The tuple is longer than its names here: zip stops after the world's.
        return {
            name: value for name, value in zip(OF_WORLD, self, strict=False) if value is not None
        }

    def refuse_conflict(self, call: str) -> None:
        """Refuse options of the world beside a world, whose own they are.

        Raises:
            UsageError: There are some.
        """
        if self.world is not None and (given := self.of_world()):
            told = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise UsageError(
                f"{call} got {told} beside world=, and a world has its own: make it with"
                f" simloop.World({told}), or leave world= out"
            )

    def placed_in(self, world: World) -> RunOptions:
        """Return these options for a run in the world that was made by them."""
        return RunOptions._make([*[None] * len(OF_WORLD), *self[len(OF_WORLD) : -1], world])

    def set_limits(self, world: World) -> None:
        """Set the limits and the pace that were given; a world keeps its own where none was."""
        check_step_limit(self.real_step_limit)
        check_flag("autojump", self.autojump)  # A loop does, too; but here nothing has begun.
        if self.realtime is not None:
            world.pace(self.realtime)
        limits = (
            self.max_time, self.max_steps, self.livelock_steps, self.clock_reads, self.clock_tick
        )  # fmt: skip
        if limits != _NO_LIMITS:
            world.limit(**dict(zip(_LIMITS, limits, strict=True)))  # type: ignore[arg-type]


def refuse_unknown(
    call: str,
    given: Mapping[str, Any],
    known: Iterable[str],
    *,
    foreign: Mapping[str, str] | None = None,
    args: Iterable[Any] = (),
) -> None:
    """Refuse what is not among the known options, and name those nearest to it.

    Raises:
        UsageError: There is something else.
    """
    known = list(known)
    strange = [repr(arg) for arg in args]
    hints = []
    for name, value in given.items():
        if foreign and name in foreign:
            raise UsageError(f"{call} got {name}={value!r}: {foreign[name]}")
        if name not in known:
            strange.append(f"{name}={value!r}")
            hints += _nearest(name, known)
    if strange:
        hint = f"; did you mean {' or '.join(dict.fromkeys(hints))}?" if hints else ""
        raise UsageError(
            f"{call} got {', '.join(strange)}; it takes {', '.join(known)} by name{hint}"
        )


def _nearest(name: str, known: list[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error wants it

    return get_close_matches(name, known, n=2)


def check_start(seed: object, start_time: object, start_date: object, allow: object) -> int:
    """Return the start time in nanoseconds; refuse values that no world can begin with.

    Raises:
        UsageError: One of them is such; the message names it.
    """
    if not isinstance(seed, int | str):
        raise UsageError(f"seed={seed!r}; it takes an integer or a string")
    start_ns = _ns("start_time", start_time)
    if not 0 <= start_ns < _TIME_LIMIT_NS:
        raise UsageError(f"start_time={start_time!r}; it takes finite seconds from 0 on")
    is_moment = start_date is None or hasattr(start_date, "timestamp")
    if not is_moment and abs(_ns("start_date", start_date)) >= _TIME_LIMIT_NS:
        raise UsageError(f"start_date={start_date!r}; it takes a datetime, or finite POSIX seconds")
    if isinstance(allow, str):
        raise UsageError(f"allow={allow!r}; it takes a tuple of names: allow=({allow!r},)")
    return start_ns


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false.

    Raises:
        UsageError: It is not.
    """
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"{name}={value!r}; it takes True or False")


def steps_and_time(
    max_time: float | None,
    max_steps: int | None,
    livelock_steps: int | None,
    clock_reads: int | None = None,
    clock_tick: float | None = None,
) -> dict[str, Any]:
    """Return limits as the kernel takes them.

    Raises:
        UsageError: One of them is no limit; the message names it.
    """
    limits: dict[str, Any] = {"steps_max": max_steps, "time_max_ns": NEVER}
    if max_time is not None:
        limits["time_max_ns"] = _ns("max_time", max_time)
        if limits["time_max_ns"] < 0:
            raise UsageError(f"max_time={max_time!r}; it takes seconds from 0 on, or None")
    counts: dict[str, Any] = {
        "max_steps": max_steps,
        "livelock_steps": livelock_steps,
        "clock_reads": clock_reads,
    }
    for name, steps in counts.items():
        if steps is not None and (not isinstance(steps, int) or steps < 1):
            raise UsageError(f"{name}={steps!r}; it takes a whole number above 0, or None")
    if livelock_steps is not None:
        limits["livelock_steps"] = livelock_steps
    if clock_reads is not None:
        limits["clock_reads"] = clock_reads
    if clock_tick is not None:
        limits["clock_tick_ns"] = tick_ns = _ns("clock_tick", clock_tick)
        if isinstance(clock_tick, bool) or not _TICK_MIN_NS <= tick_ns <= NS_PER_SECOND:
            raise UsageError(
                f"clock_tick={clock_tick!r}; it takes seconds from 1e-6, below which time.time()"
                " has no room to tell two readings apart, up to 1, or None"
            )
    return limits


def check_platform(what: str) -> None:
    """Refuse what stands on files of a run, which are made over calls that only Linux has.

    Raises:
        UnsupportedError: This is another platform.
    """
    if sys.platform != "linux":
        raise UnsupportedError(
            f"{what} on {sys.platform!r}: files of a run are made over calls that only Linux has;"
            " run it on Linux (a container will do), or keep to one host with the real files"
        )


def check_step_limit(value: Any) -> None:
    """Refuse what is no number of seconds.

    Raises:
        UsageError: It is not.
    """
    if value is not None and not (isinstance(value, int | float) and value > 0):
        raise UsageError(f"real_step_limit={value!r}; it takes real seconds above 0, or None")


def _ns(name: str, value: Any) -> int:
    try:
        return nanoseconds(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name}={value!r}; it takes a number of seconds") from None
