"""Replaying: run a program under a schedule that was kept.

Owns: finding the schedule (an object, a file, a token), running it, and telling a changed program
from a failure that is gone.

Must not know: strategies.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import message_of
from simloop.errors import UsageError

from .findings import Failure
from .gates import ByKey
from .program import Program, quiet
from .schedules.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from simloop.trace import Recorder
    from simloop.world.outcome import Outcome

    from .explored_run import ExploredWorld, Main
    from .gates import RecordingGate

__all__ = ["pick_of", "replay", "replay_program", "schedule_of"]


def replay(
    main: Main,
    schedule: Failure | Schedule | str | os.PathLike[str],
    *,
    recorder: Recorder | None = None,
) -> Outcome[Any]:
    """Run a program once, under a schedule, and return how it went.

    Args:
        main: The coroutine function that was explored.
        schedule: What an exploration found: a failure, its schedule, the path of a file in which
            that was saved, or its token.
        recorder: Keeps every step, if given.

    Raises:
        UsageError: There is no such schedule; or the program has changed: it never asks for what
            the schedule answers, or does something else under it.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     async with asyncio.timeout(1):
        ...         await asyncio.sleep(0.9)
        >>> found = simloop.explore(main, schedules=200)
        >>> simloop.replay(main, found.failures[0].schedule.token).error
        TimeoutError()
    """
    watchers = () if recorder is None else (recorder,)
    return replay_program(main, schedule_of(schedule), watchers=watchers)


def replay_program(
    main: Main,
    given: Schedule,
    *,
    watchers: Collection[Any] = (),
    prepare: Callable[[ExploredWorld, RecordingGate], object] | None = None,
    name: str | None = None,
) -> Outcome[Any]:
    """Do what :func:`replay` does, with watchers.

    Args:
        main: The coroutine function.
        given: The schedule.
        watchers: Told of each step.
        prepare: Called with the world and its gate before the run.
        name: What the program is called.
    """
    program = Program(main, given.options, given.delays, call="replay()", name=name)
    pick = pick_of(given)
    with quiet():
        ran, _ = program.play(
            pick, permuted=given.permuted, has_digest=True, watchers=watchers, prepare=prepare
        )
    outcome = ran.outcome()
    if unasked := pick.unasked():
        first = unasked[0]
        # A token has room for a hash of each decision, and not for its name.
        what = "" if isinstance(first, bytes) else f", first for ({', '.join(map(str, first))})"
        raise UsageError(
            f"{program.name} never asked for {len(unasked)} of"
            f" {len(given.deviations) + len(given.hashed)} deviations of the schedule{what}: the"
            f" program has changed since{_told(given)}, or it is another one; explore it again"
            f" (this run: {_ended(outcome)})"
        )
    if not outcome.digest.startswith(given.digest):
        raise UsageError(
            f"{program.name} does something else under the schedule than it did: the program has"
            f" changed since{_told(given)} (digest then {given.digest}, now {outcome.digest}; this"
            f" run: {_ended(outcome)}); explore it again"
        )
    return outcome


def pick_of(schedule: Schedule) -> ByKey:
    """Return what answers as a schedule says."""
    return ByKey(
        {each.key: each.value for each in schedule.deviations},
        {bytes.fromhex(key): value for key, value in schedule.hashed.items()},
    )


def _ended(outcome: Outcome[Any]) -> str:
    return "no error" if outcome.error is None else message_of(outcome.error)


def _told(schedule: Schedule) -> str:
    return f" {schedule.program} failed with {schedule.error}" if schedule.error else ""


def schedule_of(given: Failure | Schedule | str | os.PathLike[str]) -> Schedule:
    """Return the schedule that a value stands for.

    Raises:
        UsageError: It stands for none.
    """
    if isinstance(given, Failure):
        return given.schedule
    if isinstance(given, Schedule):
        return given
    if not isinstance(given, str | os.PathLike):
        raise UsageError(
            "replay() takes a failure, a schedule, the path of its file or its token, not"
            f" {given!r}"
        )
    if not os.fspath(given):
        raise UsageError("replay() got an empty text; it takes a schedule's token, or its file")
    path = Path(given)
    if isinstance(given, str) and os.sep not in given and not path.suffix and not _is_there(path):
        return Schedule.of_token(given)
    try:
        return Schedule.load(path)
    except OSError as error:
        raise UsageError(f"no schedule can be read from {given}: {error}") from None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # Longer than a name may be: a word that was pasted.
        return False
