"""Exploring: run a program under one schedule after the other, and keep what fails.

Owns: the loop, its end, and what becomes of a failure: it is run again with names and a digest,
shrunk, and recorded.

Must not know: how a strategy decides.

Invariants:

- Schedule 1 is the undisturbed run. It is run twice: a program whose undisturbed run differs from
  itself cannot be explored, and is told so.
- The same seed, strategy and program give the same findings.
- Ctrl-C ends an exploration with what was found so far.
"""

from __future__ import annotations

import random
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import message_of, text_of
from simloop._sandbox import real_clock
from simloop.errors import NondeterminismError, UnsupportedError, UsageError

from .delays import Delays
from .explored_run import FAILURES, Ran, check_failures
from .findings import Failure, Found
from .gates import ByKey
from .program import Program, quiet
from .properties.tallies import add_up
from .same_failure import identity_of
from .schedules.interleavings import Interleavings
from .schedules.schedule import Deviation, Schedule
from .shrinking import Shrinker
from .strategies import Undisturbed, strategy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from simloop._kernel.gate import ChoiceGate

    from .explored_run import Main
    from .gates import Key, RecordingGate
    from .same_failure import Identity
    from .strategies import Strategy

__all__ = ["Exploration", "explore"]


def explore(
    main: Main,
    *,
    schedules: int | None = 1000,
    seconds: float | None = None,
    seed: int | str = 0,
    strategy: Any = "timing",
    delays: Delays | None = None,
    stop: int | None = 1,
    shrink: bool = True,
    failures: Collection[str] = FAILURES,
    first: Collection[Schedule] = (),
    progress: Callable[[Found], object] | None = None,
    jobs: int = 1,
    executor: object = None,
    journal: object = None,
    **options: Any,
) -> Found:
    """Run a program under many schedules, and return how it fails.

    Args:
        main: A coroutine function without arguments, called anew for each schedule.
        schedules: How many schedules to run; None for as many as time and strategy allow, which
            without ``seconds`` is for ever, unless the strategy comes to an end ("single", "dfs").
        seconds: For how many real seconds to go on; None for no end but that of ``schedules``.
        seed: Where the schedules come from.
        strategy: What decides: "timing", "single", "random", "pct[:depth]", "pos", "surw",
            "delay:n", "dfs[:bound]", "undisturbed", a list of them, or a :class:`Strategy`.
        delays: How long delays may be; ``Delays()`` if None.
        stop: After how many different failures to stop; None for never.
        shrink: Whether to look for the fewest deviations that fail in the same way.
        failures: What counts as a failure: "error", "deadlock", "limit" and "unretrieved" (an error
            of a task that nobody awaited) do by default, "callback" (an error in a callback) and
            "left" (a task left behind) if asked for.
        first: Schedules to try first: what was found before.
        progress: Called with what was found so far, now and then.
        jobs: How many processes work; 1 is what there is.
        executor: What runs them; none is supported yet.
        journal: Where they are written down; none is supported yet.
        **options: Those of :func:`simulate`, which make the world of each schedule.

    Raises:
        UsageError: An argument has no meaning, or the program keeps state between its calls.
        UnsupportedError: ``jobs``, ``executor`` or ``journal`` was given.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     task = asyncio.create_task(asyncio.sleep(0.9, "answer"))
        ...     async with asyncio.timeout(1):
        ...         return await task
        >>> found = simloop.explore(main, schedules=200)
        >>> type(found.failures[0].error).__name__, len(found.failures[0].schedule.deviations)
        ('TimeoutError', 1)
    """
    _refuse_unsupported(jobs, executor, journal)
    delays = Delays() if delays is None else delays
    if not isinstance(delays, Delays):
        raise UsageError(f"delays={delays!r}; it takes simloop.Delays(each=, total=, sleeps=)")
    _check_counts(schedules=schedules, stop=stop)
    _check_others(seconds, seed, progress)
    chosen = strategy_of(strategy, sleeps=delays.sleeps > 0)
    program = Program(main, options, delays, failures=check_failures(failures))
    exploration = Exploration(program, chosen, seed, stop=stop, shrinks=shrink)
    with quiet():
        return exploration.run(schedules, seconds, first=first, progress=progress)


def _refuse_unsupported(jobs: int, executor: object, journal: object) -> None:
    for name, value, default in (
        ("jobs", jobs, 1),
        ("executor", executor, None),
        ("journal", journal, None),
    ):
        if value != default:
            raise UnsupportedError(
                f"explore({name}={value!r}): an exploration runs in this process alone; start"
                " several with other seeds, and keep what they find by schedule.save()"
            )


def _check_counts(**counts: Any) -> None:
    for name, count in counts.items():
        is_count = isinstance(count, int) and not isinstance(count, bool)
        if count is not None and not (is_count and count > 0):
            raise UsageError(f"{name}={count!r}; it takes a whole number above 0, or None")


def _check_others(seconds: object, seed: object, progress: object) -> None:
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise UsageError(f"seconds={seconds!r}; it takes a number above 0, or None")
    if progress is not None and not callable(progress):
        raise UsageError(f"progress={progress!r}; it takes a function of what was found so far")
    if not isinstance(seed, int | str):
        raise UsageError(f"seed={seed!r}; it takes an integer or a string")


class Exploration:
    """One exploration of one program.

    Args:
        program: What is explored.
        strategy: What decides.
        seed: Where its randomness comes from.
        stop: After how many different failures to stop.
        shrinks: Whether failures are shrunk.
    """

    def __init__(
        self,
        program: Program,
        strategy: Strategy,
        seed: int | str = 0,
        *,
        stop: int | None = 1,
        shrinks: bool = True,
    ) -> None:
        self.program = program
        self.strategy = strategy
        self.found: Found = Found(program=program.name, strategy=strategy.name, seed=seed)
        self._stop = stop
        self._shrinks = shrinks
        self._known: dict[Identity, None] = {}
        self._orders: Interleavings | None = None
        self._first_digest = ""
        # One generator, seeded anew for each schedule by a number that the seed moves.
        self._random = strategy.random = random.Random(0)  # noqa: S311 - no secret
        raw = blake2b(repr(seed).encode(), digest_size=8).digest()
        self._base = int.from_bytes(raw, "big") >> 1
        if strategy.is_stricter:
            self.found.notes.append(
                f"{strategy.name} permutes ready callbacks, which asyncio runs first in, first out:"
                " it is stricter than asyncio, and what it finds need not be able to happen"
            )

    def run(
        self,
        schedules: int | None,
        seconds: float | None = None,
        *,
        first: Collection[Schedule] = (),
        progress: Callable[[Found], object] | None = None,
    ) -> Found:
        """Run schedules until there are enough, time is up, or nothing is left to run."""
        found = self.found
        began_s = real_clock.monotonic()
        if progress is not None:
            self._orders = Interleavings()
        try:
            self._run_first()
            for schedule in first:
                if self._is_over(schedules, seconds, began_s):
                    break
                self._run_known(schedule)
            while not self._is_over(schedules, seconds, began_s):
                if not self._run_next():
                    break
                if progress is not None:
                    found.seconds = real_clock.monotonic() - began_s
                    progress(found)
        except KeyboardInterrupt:
            found.interrupted = True
        found.exhausted = self.strategy.is_exhausted()
        found.seconds = real_clock.monotonic() - began_s
        self._note_what_was_never_asked()
        return found

    def _is_over(self, schedules: int | None, seconds: float | None, began_s: float) -> bool:
        found = self.found
        return (
            (self._stop is not None and len(found.failures) >= self._stop)
            or (schedules is not None and found.ran >= schedules)
            or (seconds is not None and real_clock.monotonic() - began_s >= seconds)
        )

    # Schedules -----------------------------------------------------------------------------

    def _run_first(self) -> None:
        """Run undisturbed, twice: what differs from itself cannot be explored."""
        strategy = self.strategy
        for part in getattr(strategy, "parts", lambda: [strategy])():
            self._random.seed(self._base)
            ran, measure = self.program.measure(part)
            part.measured(measure)
        self._points = measure.points
        self._count(ran)
        self.found.ran = 1
        again, _ = self.program.measure(Undisturbed())
        self._first_digest = again.digest or ""
        if not strategy.is_stricter and again.digest != ran.digest:
            raise _differs_from_itself(self.program, again, ran)
        if ran.error is not None:
            self._keep(ran, {}, permuted=strategy.is_stricter)
        strategy.ended(has_failed=ran.error is not None)

    def _run_next(self) -> bool:
        """Run the next schedule of the strategy; false if it has none."""
        strategy, number = self.strategy, self.found.ran + 1
        self._random.seed(self._base + number)
        if not strategy.begin(number):
            return False
        answer = _named(strategy) if strategy.names_things else strategy
        kinds, permuted = strategy.kinds, strategy.is_stricter
        ran, gate = self._search(answer)
        self._count(ran)
        self.found.ran = number
        if ran.error is not None and identity_of(ran.error) not in self._known:
            again, recorded = self.program.repeat(gate.tape, kinds, permuted=permuted)
            if again.error is None or identity_of(again.error) != identity_of(ran.error):
                raise _lost(self.program, ran, again)
            self._keep(again, recorded.taken, permuted=permuted)
        strategy.ended(has_failed=ran.error is not None)
        return True

    def _search(self, answer: Any) -> tuple[Ran, ChoiceGate]:
        """Run under the strategy, and count the order of steps where progress is shown."""
        orders = self._orders
        if orders is None:
            return self.program.search(self.strategy, answer)
        orders.begin()
        searched = self.program.search(self.strategy, answer, watchers=(orders,))
        orders.end()
        self.found.interleavings = orders.count
        return searched

    def _run_known(self, schedule: Schedule) -> None:
        """Run a schedule that was found before."""
        self.found.ran += 1
        given = {each.key: each.value for each in schedule.deviations}
        ran, gate = self.program.play(ByKey(given), permuted=schedule.permuted, has_digest=True)
        self._count(ran)
        if ran.error is not None and identity_of(ran.error) not in self._known:
            self._keep(ran, gate.taken, permuted=schedule.permuted)

    def _count(self, ran: Ran) -> None:
        """Add what became of the program's properties in one more run."""
        if ran.world.properties is not None:
            add_up(self.found.properties, ran.world.properties.tallies())

    # Failures ------------------------------------------------------------------------------

    def _keep(self, ran: Ran, taken: Mapping[Key, int], *, permuted: bool) -> None:
        """Shrink a failure and record it."""
        assert ran.error is not None
        identity = identity_of(ran.error)
        self._known[identity] = None
        original = self._schedule(ran, taken, permuted=permuted)
        best, runs = taken, 0
        if self._shrinks and taken:
            shrinker = Shrinker(self.program, taken, identity, permuted=permuted)
            if not shrinker.shrink():
                raise _lost(self.program, ran, None)
            best, runs = shrinker.best, shrinker.runs
            ran, gate = self._final(best, permuted=permuted)
            best = gate.taken
        assert ran.error is not None
        assert ran.kind is not None
        failure = Failure(
            error=ran.error,
            kind=ran.kind,
            found_at=self.found.ran,
            schedule=self._schedule(ran, best, permuted=permuted),
            original=original,
            runs=runs,
            outcome=ran.outcome(),
            program=self.program,
        )
        self.found.failures.append(failure)

    def _final(self, best: Mapping[Key, int], *, permuted: bool) -> tuple[Ran, RecordingGate]:
        return self.program.play(ByKey(best), permuted=permuted, has_digest=True)

    def _schedule(self, ran: Ran, taken: Mapping[Key, int], *, permuted: bool) -> Schedule:
        assert ran.error is not None
        text = text_of(ran.error).splitlines()[:1]
        return Schedule(
            [Deviation(*key, value) for key, value in taken.items()],
            delays=self.program.delays,
            options=self.program.given,
            program=self.program.name,
            error=": ".join([str(identity_of(ran.error)), *text]),
            digest=ran.digest or "",
            strategy=self.strategy.name,
            permuted=permuted,
        )

    def _note_what_was_never_asked(self) -> None:
        """Note a program that does nothing but sleep, whose sleeps may stand for I/O."""
        found = self.found
        if found.failures or self.program.delays.sleeps or self.strategy.is_stricter:
            return
        kinds = [point.key.kind for point in getattr(self, "_points", ())]
        sleeps = any(
            point.key.kind == "late" and point.key.name.startswith("sleep of")
            for point in getattr(self, "_points", ())
        )
        if sleeps and all(kind in ("stall", "late", "cpu") for kind in kinds):
            found.notes.append(
                "the program does nothing but sleep; if its sleeps stand for I/O, which takes now"
                " this long and now that, explore with delays=simloop.Delays(sleeps=3.0)"
            )


def _named(strategy: Strategy) -> Any:
    """Return what answers for a strategy of a user's, which is given names."""

    class Named:
        def answer(self, kind: str, thing: object, options: int) -> int:
            return strategy.answer(kind, strategy.name_of(kind, thing), options)

    Named.__name__ = type(strategy).__name__
    return Named()


def _differs_from_itself(program: Program, one: Ran, other: Ran) -> UsageError:
    return UsageError(
        f"{program.name}: the undisturbed run differs from itself (digest {one.digest} and then"
        f" {other.digest}), so no schedule could be replayed: the program keeps state between its"
        " calls, or depends on something outside of its seed; make all that it uses inside of"
        " main(), and see simloop.check(main) for where two runs part"
    )


def _lost(program: Program, ran: Ran, again: Ran | None) -> NondeterminismError:
    how = "is gone" if again is None or again.error is None else f"is {message_of(again.error)}"
    assert ran.error is not None
    return NondeterminismError(
        f"{program.name} failed with {message_of(ran.error)}, and under the same schedule once more"
        f" the error {how}: the program keeps state between its calls, or depends on something"
        " outside of its seed; simloop.check(main) tells where two runs part"
    )
