"""Sweeping over seeds: ``simloop.sweep``.

Owns: what is asked, the sweep, and what becomes of failures: the first seed of each is run again
here, so that its error is the program's own object with its traceback.

Must not know: how workers are made.

Invariant: the same seeds give the same failures, whatever runs them.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import message_of
from simloop._sandbox import real_clock
from simloop.errors import NondeterminismError, UsageError
from simloop.exploration.findings import Lost
from simloop.exploration.program import checked_main, name_of, quiet
from simloop.exploration.properties.tallies import Tally
from simloop.exploration.same_failure import identity_of
from simloop.sweeps.sweeping import Sweeping
from simloop.sweeps.worker_options import WorkerOptions
from simloop.world.fresh.fresh_process import stop_if_loading
from simloop.world.run_options import RunOptions
from simloop.world.running import outcome_of, refuse_running_loop
from simloop.world.seeds import listed_seeds

from .program_identity import identity_of_program
from .seed_work import SeedWork
from .shipping import ship
from .swept import SeedFailure, Swept

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from simloop.sweeps.journal import Journal, Kept

__all__ = ["SeedSweep", "sweep"]

_FOREIGN = {
    "seed": "it takes several, seeds=range(1000)",
    "world": "each seed has a world of its own; give its options instead",
    "recorder": "no run of a sweep is recorded; simulate() takes one",
    "realtime": "a sweep runs as fast as it goes",
}


def sweep(
    main: Callable[[], Coroutine[Any, Any, Any]],
    *,
    seeds: Iterable[int | str] = range(1000),
    seconds: float | None = None,
    stop: int | None = None,
    jobs: int | str = 1,
    executor: Any = None,
    journal: str | os.PathLike[str] | None = None,
    real_run_limit: float | None = 60.0,
    memory_limit: int = 1 << 30,
    progress: Callable[[Swept], object] | None = None,
    **options: Any,
) -> Swept:
    """Run a program with many seeds, and return how it fails.

    Args:
        main: A coroutine function without arguments, called anew for each seed.
        seeds: The seeds of its worlds; a range of any length takes no room.
        seconds: For how many real seconds to go on; None: until all seeds have run.
        stop: After how many different failures to stop; None: never.
        jobs: How many processes work: this one, or workers that it forks; "auto": as processors.
        executor: A ``concurrent.futures.Executor`` with processes, whose workers run seeds.
        journal: A file in which all that is done and found is kept; what it has is not run again.
        real_run_limit: For how many real seconds a run may go on in a worker.
        memory_limit: By how many bytes a worker may grow.
        progress: Called with what was found so far, now and then.
        **options: Those of :func:`simulate` but for the seed, which make the world of each run.

    Raises:
        UsageError: An argument has no meaning, or the journal is of another sweep.
        NondeterminismError: A seed failed, and run again it did not.

    Example:
        >>> import random, simloop
        >>> async def main():
        ...     assert random.random() > 0.01, "the bug that one seed in a hundred finds"
        >>> swept = simloop.sweep(main, seeds=range(500))
        >>> swept.ran, type(swept.failures[0].error).__name__, len(swept.failures[0].seeds)
        (500, 'AssertionError', 3)
    """
    stop_if_loading()
    _check(stop=stop, seconds=seconds, progress=progress)
    workers = WorkerOptions.of(jobs, real_run_limit, memory_limit, executor)
    sweeping = SeedSweep(main, seeds, options, workers, journal=journal)
    return sweeping.run(stop=stop, seconds=seconds, progress=progress)


def _check(*, stop: Any, seconds: Any, progress: Any) -> None:
    is_count = isinstance(stop, int) and not isinstance(stop, bool) and stop > 0
    if stop is not None and not is_count:
        raise UsageError(f"stop={stop!r}; it takes a whole number above 0, or None")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise UsageError(f"seconds={seconds!r}; it takes a number above 0, or None")
    if progress is not None and not callable(progress):
        raise UsageError(f"progress={progress!r}; it takes a function of what was found so far")


class SeedSweep:
    """One sweep over the seeds of one program.

    Args:
        main: The program.
        seeds: The seeds.
        options: Of its runs.
        workers: What runs them.
        journal: The file in which all is written down, if any.
        name: What reports call the program; ``module:function`` if None.
        replay_line: What runs a seed again, which takes the place of ``{seed}``.

    Raises:
        UsageError: The program takes arguments, there are no seeds, or an option is not known.
    """

    def __init__(
        self,
        main: Callable[[], Coroutine[Any, Any, Any]],
        seeds: Iterable[int | str],
        options: dict[str, Any],
        workers: WorkerOptions,
        *,
        journal: Any = None,
        name: str | None = None,
        replay_line: str | None = None,
    ) -> None:
        refuse_running_loop(
            "sweep()", "give it a thread: await asyncio.to_thread(simloop.sweep, main)"
        )
        self.main: Callable[[], Coroutine[Any, Any, Any]] = checked_main(main, "sweep()")
        self.seeds: Sequence[int | str] = listed_seeds("sweep()", seeds)
        self.options: RunOptions = RunOptions.of("sweep()", options, foreign=_FOREIGN)
        self.name: str = name_of(main) if name is None else name
        function = self.name.rpartition(":")[2].rpartition(".")[2] or "main"
        self._replay_line = replay_line or f"simloop.run({function}(), seed={{seed}})"
        self._workers = workers
        self._journal_path = journal
        self.swept: Swept = Swept(self.name, len(self.seeds))

    def run(
        self,
        *,
        stop: int | None = None,
        seconds: float | None = None,
        progress: Callable[[Swept], object] | None = None,
    ) -> Swept:
        """Run the seeds.

        Raises:
            UsageError: The journal is of another sweep, or of more seeds.
        """
        if self._journal_path is None:
            return self._run(None, stop, seconds, progress)
        from simloop.sweeps.journal import Journal  # noqa: PLC0415 - few keep one

        with closing(Journal(self._journal_path, self._about())) as journal:
            return self._run(journal, stop, seconds, progress)

    def _about(self) -> dict[str, Any]:
        """Return what the sweep is about, as values of JSON; a range may go on to another end."""
        seeds = self.seeds
        if isinstance(seeds, range):
            told = f"from {seeds.start} by {seeds.step}"
        else:
            told = blake2b(repr(list(seeds)).encode(), digest_size=8).hexdigest()
        given = {name: it for name, it in self.options._asdict().items() if it is not None}
        return {
            **identity_of_program("seeds", self.main, self.name),
            "seeds": told,
            "options": given,
        }

    def _run(
        self,
        journal: Journal | None,
        stop: int | None,
        seconds: float | None,
        progress: Callable[[Swept], object] | None,
    ) -> Swept:
        swept, began_s = self.swept, real_clock.monotonic()

        def tick(sweeping: Sweeping) -> None:
            swept.ran, swept.seconds = sweeping.ran, real_clock.monotonic() - began_s
            swept.found, swept.lost = sweeping.found, self._lost(sweeping)
            if progress is not None:
                progress(swept)

        work = SeedWork(self.main, self.options, self.seeds)
        end = len(self.seeds) + 1
        sweeping = Sweeping(
            self._workers.crew(work, self._packed),
            end=end,
            stop=stop,
            seconds=seconds,
            keeper=journal,
            tick=tick,
        )
        if journal is not None:
            self._know(sweeping, journal.kept())
        # An executor has threads of its own here, so the process is sealed for each run alone.
        with quiet() if self._workers.executor is None else nullcontext():
            sweeping.run()
            swept.ran = sweeping.ran
            swept.interrupted = sweeping.is_interrupted
            for finding, _ in sweeping.findings():
                self._keep(finding.detail, sweeping.numbers_of(finding.failure))
            swept.found = len(swept.failures)
        if sweeping.why_ended:
            swept.interrupted = True
            swept.notes.append(sweeping.why_ended)
        swept.seconds = real_clock.monotonic() - began_s
        swept.properties = {name: Tally(*each) for name, each in sweeping.tallies.items()}
        swept.lost = self._lost(sweeping)
        return swept

    def _lost(self, sweeping: Sweeping) -> list[Lost]:
        return [
            Lost(each.number, each.how, seed=self.seeds[each.number - 1])
            for each in sweeping.lost_in_order()
        ]

    def _packed(self) -> bytes:
        given = {"options": self.options, "seeds": self.seeds}
        return ship("seeds", self.main, self.name, given)

    def _know(self, sweeping: Sweeping, kept: Kept) -> None:
        """Tell a sweep what the journal has of it."""
        done = kept.done
        last = max((end for _, end in done), default=1) - 1
        if last > len(self.seeds):
            raise UsageError(
                f"the journal {self._journal_path} has {last} seeds of this sweep, and"
                f" seeds={self.seeds!r} are fewer; give all that it has, and more if you like"
            )
        sweeping.know(kept.parts, kept.lost)
        self.swept.resumed = done.count

    def _keep(self, detail: dict[str, Any], numbers: Sequence[int]) -> None:
        """Run the first seed of a failure again, and record it."""
        seed = self.seeds[numbers[0] - 1]
        outcome = outcome_of("sweep()", self.main, self.options._replace(seed=seed), is_silent=True)
        error = outcome.error
        told = "" if error is None else str(identity_of(error))
        if error is None or not detail["error"].startswith(told):
            how = "it ended well" if error is None else f"it failed with {message_of(error)}"
            raise NondeterminismError(
                f"{self.name} failed with seed {seed!r} ({detail['error']}), and {how} when it was"
                " run again: the program keeps state between its calls, or depends on something"
                f" outside of its seed; simloop.check(main, seeds=[{seed!r}]) tells where two runs"
                " part"
            )
        seeds = [self.seeds[number - 1] for number in numbers]
        line = self._replay_line.format(seed=repr(seed))
        self.swept.failures.append(SeedFailure(error, seeds, outcome, line))
