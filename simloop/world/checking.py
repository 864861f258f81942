"""Checking that a seed decides everything: ``check``.

Owns: which runs are compared, and what is told of a difference: the first step that differs and
the first line of output, in both runs, and the cause with its line; what is told of a program that
fails alike in every run, which is no difference; progress, on a terminal.

Must not know: how causes are told apart, nor how a program gets to another process.

Invariants:

- Runs in this process are compared first; they share its hash seed, and what the first one leaves
  behind in modules. What only a fresh process can show is looked at after that.
- What a program prints is shown once for each seed, by the first run.
- By default a difference between this process and a fresh one is none of the program's, unless
  fresh ones differ as well: tests replace things here that are not replaced there.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from simloop._sandbox.time import real_clock
from simloop.errors import NondeterminismError, SimError, UsageError

from .run_options import RunOptions, refuse_unknown
from .seeds import listed_seeds

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from typing import Never

    from simloop.sweeps.work import Raised
    from simloop.sweeps.worker_options import WorkerOptions
    from simloop.trace.causes import Diagnosis, Observed

    from .fresh.fresh_process import Program
    from .outcome import Outcome

    Main = Callable[[], Coroutine[Any, Any, Any]]

__all__ = ["check"]

Failure = tuple[int | str, BaseException]
"""A seed, and the program's error with it."""

_PATIENCE_S, _PATIENCE = 60.0, 20.0
"""How many seconds a process that was not asked for may take, and how often as long as here."""


def check(
    main: Callable[[], Coroutine[Any, Any, Any]],
    *,
    seeds: Iterable[int | str] = range(10),
    runs: int = 2,
    processes: bool | None = None,
    errors: bool = True,
    jobs: int | str = 1,
    debug: bool | None = None,
    start_time: float | None = None,
    start_date: dt.datetime | float | None = None,
    tz: str | None = None,
    allow: tuple[str, ...] | None = None,
    strict: bool | None = None,
    disk: bool | None = None,
    autojump: bool = True,
    max_time: float | None = None,
    max_steps: int | None = None,
    livelock_steps: int | None = None,
    clock_reads: int | None = None,
    clock_tick: float | None = None,
    real_step_limit: float | None = None,
    realtime: float | None = None,
    **unknown: Never,
) -> None:
    """Run each seed several times and make sure that the runs are the same, step for step.

    Args:
        main: A coroutine function that takes no arguments.
        seeds: The seeds to try.
        runs: How often each is run, at least twice.
        processes: True: each time in a fresh process with another ``PYTHONHASHSEED``; False: here;
            None: here and, if a fresh process can have ``main``, once more there.
        errors: Raise the program's own error, unless ``sys.exit(0)``, when all runs are the same.
        jobs: How many processes share the seeds; "auto" for one on each processor.
        debug: As for :func:`run`, like all that follow.
        start_time: The same.
        start_date: The same.
        tz: The same.
        allow: The same.
        strict: The same.
        disk: The same.
        autojump: The same.
        max_time: The same.
        max_steps: The same.
        livelock_steps: The same.
        clock_reads: The same.
        clock_tick: The same.
        real_step_limit: The same.
        realtime: The same.
        **unknown: Nothing; what is not named above is refused.

    Raises:
        UsageError: An option is not known, or has a value that means nothing.
        NondeterminismError: Two runs of one seed differ: where, and the likely cause with its line.
        BaseException: The program's own error.

    Example:
        >>> import asyncio, simloop
        >>> async def main(): await asyncio.sleep(1)
        >>> simloop.check(main, seeds=range(3))
    """
    refuse_unknown("check()", unknown, _KNOWN, foreign=_FOREIGN)
    options = RunOptions(
        None, start_time, start_date, tz, allow, strict, disk, debug, autojump, max_time,
        max_steps, livelock_steps, clock_reads, clock_tick, real_step_limit, realtime,
    )  # fmt: skip
    failures = _check_all(main, listed_seeds("check()", seeds), runs, processes, options, jobs)
    if errors and failures:
        _raise_failure(failures, runs)


_FOREIGN = {
    "seed": "it takes several, seeds=(...)",
    "world": "each run has a new world, by the options of a world that are given",
    "recorder": "it has recorders of its own; simulate() takes one",
}
_KNOWN = [
    "seeds",
    "runs",
    "processes",
    "errors",
    "jobs",
    *(each for each in RunOptions._fields if each not in _FOREIGN),
]


def _check_all(
    main: Main,
    seeds: Sequence[int | str],
    runs: int,
    processes: bool | None,  # noqa: FBT001 - as above
    options: RunOptions,
    jobs: Any,
) -> list[Failure]:
    """Compare all runs; returns how the program failed, by seed, where it did."""
    from simloop.sweeps.worker_options import WorkerOptions  # noqa: PLC0415 - a run pays nothing

    from .fresh.fresh_process import Program, stop_if_loading  # noqa: PLC0415 - as above

    stop_if_loading()
    workers = WorkerOptions.of(jobs, None)
    is_number: bool = isinstance(runs, int)
    if not is_number or runs < 2:  # noqa: PLR2004 - two runs make a comparison
        raise UsageError(f"check(runs={runs!r}): it takes at least 2 runs to compare")
    program = None if processes is False else Program.of(main, options)
    if processes and program is None:
        raise UsageError(
            f"check({main!r}, processes=True): a fresh process cannot have this function, because"
            " what it holds cannot be pickled, or its module is in no file; define it at the top"
            " level of a file"
        )
    if processes:
        with StatusLine() as status:
            return _check_in_processes(program, seeds, runs, status)  # type: ignore[arg-type]  # just tested
    began_s = real_clock.monotonic()
    with StatusLine() as status:
        work = _CheckWork(main, seeds, runs, options, program, status)
        ended = (
            [work.check(seed) for seed in seeds] if workers.jobs == 1 else _shared(work, workers)
        )
        if program is not None:
            digests = [digest for digest, _ in ended]
            took_s = real_clock.monotonic() - began_s
            _check_beside(program, seeds, digests, took_s, status, workers.jobs)
    errors = [(seed, error) for seed, (_, error) in zip(seeds, ended, strict=True)]
    return [(seed, error) for seed, error in errors if error is not None]


class _CheckWork:
    """Seeds that are checked, as the work of a sweep: what is told is digest and error of each."""

    def __init__(
        self,
        main: Main,
        seeds: Sequence[int | str],
        runs: int,
        options: RunOptions,
        program: Program | None,
        status: StatusLine,
    ) -> None:
        self.seeds = seeds
        self._given = main, runs, options, program, status
        self._ended: tuple[str, Raised | None] = "", None

    def check(self, seed: int | str) -> tuple[str, BaseException | None]:
        """Compare the runs of a seed; returns the digest, and how the first failed, if it did.

        It is judged here: where a library has taught ``pickle`` errors of its own way (tblib), a
        ``SystemExit`` comes from a worker without its code.
        """
        from .fresh.fresh_process import is_good_exit  # noqa: PLC0415 - a run pays nothing

        main, runs, options, program, status = self._given
        outcome = _check_here(main, seed, runs, options, program, status)
        error = outcome.error
        return outcome.digest, None if error is None or is_good_exit(error) else error

    def open(self) -> None:
        """Do nothing."""

    def skip_to(self, number: int) -> None:
        """Do nothing."""

    def run(self, number: int) -> str:
        """Compare the runs of a seed; each is told, as if it were a failure of its own."""
        from simloop.sweeps.work import Raised  # noqa: PLC0415 - only workers want it

        digest, error = self.check(self.seeds[number - 1])
        self._ended = digest, None if error is None else Raised(error)
        return str(number)

    def detail(self) -> tuple[str, Raised | None]:
        """Return the digest and the error of the seed."""
        return self._ended

    def take_tallies(self) -> dict[str, tuple[str, int, int]]:
        """Return nothing: properties are not counted here."""
        return {}

    def refine(self, detail: Any) -> Any:
        """Return the detail."""
        return detail

    def run_told(self, number: int, tell: Callable[[Any], object]) -> str:
        """Compare the runs of a seed alone."""
        del tell
        return self.run(number)


def _shared(work: _CheckWork, workers: WorkerOptions) -> list[tuple[str, BaseException | None]]:
    """Have workers compare; returns how the first run of each seed ended, in order.

    Raises:
        SimError: A worker died of a seed.
        NondeterminismError: The runs of a seed differ, the first of those.
    """
    from simloop.sweeps.sweeping import Sweeping  # noqa: PLC0415 - only workers want it

    sweeping = Sweeping(workers.crew(work, bytes), end=len(work.seeds) + 1)
    sweeping.run()
    if sweeping.is_interrupted:
        raise KeyboardInterrupt
    for lost in sweeping.lost_in_order():
        seed = work.seeds[lost.number - 1]
        raise SimError(f"check() with seed {seed!r}: {lost.how}, so its runs can't be compared")
    told = [finding.detail for finding, _ in sweeping.findings()]
    ended = [(digest, raised and raised.error) for digest, raised in told]
    for number, (_, error) in enumerate(ended):
        if error is not None:
            ended[number] = work.check(work.seeds[number])  # Its own object, with its traceback.
            break
    return ended


def _check_here(
    main: Main,
    seed: int | str,
    runs: int,
    options: RunOptions,
    program: Program | None,
    status: StatusLine,
) -> Outcome[Any]:
    """Compare runs in this process; returns the outcome of the first."""
    from simloop.trace import Recorder  # noqa: PLC0415 - as above
    from simloop.trace.causes import ends_differ  # noqa: PLC0415
    from simloop.trace.recorder import (  # noqa: PLC0415
        first_difference,
        first_output_difference,
        tell_difference,
    )

    from .running import outcome_of  # noqa: PLC0415

    seeded = options._replace(seed=seed)
    kept = Recorder()
    first = outcome_of("check()", main, seeded, kept)
    for number in range(2, runs + 1):
        status.show(f"seed {seed!r}, run {number} of {runs}")
        recorder = Recorder()
        outcome = outcome_of("check()", main, seeded, recorder, is_silent=True)
        if outcome.digest == first.digest:
            continue
        told = tell_difference(
            first_difference(kept.steps, recorder.steps),
            first_output_difference(kept.steps, recorder.steps),
            ends_differ(_told(first), _told(outcome)),
        )
        why = _why(main, seed, options, program, status)
        raise NondeterminismError(f"runs 1 and {number} of seed {seed!r} differ; {told}\n{why}")
    return first


def _told(outcome: Outcome[Any]) -> str:
    """Say how a run ended, whatever the program's values answer."""
    from simloop.trace import canonical  # noqa: PLC0415 - as above

    end = outcome.value if outcome.error is None else outcome.error
    return (
        f"{canonical(end)}, steps {outcome.steps}, time {outcome.time} s, digest {outcome.digest}"
    )


def _why(
    main: Main,
    seed: int | str,
    options: RunOptions,
    program: Program | None,
    status: StatusLine,
) -> str:
    """Return why runs in this process differ, in words."""
    from simloop.trace.causes import Cause, guess, name_order  # noqa: PLC0415 - as above

    from .fresh.fresh_process import observe  # noqa: PLC0415

    diagnosis = None if program is None else _diagnose(program, seed, status)
    if diagnosis is not None and diagnosis.differs:
        return str(diagnosis)

    def look(_memory: str, number: int | None = None) -> Observed:
        status.show(f"seed {seed!r} differs; looks for the cause: a run in this process")
        return observe(main, seed, options, number=number)

    here = guess(look(""), look(""), diagnosis)
    if here.cause is Cause.UNKNOWN:
        here = name_order(here, look)
    return f"{here}\n{_CAUSES}" if here.cause is Cause.UNKNOWN else str(here)


_CAUSES = (
    "Usual causes: the order of a set of strings or objects, id() or an address, real time or"
    " unseeded randomness, a real thread, or state that the first run left behind in a module."
)


def _check_beside(
    program: Program,
    seeds: Sequence[int | str],
    digests: list[str],
    took_s: float,
    status: StatusLine,
    jobs: int,
) -> None:
    """Compare with fresh processes, and where one differs, fresh ones with each other."""
    from .fresh.fresh_process import FreshProcess, hash_seed_here  # noqa: PLC0415 - as above

    status.show("runs in a fresh process, with another PYTHONHASHSEED")
    hash_seed = "2" if hash_seed_here() == "1" else "1"
    size = -(-len(seeds) // jobs)
    shares = [seeds[at : at + size] for at in range(0, len(seeds), size)]
    processes = [FreshProcess(program, share, hash_seed) for share in shares]
    seen = [each.result(_PATIENCE_S + _PATIENCE * took_s) for each in processes]
    for number, share in enumerate(shares):
        expected = digests[number * size :]
        for seed, digest, observed in zip(share, expected, seen[number] or (), strict=False):
            if observed.digest != digest:
                diagnosis = _diagnose(program, seed, status)
                if diagnosis is not None and diagnosis.differs:
                    _raise(seed, diagnosis)


def _check_in_processes(
    program: Program, seeds: Sequence[int | str], runs: int, status: StatusLine
) -> list[Failure]:
    """Compare fresh processes with each other; returns how the program failed there."""
    from .fresh.fresh_process import FreshProcess  # noqa: PLC0415 - as above

    started = [FreshProcess(program, seeds, str(number + 1)) for number in range(runs)]
    results: list[list[Observed]] = []
    for number, process in enumerate(started):
        status.show(f"process {number + 1} of {runs}, each with another PYTHONHASHSEED")
        result = process.result()
        if result is None:
            raise UsageError(
                f"check(processes=True): process {number + 1} broke off:\n{process.errors}"
            )
        results.append(result)
    for index, seed in enumerate(seeds):
        seen = [result[index] for result in results]
        if any(each.found_taken for each in seen):
            seen = _one_by_one(program, seed, runs, status)
        _compare(program, seed, seen, status)
    return [
        (seed, _unpacked(seen))
        for seed, seen in zip(seeds, results[0], strict=True)
        if seen.failure
    ]


def _one_by_one(program: Program, seed: int | str, runs: int, status: StatusLine) -> list[Observed]:
    """Run a seed in fresh processes that are not in the way of each other's temporary files."""
    from .fresh.fresh_process import FreshProcess, temporary_folder  # noqa: PLC0415 - as above

    seen: list[Observed] = []
    with temporary_folder() as temporary:
        for number in range(1, runs + 1):
            status.show(f"seed {seed!r}, process {number} of {runs}, alone")
            result = FreshProcess(program, [seed], str(number), temporary=temporary).result()
            seen += result or []
    return seen


def _unpacked(seen: Observed) -> BaseException:
    """Return the error of a run elsewhere, or what tells of it where it can't come over."""
    try:
        error = pickle.loads(seen.error)  # noqa: S301 - from the process that this one started
    except BaseException:  # noqa: BLE001 - classes of the program's may raise anything
        error = None
    if isinstance(error, BaseException):
        return error
    return RuntimeError(f"the program failed in a fresh process: {seen.failure}")


def _compare(program: Program, seed: int | str, seen: list[Observed], status: StatusLine) -> None:
    first = seen[0]
    for number, other in enumerate(seen):
        if other.digest == first.digest:
            continue
        diagnosis = _diagnose(program, seed, status)
        if diagnosis is not None and diagnosis.differs:
            _raise(seed, diagnosis)
        raise NondeterminismError(
            f"runs 1 and {number + 1} of seed {seed!r} differ, and did not when they were looked "
            f"at closely:\n  {first.end}\n  {other.end}\n{_CAUSES}"
        )


def _raise(seed: int | str, diagnosis: Diagnosis) -> None:
    raise NondeterminismError(
        f"runs 1 and 2 of seed {seed!r}, in fresh processes, differ; {diagnosis.difference()}\n"
        f"{diagnosis}"
    )


def _diagnose(program: Program, seed: int | str, status: StatusLine) -> Diagnosis | None:
    from simloop.trace.causes import diagnose  # noqa: PLC0415 - as above

    from .fresh.fresh_process import FreshProcess, attempt, temporary_folder  # noqa: PLC0415

    with temporary_folder() as temporary:

        def ask(hash_seed: str, memory: str, number: int | None = None) -> Observed | None:
            tried = attempt(hash_seed, memory, number)
            status.show(f"seed {seed!r} differs; looks for the cause: {tried}")
            how: Any = {"memory": memory, "number": number, "temporary": temporary}
            process = FreshProcess(program, [seed], hash_seed, closely=True, **how)
            result = process.result()
            return None if result is None else result[0]

        return diagnose(ask)


def _raise_failure(failures: list[Failure], runs: int) -> Never:
    """Raise the program's error of the first seed that has one, and name all that have."""
    seed, error = failures[0]
    note = (
        f"simloop.check: the program fails with seed {seed!r}, in the same way in each of {runs}"
        f" runs; replay it by simloop.run(main(), seed={seed!r}). errors=False only compares runs."
    )
    if len(failures) > 1:
        others = ", ".join(repr(each) for each, _ in failures[1:_SEEDS_SHOWN])
        more = ", ..." if len(failures) > _SEEDS_SHOWN else ""
        note += f" It fails with {len(failures)} seeds; the others: {others}{more}."
    with suppress(BaseException):  # Its class may have put something else in the notes' place.
        error.add_note(note)
    raise error


_SEEDS_SHOWN = 20


class StatusLine:
    """What a check does now, on one line of a terminal; nothing is shown elsewhere.

    It is a context; the line is gone when it ends.
    """

    def __init__(self) -> None:
        stream = sys.stderr
        self._stream = stream if stream is not None and stream.isatty() else None
        self._began_s = real_clock.monotonic()
        self._is_shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._stream is not None and self._is_shown:
            self._stream.write(_CLEAR)
            self._stream.flush()

    def show(self, line: str) -> None:
        """Show a line in place of the last one, once the check has taken a while."""
        if self._stream is not None and real_clock.monotonic() - self._began_s > _QUIET_S:
            self._is_shown = True
            self._stream.write(f"{_CLEAR}simloop: check: {line}\r")
            self._stream.flush()


_CLEAR = "\r\x1b[K"
_QUIET_S = 0.5
"""Checks that take less show nothing."""
