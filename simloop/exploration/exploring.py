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

from collections.abc import Collection
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import attrs

from simloop._sandbox import real_clock
from simloop.errors import SimError, UsageError
from simloop.sweeps.worker_options import WorkerOptions
from simloop.world.fresh.fresh_process import stop_if_loading

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
from .sweeping.program_identity import identity_of_program
from .sweeping.schedule_work import error_line, is_gone, lost_again, taken_of
from .sweeping.searcher import Searcher
from .sweeping.shipping import ship

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from simloop._kernel.gate import ChoiceGate
    from simloop.sweeps.journal import Journal

    from .explored_run import Main
    from .gates import Key
    from .same_failure import Identity
    from .strategies import Strategy

__all__ = ["Exploration", "check_counts", "check_seconds", "explore"]


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
    jobs: int | str = 1,
    executor: Any = None,
    journal: str | os.PathLike[str] | None = None,
    real_run_limit: float | None = 60.0,
    memory_limit: int = 1 << 30,
    **options: Any,
) -> Found:
    """Run a program under many schedules, and return how it fails.

    Args:
        main: A coroutine function without arguments, called anew for each schedule.
        schedules: How many to run; None for as many as ``seconds`` allow, or the strategy has.
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
        jobs: How many processes work: this one, or workers that it forks; "auto": as processors.
        executor: A ``concurrent.futures.Executor`` with processes, whose workers run schedules.
        journal: A file in which all that is done and found is kept; what it has is not run again.
        real_run_limit: For how many real seconds a run may go on in a worker.
        memory_limit: By how many bytes a worker may grow.
        **options: Those of :func:`simulate`, which make the world of each schedule.

    Raises:
        UsageError: An argument has no meaning, or the program keeps state between its calls.
        UnsupportedError: The executor's workers are threads, or this system has no ``fork``.

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
    stop_if_loading()
    delays = _checked_delays(delays)
    check_counts(schedules=schedules, stop=stop)
    _check_others(seconds, seed, progress, first)
    workers = WorkerOptions.of(jobs, real_run_limit, memory_limit, executor)
    chosen = strategy_of(strategy, sleeps=delays.sleeps > 0)
    program = Program(main, options, delays, failures=check_failures(failures))
    exploration = Exploration(
        program, chosen, seed, stop=stop, shrinks=shrink, workers=workers, journal=journal
    )
    with quiet() if executor is None else nullcontext():  # One has threads of its own here.
        return exploration.run(schedules, seconds, first=first, progress=progress)


def _checked_delays(delays: Any) -> Delays:
    delays = Delays() if delays is None else delays
    if not isinstance(delays, Delays):
        raise UsageError(f"delays={delays!r}; it takes simloop.Delays(each=, total=, sleeps=)")
    return delays


def check_counts(**counts: Any) -> None:
    """Refuse what is no number of anything.

    Raises:
        UsageError: One of them is neither a whole number above 0 nor None; it is named.
    """
    for name, count in counts.items():
        is_count = isinstance(count, int) and not isinstance(count, bool)
        if count is not None and not (is_count and count > 0):
            raise UsageError(f"{name}={count!r}; it takes a whole number above 0, or None")


def check_seconds(seconds: Any) -> None:
    """Refuse what is no length of time.

    Raises:
        UsageError: It is neither a number above 0 nor None.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and seconds > 0):
        raise UsageError(f"seconds={seconds!r}; it takes a number above 0, or None")


def _check_others(seconds: object, seed: object, progress: object, first: Any) -> None:
    check_seconds(seconds)
    for each in first if isinstance(first, Collection) and type(first) is not str else [first]:
        if not isinstance(each, Schedule):
            raise UsageError(f"first={each!r}; it takes schedules: Schedule.load() reads a file's")
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
        workers: Whether other processes run schedules, and which.
        journal: The file in which all is written down, if any.

    Raises:
        UsageError: The journal can't go on with this strategy.
    """

    def __init__(
        self,
        program: Program,
        strategy: Strategy,
        seed: int | str = 0,
        *,
        stop: int | None = 1,
        shrinks: bool = True,
        workers: WorkerOptions | None = None,
        journal: Any = None,
    ) -> None:
        self.program = program
        self.strategy = strategy
        self.found: Found = Found(program=program.name, strategy=strategy.name, seed=seed)
        self._searcher = Searcher(program, strategy, seed)
        self._stop = stop
        self._shrinks = shrinks
        self._workers = workers or WorkerOptions()
        self._journal_path = journal
        self._journal: Journal | None = None
        self._is_shared = self._workers.are_wanted or journal is not None
        self._known: dict[Identity, None] = {}
        self._orders: Interleavings | None = None
        if strategy.is_stricter:
            self.found.notes.append(
                f"{strategy.name} permutes ready callbacks, which asyncio runs first in, first out:"
                " it is stricter than asyncio, and what it finds need not be able to happen"
            )
        if journal is not None and strategy.is_in_order:
            raise UsageError(
                f"journal={journal!r}: with {strategy.name} each schedule may depend on the one"
                " before, so a stopped exploration can't go on in its middle (a strategy of your"
                " own that is not so says is_in_order = False)"
            )
        if self._is_shared and strategy.is_in_order:
            self._is_shared = False
            self.found.notes.append(
                f"one process ran all schedules: with {strategy.name} each may depend on the one"
                " before (a strategy that is not so says is_in_order = False)"
            )

    def run(
        self,
        schedules: int | None,
        seconds: float | None = None,
        *,
        first: Collection[Schedule] = (),
        progress: Callable[[Found], object] | None = None,
    ) -> Found:
        """Run schedules until there are enough, time is up, or nothing is left to run.

        Raises:
            UsageError: The journal is of another exploration, or the program can't be explored.
        """
        if self._journal_path is None:
            return self._run(schedules, seconds, first, progress)
        from simloop.sweeps.journal import Journal  # noqa: PLC0415 - few keep one

        with closing(Journal(self._journal_path, self._about())) as self._journal:
            return self._run(schedules, seconds, first, progress)

    def _about(self) -> dict[str, Any]:
        """Return what the exploration is about, as values of JSON."""
        program = self.program
        return {
            **identity_of_program("schedules", program.main, program.name),
            "strategy": self.strategy.name,
            "seed": self.found.seed,
            "delays": attrs.astuple(program.delays),
            "failures": program.failures,
            "options": program.given,
        }

    def _run(
        self,
        schedules: int | None,
        seconds: float | None,
        first: Collection[Schedule],
        progress: Callable[[Found], object] | None,
    ) -> Found:
        found = self.found
        began_s = real_clock.monotonic()
        if getattr(progress, "counts_orders", progress is not None) and not self._is_shared:
            self._orders = Interleavings()

        def show() -> None:
            found.seconds = real_clock.monotonic() - began_s
            if progress is not None:
                progress(found)

        try:
            self._run_all(schedules, seconds, began_s, first, show)
        except KeyboardInterrupt:
            found.interrupted = True
        except SimError:
            raise
        except BaseException as error:  # A time limit's: who is told of it is told of the rest.
            error.add_note(f"explore() was ended by this; until then:\n{found}")
            raise
        found.exhausted = found.exhausted or self.strategy.is_exhausted()
        found.seconds = real_clock.monotonic() - began_s
        self._note_what_was_never_asked()
        return found

    def _run_all(
        self,
        schedules: int | None,
        seconds: float | None,
        began_s: float,
        first: Collection[Schedule],
        show: Callable[[], object],
    ) -> None:
        self._workers.greet(self._packed)
        self._run_first()
        self._run_known(first, lambda: self._is_over(schedules, seconds, began_s))
        while not self._is_over(schedules, seconds, began_s):
            # Strategies that learn do so from the first ones, before others run any.
            if self._is_shared and self.found.ran >= self.strategy.learns_until:
                break
            if not self._run_next():
                break
            show()
        if self._is_shared:
            self._share(schedules, seconds, began_s, show)

    def _packed(self) -> bytes:
        """Return the work as it travels to other processes, as far as it is known now."""
        program = self.program
        given = {
            "options": program.given,
            "delays": program.delays,
            "failures": program.failures,
            "strategy": self.strategy,
            "seed": self.found.seed,
            "start": self.found.ran + 1,
        }
        return ship("schedules", program.main, program.name, given)

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
        ran, measure = self._searcher.first()
        self._points = measure.points
        self._count(ran)
        self.found.ran = 1
        again, _ = self.program.measure(Undisturbed())
        if not strategy.is_stricter and again.digest != ran.digest:
            raise _differs_from_itself(self.program, again, ran)
        if ran.error is not None:
            self._keep(ran, {}, permuted=strategy.is_stricter)
        strategy.ended(has_failed=ran.error is not None)

    def _run_next(self) -> bool:
        """Run the next schedule of the strategy; false if it has none."""
        searcher, strategy, number = self._searcher, self.strategy, self.found.ran + 1
        if not searcher.begin(number):
            return False
        ran, gate = self._search()
        self._count(ran)
        self.found.ran = number
        if ran.error is not None and identity_of(ran.error) not in self._known:
            again, recorded = searcher.repeat(gate)
            if again.error is None or identity_of(again.error) != identity_of(ran.error):
                raise lost_again(self.program, ran, again)
            self._keep(again, recorded.taken, permuted=strategy.is_stricter)
        strategy.ended(has_failed=ran.error is not None)
        return True

    def _search(self) -> tuple[Ran, ChoiceGate]:
        """Run under the strategy, and count the order of steps where progress is shown."""
        orders = self._orders
        if orders is None:
            return self._searcher.search()
        orders.begin()
        searched = self._searcher.search((orders,))
        orders.end()
        self.found.interleavings = orders.count
        return searched

    def _run_known(self, known: Collection[Schedule], is_over: Callable[[], bool]) -> None:
        """Run schedules that were found before."""
        for schedule in known:
            if is_over():
                break
            self.found.ran += 1
            given = {each.key: each.value for each in schedule.deviations}
            permuted = schedule.permuted
            ran, gate = self.program.play(ByKey(given), permuted=permuted, has_digest=True)
            self._count(ran)
            if ran.error is not None and identity_of(ran.error) not in self._known:
                self._keep(ran, gate.taken, permuted=permuted)

    def _count(self, ran: Ran) -> None:
        """Add what became of the program's properties in one more run."""
        if ran.world.properties is not None:
            add_up(self.found.properties, ran.world.properties.tallies())

    def _share(
        self,
        schedules: int | None,
        seconds: float | None,
        began_s: float,
        show: Callable[[], object],
    ) -> None:
        """Have workers run all schedules that are left."""
        from .sweeping.shared_search import SharedSearch  # noqa: PLC0415 - few explore by workers

        left_s = None if seconds is None else seconds - (real_clock.monotonic() - began_s)
        search = SharedSearch(
            self._searcher,
            self.found,
            self._workers,
            stop=self._stop,
            shrinks=self._shrinks,
            journal=self._journal,
        )
        search.run(schedules, left_s, self._packed, self._keep_told, self._schedule, show)

    # Failures ------------------------------------------------------------------------------

    def _keep(self, ran: Ran, taken: Mapping[Key, int], *, permuted: bool) -> None:
        """Shrink a failure and record it."""
        assert ran.error is not None
        identity = identity_of(ran.error)
        self._known[identity] = None
        original = self._schedule(error_line(ran.error), ran.digest, taken, permuted=permuted)
        if self._shrinks and taken:
            shrinker = Shrinker(self.program, taken, identity, permuted=permuted)
            is_interrupted = False
            try:
                if not shrinker.shrink():
                    raise lost_again(self.program, ran, None)
            except KeyboardInterrupt:
                is_interrupted = True  # What was found is kept, as far as it was shrunk.
            self._failure(self.found.ran, shrinker.best, original, shrinker.runs)
            if is_interrupted:
                raise KeyboardInterrupt
            return
        self._record(self.found.ran, ran, original, original, 0)

    def _keep_told(self, number: int, detail: Mapping[str, Any]) -> None:
        """Record a failure that a worker told of."""
        taken = taken_of(detail)
        error, digest = detail["error"], detail["digest"]
        original = self._schedule(error, digest, taken, permuted=detail["permuted"])
        best = taken if detail["shrunk"] is None else taken_of(detail, "shrunk")
        self._failure(number, best, original, detail["runs"])

    def _failure(
        self, number: int, taken: Mapping[Key, int], original: Schedule, runs: int
    ) -> None:
        """Run a failure a last time, as it was shrunk, and record it."""
        permuted = original.permuted
        ran, gate = self.program.play(ByKey(taken), permuted=permuted, has_digest=True)
        if ran.error is None:
            raise is_gone(self.program, original.error)
        final = self._schedule(error_line(ran.error), ran.digest, gate.taken, permuted=permuted)
        self._record(number, ran, original, final, runs)

    def _schedule(
        self, error: str, digest: str | None, taken: Mapping[Key, int], *, permuted: bool
    ) -> Schedule:
        return Schedule(
            [Deviation(*key, value) for key, value in taken.items()],
            delays=self.program.delays,
            options=self.program.given,
            program=self.program.name,
            error=error,
            digest=digest or "",
            strategy=self.strategy.name,
            permuted=permuted,
        )

    def _record(
        self, number: int, ran: Ran, original: Schedule, schedule: Schedule, runs: int
    ) -> None:
        assert ran.error is not None
        assert ran.kind is not None
        failure = Failure(
            error=ran.error,
            kind=ran.kind,
            found_at=number,
            schedule=schedule,
            original=original,
            runs=runs,
            outcome=ran.outcome(),
            program=self.program,
        )
        self.found.failures.append(failure)

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


def _differs_from_itself(program: Program, one: Ran, other: Ran) -> UsageError:
    why = (
        "the program keeps state between its calls, or depends on something outside of its seed;"
        " make all that it uses inside of main()"
    )
    if one.world.threads.real_work.has_been:
        why = (
            "threads of an executor of its own worked for real beside the run, in whatever order"
            " the machine had; give jobs to the default executor (asyncio.to_thread,"
            " run_in_executor(None, ...)), whose threads are the world's"
        )
    return UsageError(
        f"{program.name}: the undisturbed run differs from itself (digest {one.digest} and then"
        f" {other.digest}), so no schedule could be replayed: {why}, and see simloop.check(main)"
        " for where two runs part"
    )
