"""What the count of steps decides: limits of a run, livelocks, and when garbage is collected.

Owns: the counting of steps against a maximum, the finding of livelocks (many steps while the clock
stands still), the steps at which to tidy up, and what signals have left to do. All this costs a
plain turn one comparison: the kernel asks here only when the count of steps passes ``check_at``.

Must not know: what runs, and how a turn goes. Of the kernel it knows :class:`Limited`.

Invariants: ``check_at`` is never above ``steps_max``; a livelock is found between one and two
times ``livelock_steps`` steps after the clock last moved; tidying depends on the count of steps and
of what is scheduled, and on nothing else.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from simloop.errors import LimitError

from .clock import NEVER, seconds
from .handles import describe
from .safe_looks import attribute_of

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from .handles import Handle, TimerHandle

__all__ = ["CLOCK_READS", "LIVELOCK_STEPS", "READS_UNSEEN", "Limits"]

LIVELOCK_STEPS = 1_000_000
"""Steps at one instant after which a run is taken to be spinning."""

CLOCK_READS = 10_000
READS_UNSEEN = 100
"""Reads of a clock in one step, while it stands still, after which it moves."""

_TIDY_STEPS = 10_000
"""Steps between two collections of garbage; most look at young objects only."""

_FULL_STEPS = 500_000
"""Steps before the first collection of all objects; each pause is twice as long as the last,"""

_FULL_STEPS_MAX = 4_000_000
"""up to this many: a large world is looked at seldom, and garbage does not pile up for ever."""

_FULL_STEPS_EACH = 4
"""Steps before that for each handle that was scheduled: looking costs by what is alive."""

_WORD_STEPS = 10_000_000
"""Steps after which a run without a limit gets a word, some ten seconds; then after twice those."""

_SAMPLE = 10_000
"""Steps watched before a livelock is reported, to name the callbacks that run most."""

_SHOWN = 5


class _Wheel(Protocol):
    """What is asked of the timers."""

    def held(self) -> int:
        """Return how many handles are held."""

    def move_due(self, now_ns: int, ready: deque[Handle | TimerHandle]) -> None:
        """Move what is due to what is ready."""


class Limited(Protocol):
    """What is limited, and asks for leave: the kernel."""

    now_ns: int
    steps: int

    def move_to(self, now_ns: int) -> None:
        """Set the clock ahead."""

    @property
    def ready(self) -> deque[Handle | TimerHandle]:
        """What is ready now."""

    @property
    def wheel(self) -> _Wheel:
        """What is ready later."""

    def observe(self, observer: _Sample) -> None:
        """Tell an observer of each step."""

    def unobserve(self, observer: _Sample) -> None:
        """Stop telling it."""


class Limits:
    """The limits of one world's run; ``None`` means no limit."""

    __slots__ = (
        "_deferred",
        "_look_at",
        "_looked_ns",
        "_looked_steps",
        "_sample",
        "_scheduled",
        "_scheduled_max",
        "_steps_max",
        "_tidied_full_at",
        "_tidy_at",
        "_tidy_full_at",
        "_turned_ns",
        "_word_at",
        "check_at",
        "clock_reads",
        "clock_tick_ns",
        "freeze_garbage",
        "livelock_steps",
        "outside_error",
        "reads_unseen",
        "say",
        "tidy",
        "time_max_ns",
    )

    def __init__(self) -> None:
        self._steps_max: int | None = None
        self.time_max_ns: int = NEVER
        self.livelock_steps: int = LIVELOCK_STEPS
        # How often a clock may be read in one step before it moves.
        self.clock_reads: int = CLOCK_READS
        # How long each reading takes; 0: none does, but for those that wait by it.
        self.clock_tick_ns: int = 0
        # How many readings a loop or a thread has before the first that is looked at.
        self.reads_unseen: int = READS_UNSEEN
        # Collects garbage: of young objects, or of all.
        self.tidy: Callable[[bool], None] | None = None
        # Keeps what there is, most of it in use, out of collections of young objects.
        self.freeze_garbage: Callable[[], None] | None = None
        # Tells people that a run without limits goes on and on.
        self.say: Callable[[str], object] | None = None
        self._word_at = _WORD_STEPS
        self._tidy_at = _TIDY_STEPS
        self._tidy_full_at = _FULL_STEPS
        self._tidied_full_at = 0
        self._scheduled = 0
        self._scheduled_max = 0  # Since all objects were looked at.
        self._looked_ns: int | None = None
        self._looked_steps = 0
        self._sample: _Sample | None = None
        self._deferred: list[Callable[[], object]] = []
        # What a handler of a real signal has raised: a time limit, say.
        self.outside_error: BaseException | None = None
        # When the last turn began, where turns take time.
        self._turned_ns = -1
        self._schedule(LIVELOCK_STEPS)

    def set(
        self,
        *,
        steps_max: int | None = None,
        time_max_ns: int = NEVER,
        livelock_steps: int = LIVELOCK_STEPS,
        clock_reads: int = CLOCK_READS,
        clock_tick_ns: int = 0,
    ) -> None:
        """Replace all limits; steps are counted from the world's first."""
        self._steps_max = steps_max
        self.time_max_ns = time_max_ns
        self.livelock_steps = livelock_steps
        self.clock_reads = clock_reads
        self.clock_tick_ns = clock_tick_ns
        self.reads_unseen = 0 if clock_tick_ns else READS_UNSEEN
        self._schedule(self._looked_steps + livelock_steps)

    def current(self) -> dict[str, int | None]:
        """Return the limits as :meth:`set` takes them."""
        return {
            "steps_max": self._steps_max,
            "time_max_ns": self.time_max_ns,
            "livelock_steps": self.livelock_steps,
            "clock_reads": self.clock_reads,
            "clock_tick_ns": self.clock_tick_ns,
        }

    def _schedule(self, look_at: int) -> None:
        self._look_at = look_at
        self.check_at: int = min(look_at, self._tidy_at)
        if self._steps_max is not None:
            self.check_at = min(self.check_at, self._steps_max)
        if self._deferred or self.clock_tick_ns:
            self.check_at = -1

    def defer(self, call: Callable[[], object]) -> None:
        """Make a call before the next turn, which may raise there; from a signal's handler."""
        self._deferred.append(call)
        self.check_at = -1

    def make_deferred(self) -> None:
        """Make the calls that are due before the next turn."""
        while self._deferred:
            self._deferred.pop(0)()

    def grant(self, kernel: Limited, count: int) -> int:
        """Return how many of ``count`` steps may run now, and count them as taken.

        They are more than ``count`` where the turn takes time and timers become due by that.

        Raises:
            LimitError: None may: the steps are used up, or the run spins.
        """
        if self._deferred:
            try:
                self.make_deferred()
            finally:
                self._schedule(self._look_at)
        if kernel.steps + count > self._tidy_at:
            self._tidy(kernel, kernel.steps + count)
        if self.clock_tick_ns:
            count += self._read_clock(kernel)
        if kernel.steps + count > self._look_at:
            self._look(kernel)
        if self._steps_max is not None and kernel.steps + count > self._steps_max:
            if kernel.steps >= self._steps_max:
                raise LimitError(
                    f"the run took {kernel.steps} steps, its limit, and stands at"
                    f" {seconds(kernel.now_ns)} s of virtual time; raise max_steps to go on"
                )
            count = self._steps_max - kernel.steps
        kernel.steps += count
        return count

    def _tidy(self, kernel: Limited, steps: int) -> None:
        """Collect garbage, and set when to do so next.

        Where more was scheduled meanwhile than has run, most of what is new is in use: it is
        frozen, because to look through it would take longer than to make it.
        """
        before, self._scheduled = self._scheduled, len(kernel.ready) + kernel.wheel.held()
        self._scheduled_max = max(self._scheduled_max, self._scheduled)
        self._tidy_at = steps + _TIDY_STEPS
        self._schedule(self._look_at)
        if steps > self._word_at and self.say is not None:
            self._say_that_it_goes_on(kernel, steps)
        if self._scheduled - before > _TIDY_STEPS and self.freeze_garbage is not None:
            self.freeze_garbage()
        elif self.tidy is not None:
            self.tidy(self._is_time_for_all(steps))

    def _say_that_it_goes_on(self, kernel: Limited, steps: int) -> None:
        """Give a word to the person who waits, if there is no limit that ends this."""
        self._word_at = steps + steps
        if self._steps_max is None and self.say is not None:
            self.say(
                f"simloop: this run has taken {steps:,} steps and stands at"
                f" {seconds(kernel.now_ns):,} s of virtual time; max_steps= or max_time= ends one"
                " that goes on for ever, and Ctrl-C ends it now"
            )

    def _is_time_for_all(self, steps: int) -> bool:
        """Return whether to look at all objects now; if so, set when to do so next."""
        pause = min(_FULL_STEPS_EACH * self._scheduled_max, _FULL_STEPS_MAX)
        if steps <= max(self._tidy_full_at, self._tidied_full_at + pause):
            return False
        self._tidied_full_at = steps
        self._scheduled_max = self._scheduled
        self._tidy_full_at = steps + min(max(_FULL_STEPS, steps), _FULL_STEPS_MAX)
        return True

    def _read_clock(self, kernel: Limited) -> int:
        """Let a turn take the time of a reading; return how many timers become due by that.

        asyncio's loop reads the clock in each turn and then looks at its timers
        (``BaseEventLoop._run_once``), so a program that polls by turns comes to its next deadline.
        Nobody can tell if no deadline is left, and a program that spins then is still found; nor is
        it needed where something else moved the clock since the last turn.

        Raises:
            LimitError: That is past the limit.
        """
        wheel, ready = kernel.wheel, kernel.ready
        due = 0
        if kernel.now_ns == self._turned_ns and wheel.held():
            when_ns = kernel.now_ns + self.clock_tick_ns
            if error := self.too_late(when_ns):
                raise error
            kernel.move_to(when_ns)
            due = len(ready)
            wheel.move_due(when_ns, ready)
            due = len(ready) - due
        self._turned_ns = kernel.now_ns
        return due

    def _look(self, kernel: Limited) -> None:
        """Compare the clock with the last look; if it stood still, sample, then raise."""
        spins = kernel.now_ns == self._looked_ns
        if self._sample is not None:
            sample, self._sample = self._sample, None
            kernel.unobserve(sample)
            if spins:
                self._schedule(kernel.steps + self.livelock_steps)
                raise LimitError(
                    f"{kernel.steps - self._looked_steps} steps ran while the clock stood still at"
                    f" {seconds(kernel.now_ns)} s: the program spins. {sample}\nLet it sleep"
                    " (asyncio.sleep with a delay above 0), or raise livelock_steps."
                )
        elif kernel.steps - self._looked_steps < self.livelock_steps:
            return  # A large turn is ahead, but it has not run yet.
        elif spins:
            self._sample = _Sample()
            kernel.observe(self._sample)
            self._schedule(kernel.steps + min(_SAMPLE, self.livelock_steps))
            return
        self._looked_ns = kernel.now_ns
        self._looked_steps = kernel.steps
        self._schedule(kernel.steps + self.livelock_steps)

    def too_late(self, when_ns: int) -> LimitError | None:
        """Return the error for a clock that would have to move past the limit, or None."""
        if self.time_max_ns < when_ns < NEVER:
            return LimitError(
                f"the next deadline is at {seconds(when_ns)} s of virtual time, and the limit is"
                f" {seconds(self.time_max_ns)} s; raise max_time to go on"
            )
        return None


class _Sample:
    """An observer that counts which callbacks run."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:  # noqa: ARG002 - an observer
        """Count one callback by what it is called."""
        self._counts[describe(_subject(handle))] += 1

    def __str__(self) -> str:
        shown = self._counts.most_common(_SHOWN)
        return "The callbacks that ran most:" + "".join(
            f"\n  {count:6d} times  {name}" for name, count in shown
        )


def _subject(handle: Handle | TimerHandle) -> object:
    """Return what a step is about: the coroutine that a task steps, or the callback itself."""
    get_coro = attribute_of(attribute_of(handle._callback, "__self__"), "get_coro")
    try:
        return get_coro() if callable(get_coro) else handle._callback
    except BaseException:  # noqa: BLE001 - a task class of the program's own
        return handle._callback
