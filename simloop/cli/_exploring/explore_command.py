"""``simloop explore``: many schedules of one program, from the command line.

Owns: progress, report and exit status. Must not know how schedules are made.
"""

from __future__ import annotations

import os
import sys
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop.cli._format import say
from simloop.cli._program import NoProgramError, find_function
from simloop.cli._status import ExitStatus
from simloop.errors import NondeterminismError, UnsupportedError, UsageError
from simloop.exploration import Delays, Found
from simloop.exploration.exploring import Exploration
from simloop.exploration.keeping import KeptSchedules
from simloop.exploration.program import Program, quiet
from simloop.exploration.strategies import strategy_of
from simloop.sweeps.worker_options import WorkerOptions

from .sweep_progress import SweepProgress, add_summary, check_journal

if TYPE_CHECKING:
    from .exploring_arguments import ExploreArguments

__all__ = ["carry_out"]

_SCHEDULES = 1000


def carry_out(arguments: ExploreArguments) -> int:
    """Explore, tell what was found, and return the exit status."""
    try:
        found, kept, tried = _explore(arguments)
    except (NoProgramError, UsageError, UnsupportedError, NondeterminismError) as error:
        say(f"error: {error}")
        return ExitStatus.USAGE
    sys.stdout.write(f"{found}\n")
    add_summary(arguments.program, str(found))
    are_kept = _tell_failures(arguments, found, kept, tried)
    if not _write_files(arguments, found) or not are_kept:
        return ExitStatus.USAGE
    if found.interrupted:
        return ExitStatus.INTERRUPTED
    return ExitStatus.FAILED if found.failures or found.lost else ExitStatus.OK


def _tell_failures(
    arguments: ExploreArguments, found: Found, kept: KeptSchedules, tried: list[Any]
) -> bool:
    """Explain each failure, and say where it is kept; return whether it could be."""
    paths: list[Path] = []
    error = None
    try:
        paths = kept.update(tried, found)
    except OSError as caught:
        error = caught
    for failure, path in zip_longest(found.failures, paths):
        sys.stdout.write(f"\n{failure.explain()}\n")
        if path is not None:
            sys.stdout.write(f"        simloop replay {path}\n")
    if error is not None:
        say(f"error: what was found can't be kept in {arguments.save}: {error}")
    return error is None


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


def _check_files(arguments: ExploreArguments) -> None:
    """Refuse files that can't be written, before anything is searched for.

    Raises:
        UsageError: Their folder is not there, or no file may be made in it.
    """
    for option, name in (("--page", arguments.page), ("--json", arguments.json)):
        if name is None:
            continue
        path = Path(name)
        if name == "-":
            reason = "it takes the name of a file; the report is what goes to the terminal"
        elif path.is_dir():
            reason = "that is a folder; give the name of a file in it"
        elif not path.parent.is_dir():
            reason = f"there is no folder {str(path.parent)!r}; make it first"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            reason = "it can't be written to"
        else:
            continue
        raise UsageError(f"{option} {name}: {reason}")


def _explore(arguments: ExploreArguments) -> tuple[Found, KeptSchedules, list[Any]]:
    _check_files(arguments)
    main = find_function(arguments.program)
    delays = Delays(sleeps=arguments.sleeps)
    names = list(arguments.strategy)
    strategy = strategy_of(names[0] if len(names) == 1 else names, sleeps=delays.sleeps > 0)
    options: dict[str, Any] = {"seed": arguments.seed} if arguments.seed else {}
    if arguments.disk:
        options["disk"] = True
    program = Program(main, options, delays, name=arguments.program)
    program.replay_line = f"simloop replay {{token}} {arguments.program}"
    kept = KeptSchedules(arguments.save, arguments.program)
    kept.check()
    check_journal(arguments.journal, resume=arguments.resume)
    # A journal has what was found before, and its numbers must not depend on what else is known.
    tried = kept.load() if arguments.journal is None else []
    schedules = arguments.schedules
    if schedules is None and arguments.seconds is None and not names[0].startswith("dfs"):
        schedules = _SCHEDULES
    workers = WorkerOptions.of(
        arguments.jobs, arguments.real_run_limit, arguments.memory_limit << 20
    )
    exploration = Exploration(
        program,
        strategy,
        arguments.seed,
        stop=arguments.stop,
        workers=workers,
        journal=arguments.journal,
    )
    with quiet():
        progress = SweepProgress("schedules", schedules, arguments.seconds)
        found = exploration.run(schedules, arguments.seconds, first=tried, progress=progress)
        progress.end()
    return found, kept, tried
