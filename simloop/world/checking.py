"""Checking that a seed decides everything: ``check``.

Owns: which runs are compared, and what is told of a difference: the first step that differs, in
both runs, and the cause with its line.

Must not know: how causes are told apart, nor how a program gets to another process.

Invariants:

- Runs in this process are compared first; they share its hash seed, and what the first one leaves
  behind in modules. What only a fresh process can show is looked at after that.
- By default a difference between this process and a fresh one is none of the program's, unless
  fresh ones differ as well: tests replace things here that are not replaced there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._sandbox.time import real_clock
from simloop.errors import NondeterminismError, UsageError

from .run_options import RunOptions, refuse_unknown

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Never

    from simloop.trace.causes import Diagnosis, Observed

    from .fresh_process import Program

    Main = Callable[[], Coroutine[Any, Any, Any]]

__all__ = ["check"]

_PATIENCE_S, _PATIENCE = 60.0, 20.0
"""How many seconds a process that was not asked for may take, and how often as long as here."""


def check(
    main: Callable[[], Coroutine[Any, Any, Any]],
    *,
    seeds: Iterable[int | str] = range(10),
    runs: int = 2,
    processes: bool | None = None,
    debug: bool | None = None,
    start_time: float | None = None,
    start_date: dt.datetime | float | None = None,
    tz: str | None = None,
    allow: tuple[str, ...] | None = None,
    strict: bool | None = None,
    autojump: bool = True,
    max_time: float | None = None,
    max_steps: int | None = None,
    livelock_steps: int | None = None,
    realtime: float | None = None,
    **unknown: Never,
) -> None:
    """Run each seed several times and make sure that the runs are the same, step for step.

    Args:
        main: A coroutine function that takes no arguments.
        seeds: The seeds to try.
        runs: How often each is run, at least twice.
        processes: True runs each time in a fresh process with another ``PYTHONHASHSEED``. False
            runs in this process only. None runs in this process and, if a fresh one can have
            ``main``, once more there with another hash seed, which finds what depends on the
            order of a set of strings. A fresh process can have functions of modules and scripts,
            and others unless they hold what cannot be pickled.
        debug: As for :func:`run`, like the options that follow.
        start_time: The same.
        start_date: The same.
        tz: The same.
        allow: The same.
        strict: The same.
        autojump: The same.
        max_time: The same.
        max_steps: The same.
        livelock_steps: The same.
        realtime: The same.
        **unknown: Nothing; what is not named above is refused.

    Raises:
        UsageError: An option is not known, or has a value that means nothing.
        NondeterminismError: Two runs of one seed differ; the message shows the first step that
            does, and the likely cause with its line.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     await asyncio.sleep(1)
        >>> simloop.check(main, seeds=range(3))
    """
    from .fresh_process import StopLoading, is_loading  # noqa: PLC0415 - who only runs pays nothing

    if is_loading():
        raise StopLoading
    if unknown:
        refuse_unknown("check()", unknown, _KNOWN, foreign=_FOREIGN)
    options = RunOptions(
        None, start_time, start_date, tz, allow, strict,
        debug, autojump, max_time, max_steps, livelock_steps, realtime,
    )  # fmt: skip
    _check_all(main, list(seeds), runs, processes, options)


_FOREIGN = {
    "seed": "it takes several, seeds=(...)",
    "world": "each run has a new world, by the options of a world that are given",
    "recorder": "it has recorders of its own; simulate() takes one",
}
_KNOWN = [
    "seeds",
    "runs",
    "processes",
    *(each for each in RunOptions._fields if each not in _FOREIGN),
]


def _check_all(
    main: Main,
    seeds: list[int | str],
    runs: int,
    processes: bool | None,  # noqa: FBT001 - as above
    options: RunOptions,
) -> None:
    from .fresh_process import Program  # noqa: PLC0415 - as above

    if runs < 2:  # noqa: PLR2004 - two runs make a comparison
        raise UsageError(f"check(runs={runs!r}): it takes at least 2 runs to compare")
    program = None if processes is False else Program.of(main, options)
    if processes and program is None:
        raise UsageError(
            f"check({main!r}, processes=True): a fresh process cannot have this function, because"
            " what it holds cannot be pickled, or its module is in no file; define it at the top"
            " level of a file"
        )
    if processes:
        _check_in_processes(program, seeds, runs)  # type: ignore[arg-type]  # just tested
        return
    began_s = real_clock.monotonic()
    digests = [_check_here(main, seed, runs, options, program) for seed in seeds]
    if program is not None:
        _check_beside(program, seeds, digests, real_clock.monotonic() - began_s)


def _check_here(
    main: Main, seed: int | str, runs: int, options: RunOptions, program: Program | None
) -> str:
    """Compare runs in this process; returns their digest."""
    from simloop.trace import Recorder, first_difference  # noqa: PLC0415 - as above
    from simloop.trace.causes import ends_differ  # noqa: PLC0415

    from .running import outcome_of  # noqa: PLC0415

    recorders = [Recorder() for _ in range(runs)]
    seeded = options._replace(seed=seed)
    outcomes = [outcome_of("check()", main, seeded, each) for each in recorders]
    first = outcomes[0]
    for number, (outcome, recorder) in enumerate(zip(outcomes, recorders, strict=True)):
        if outcome.digest == first.digest:
            continue
        found = first_difference(recorders[0].steps, recorder.steps)
        raise NondeterminismError(
            f"runs 1 and {number + 1} of seed {seed!r} differ; "
            f"{found or ends_differ(first, outcome)}\n{_why(main, seed, options, program)}"
        )
    return first.digest


def _why(main: Main, seed: int | str, options: RunOptions, program: Program | None) -> str:
    """Return why runs in this process differ, in words."""
    from simloop.trace.causes import Cause, guess  # noqa: PLC0415 - as above

    from .fresh_process import observe  # noqa: PLC0415

    diagnosis = None if program is None else _diagnose(program, seed)
    if diagnosis is not None and diagnosis.differs:
        return str(diagnosis)
    here = guess(observe(main, seed, options), observe(main, seed, options), diagnosis)
    return f"{here}\n{_CAUSES}" if here.cause is Cause.UNKNOWN else str(here)


_CAUSES = (
    "Usual causes: the order of a set of strings or objects, id() or an address, real time or"
    " unseeded randomness, a real thread, or state that the first run left behind in a module."
)


def _check_beside(
    program: Program, seeds: list[int | str], digests: list[str], took_s: float
) -> None:
    """Compare with a fresh process, and where it differs, fresh ones with each other."""
    from .fresh_process import FreshProcess, hash_seed_here  # noqa: PLC0415 - as above

    elsewhere = FreshProcess(program, seeds, "2" if hash_seed_here() == "1" else "1")
    seen = elsewhere.result(_PATIENCE_S + _PATIENCE * took_s)
    for seed, digest, observed in zip(seeds, digests, seen or (), strict=False):
        if observed.digest != digest:
            diagnosis = _diagnose(program, seed)
            if diagnosis is not None and diagnosis.differs:
                _raise(seed, diagnosis)


def _check_in_processes(program: Program, seeds: list[int | str], runs: int) -> None:
    """Compare fresh processes with each other."""
    from .fresh_process import FreshProcess  # noqa: PLC0415 - as above

    started = [FreshProcess(program, seeds, str(number + 1)) for number in range(runs)]
    results: list[list[Observed]] = []
    for number, process in enumerate(started):
        result = process.result()
        if result is None:
            raise UsageError(
                f"check(processes=True): process {number + 1} broke off:\n{process.errors}"
            )
        results.append(result)
    for index, seed in enumerate(seeds):
        _compare(program, seed, [result[index] for result in results])


def _compare(program: Program, seed: int | str, seen: list[Observed]) -> None:
    first = seen[0]
    for number, other in enumerate(seen):
        if other.digest == first.digest:
            continue
        diagnosis = _diagnose(program, seed)
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


def _diagnose(program: Program, seed: int | str) -> Diagnosis | None:
    from simloop.trace.causes import diagnose  # noqa: PLC0415 - as above

    from .fresh_process import FreshProcess  # noqa: PLC0415

    def ask(hash_seed: str, memory: str) -> Observed | None:
        result = FreshProcess(program, [seed], hash_seed, closely=True, memory=memory).result()
        return None if result is None else result[0]

    return diagnose(ask)
