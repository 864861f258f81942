"""The arguments of ``explore``, ``replay`` and ``diff``: what may be asked of them.

Owns: their options, texts and records. As :mod:`simloop.cli._arguments` it stays light.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

import attrs

from simloop.cli._subcommand import add_command

from .sweep_arguments import (
    CheckArguments,
    SweepArguments,
    add_check,
    add_disk,
    add_journal,
    add_program,
    add_sweep,
    add_workers,
    read_sweep,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DiffArguments", "ExploreArguments", "ReplayArguments", "add_commands", "read"]

_EXPLORE_DESCRIPTION = """\
Run a coroutine function under one schedule after the other, until it fails: each decides how long
turns took, how late the loop woke, when what arrived is told. Whatever fails so can happen. A
failure is shrunk to the deviations that it needs, explained, and kept in .simloop, where it is
tried first the next time.
"""

_EXPLORE_EPILOG = """\
examples:
  simloop explore service.py:main                      a thousand schedules
  simloop explore tests.crash:main --seconds 60        for a minute
  simloop explore service.py:main --jobs auto          by every processor
  simloop explore service.py:main --strategy dfs       every order of what is ready, as a proof

exit status: 0 nothing found   1 a failure was found, or a run broke its process   2 wrong call
"""

_REPLAY_DESCRIPTION = """\
Run a program once more under a schedule that was found: from its file, or by its token.
"""

_REPLAY_EPILOG = """\
examples:
  simloop replay .simloop/service.py-main@1f2e3d4c.json
  simloop replay s1fcEicYq6llq8G1mg service.py:main
  simloop replay s1fcEicYq6llq8G1mg service.py:main --trace run.json
  simloop replay s1fcEicYq6llq8G1mg service.py:main --break-at 40

exit status: 0 the program ended well   1 it failed   2 wrong call, or the program has changed
"""


_DIFF_DESCRIPTION = """\
Run a program under two schedules, and show both runs side by side, from the first step that is not
the same in both.
"""

_DIFF_EPILOG = """\
examples:
  simloop diff .simloop/service.py-main@1f2e3d4c.json undisturbed
  simloop diff s1fcEicYq6llq8G1mg s1hPZ0vcV2xQ1k service.py:main

exit status: 0 they are the same run   1 they differ   2 wrong call
"""


@attrs.frozen
class ExploreArguments:
    """What ``simloop explore`` was asked to do; times in seconds."""

    program: str
    schedules: int | None = None
    seconds: float | None = None
    seed: int = 0
    strategy: tuple[str, ...] = ("timing",)
    sleeps: float = 0.0
    stop: int = 1
    save: str = ".simloop"
    page: str | None = None
    json: str | None = None
    jobs: int | str = 1
    real_run_limit: float = 60.0
    memory_limit: int = 1024
    journal: str | None = None
    resume: bool = False
    disk: bool = False


@attrs.frozen
class ReplayArguments:
    """What ``simloop replay`` was asked to do."""

    schedule: str
    program: str | None = None
    trace: str | None = None
    break_at: int | None = None


@attrs.frozen
class DiffArguments:
    """What ``simloop diff`` was asked to do."""

    one: str
    other: str
    program: str | None = None


def add_commands(
    commands: Any, count: Callable[[str], int], seconds: Callable[[str], float]
) -> None:
    """Add the commands to the parser.

    Args:
        commands: Where commands are added.
        count: Reads a number of things.
        seconds: Reads a duration.
    """
    _add_explore(commands, count, seconds)
    _add_replay(commands, count)
    _add_diff(commands)
    add_check(commands, count)
    add_sweep(commands, count, seconds)


def _add_explore(
    commands: Any, count: Callable[[str], int], seconds: Callable[[str], float]
) -> None:
    explore = add_command(
        commands,
        "explore",
        help="run a program under many schedules, and find the one that breaks it",
        usage="simloop explore FILE.py|MODULE[:FUNCTION] [OPTION ...]",
        description=_EXPLORE_DESCRIPTION,
        epilog=_EXPLORE_EPILOG,
    )
    add_program(explore)
    add = explore.add_argument
    add("--schedules", type=count, metavar="N", help="how many schedules (1000, if no --seconds)")
    add("--seconds", type=seconds, metavar="S", help="go on for S seconds")
    add("--seed", type=int, default=0, metavar="N", help="where the schedules come from (0)")
    add_disk(explore)
    add(
        "--strategy",
        action="append",
        metavar="NAME",
        help="timing, single, random, pct[:depth], pos, surw, delay:n, dfs[:bound]; several take"
        " turns (timing)",
    )
    add(
        "--sleeps",
        type=_times,
        default=0.0,
        metavar="X",
        help="let each sleep, as it stands for I/O, take up to X times longer",
    )
    add("--stop", type=count, default=1, metavar="N", help="stop after N different failures (1)")
    add("--save", default=".simloop", metavar="DIR", help="where found schedules are (.simloop)")
    add(
        "--page",
        metavar="FILE",
        help="draw the first failure beside the undisturbed run, as a page",
    )
    add("--json", metavar="FILE", help="write what explains each failure to FILE")
    add_workers(explore, count, seconds)
    add_journal(explore)


def _times(text: str) -> float:
    """Read a factor from 0 on.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        times = float(text)
    except ValueError:
        times = math.nan
    if not 0 <= times < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} says how many times longer a sleep may take; give a number from 0 on, say 2"
        )
    return times


def _add_replay(commands: Any, count: Callable[[str], int]) -> None:
    replay = add_command(
        commands,
        "replay",
        help="run a program again under a schedule that was found",
        usage="simloop replay FILE|TOKEN [FILE.py|MODULE[:FUNCTION]] [OPTION ...]",
        description=_REPLAY_DESCRIPTION,
        epilog=_REPLAY_EPILOG,
    )
    add = replay.add_argument
    add("schedule", metavar="FILE|TOKEN", help="the schedule")
    add("program", nargs="?", metavar="PROGRAM", help="what to run, if the file does not tell")
    add("--trace", metavar="FILE", help="write what happens to FILE, for Perfetto and simloop show")
    add("--break-at", type=count, metavar="STEP", help="stop a debugger in that step")


def _add_diff(commands: Any) -> None:
    diff = add_command(
        commands,
        "diff",
        help="show two schedules of a program side by side",
        usage="simloop diff A B [FILE.py|MODULE[:FUNCTION]]",
        description=_DIFF_DESCRIPTION,
        epilog=_DIFF_EPILOG,
    )
    add = diff.add_argument
    add("one", metavar="A", help="a schedule: its file, its token, or the word undisturbed")
    add("other", metavar="B", help="another one")
    add("program", nargs="?", metavar="PROGRAM", help="what to run, if no file tells")


def read(
    command: str, options: dict[str, Any]
) -> CheckArguments | DiffArguments | ExploreArguments | ReplayArguments | SweepArguments:
    """Return the record of what was asked."""
    if command == "sweep":
        return read_sweep(options)
    if command == "check":
        return CheckArguments(**options)
    if command == "diff":
        return DiffArguments(**options)
    if command == "replay":
        return ReplayArguments(**options)
    options["strategy"] = tuple(options["strategy"] or ("timing",))
    return ExploreArguments(**options)
