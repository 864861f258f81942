"""``simloop explore``: many schedules of one program, from the command line.

Owns: progress, report and exit status. Must not know how schedules are made.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.time import real_clock
from simloop.cli._format import count, say
from simloop.cli._program import NoProgramError, find_function
from simloop.cli._status import ExitStatus
from simloop.errors import NondeterminismError, UsageError
from simloop.exploration import Delays, Found
from simloop.exploration.exploring import Exploration
from simloop.exploration.keeping import KeptSchedules
from simloop.exploration.program import Program, quiet
from simloop.exploration.strategies import strategy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .exploring_arguments import ExploreArguments

__all__ = ["carry_out"]

_SCHEDULES = 1000
_PAUSE_S = 0.2


def carry_out(arguments: ExploreArguments) -> int:
    """Explore, tell what was found, and return the exit status."""
    try:
        found, kept, tried = _explore(arguments)
    except (NoProgramError, UsageError, NondeterminismError) as error:
        say(f"error: {error}")
        return ExitStatus.USAGE
    sys.stdout.write(f"{found}\n")
    for failure, path in zip(found.failures, kept.update(tried, found), strict=True):
        sys.stdout.write(f"\n{failure.explain()}\n")
        sys.stdout.write(f"        simloop replay {path}\n")
    if not _write_files(arguments, found):
        return ExitStatus.USAGE
    if found.interrupted:
        return ExitStatus.INTERRUPTED
    return ExitStatus.FAILED if found.failures else ExitStatus.OK


def _write_files(arguments: ExploreArguments, found: Found) -> bool:
    """Write what was asked for beside the report, and return whether that went well."""
    from .finding_files import write_json, write_page  # noqa: PLC0415 - few ask for them

    try:
        if arguments.json is not None:
            write_json(found.failures, arguments.json)
        if arguments.page is not None and found.failures:
            write_page(found.failures[0], arguments.page)
            say(f"{arguments.page}: both runs side by side; open it in a browser")
    except OSError as error:
        say(f"error: what was found can't be written to a file: {error}")
        return False
    return True


def _explore(arguments: ExploreArguments) -> tuple[Found, KeptSchedules, list[Any]]:
    main = find_function(arguments.program)
    delays = Delays(sleeps=arguments.sleeps)
    names = list(arguments.strategy)
    strategy = strategy_of(names[0] if len(names) == 1 else names, sleeps=delays.sleeps > 0)
    options = {"seed": arguments.seed} if arguments.seed else {}
    program = Program(main, options, delays, name=arguments.program)
    program.replay_line = f"simloop replay {{token}} {arguments.program}"
    kept = KeptSchedules(arguments.save, arguments.program)
    kept.check()
    tried = kept.load()
    schedules = arguments.schedules
    if schedules is None and arguments.seconds is None and not names[0].startswith("dfs"):
        schedules = _SCHEDULES
    exploration = Exploration(program, strategy, arguments.seed, stop=arguments.stop)
    with quiet():
        found = exploration.run(schedules, arguments.seconds, first=tried, progress=_progress())
    return found, kept, tried


def _progress() -> Callable[[Found], object] | None:
    """Return what shows progress on a terminal, or None where there is none."""
    if not sys.stderr.isatty():
        return None
    shown_s = [real_clock.monotonic()]

    def show(found: Found) -> None:
        now_s = real_clock.monotonic()
        if now_s - shown_s[0] < _PAUSE_S:
            return
        shown_s[0] = now_s
        rate = found.ran / found.seconds if found.seconds else 0.0
        line = (
            f"{count(found.ran)} schedules, {rate:.0f} a second, {count(found.interleavings or 0)}"
            f" orders of steps, {len(found.failures)} failures"
        )
        sys.stderr.write(f"\r{line}\x1b[K")
        sys.stderr.flush()

    return show
