"""The arguments of ``check`` and ``sweep``: what may be asked of many seeds, and of journals.

Owns: their options, texts and records. As :mod:`simloop.cli._arguments` it stays light.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import attrs

from simloop.cli._subcommand import add_command

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CheckArguments",
    "SweepArguments",
    "SweepMergeArguments",
    "SweepRunArguments",
    "SweepShowArguments",
    "add_check",
    "add_disk",
    "add_journal",
    "add_program",
    "add_sweep",
    "add_workers",
    "range_of",
    "read_sweep",
    "seeds_of",
]

_SEEDS_MAX = 10_000_000
"""How many seeds may be listed; a range alone, as a sweep takes, is no list."""

_CHECK_DESCRIPTION = """\
Run a coroutine function several times with each of many seeds, and make sure that the runs of a
seed are the same, step for step, here and in a process with another hash seed. What differs is
shown with its likely cause; then, what the program raises.
"""

_CHECK_EPILOG = """\
examples:
  simloop check service.py:main                         ten seeds
  simloop check service.py:main --seeds 0-99 --jobs 2   a hundred, by two processes

exit status: 0 all the same, and well   1 the program failed, alike in all runs of a seed
  2 wrong call   82 runs of a seed differ
"""

_SWEEP_DESCRIPTION = """\
Run a coroutine function with many seeds (run); tell what the journal of such a sweep, or of an
exploration, has (show); write what the journals of several machines have into one (merge).
"""

_SWEEP_EPILOG = """\
examples:
  simloop sweep run service.py --seeds 0-99999 --jobs auto --journal night.db
  simloop sweep show night.db                       how far it is, and a page: night.html
  simloop sweep run service.py --seeds 0-99999 --jobs auto --journal night.db --resume
  simloop sweep merge here.db there.db -o both.db

simloop sweep ACTION --help tells more.
"""

_MERGE_DESCRIPTION = """\
Write what several journals of one program have into a new one. What two of them did counts once.
"""


@attrs.frozen
class CheckArguments:
    """What ``simloop check`` was asked to do."""

    program: str
    seeds: tuple[int, ...] = tuple(range(10))
    runs: int = 2
    jobs: int | str = 1
    disk: bool = False


@attrs.frozen
class SweepRunArguments:
    """What ``simloop sweep run`` was asked to do."""

    program: str
    seeds: range | list[int] = range(1000)
    seconds: float | None = None
    stop: int | None = None
    jobs: int | str = 1
    real_run_limit: float = 60.0
    memory_limit: int = 1024
    journal: str | None = None
    resume: bool = False
    disk: bool = False


@attrs.frozen
class SweepShowArguments:
    """What ``simloop sweep show`` was asked to do."""

    journal: str
    output: str | None = None


@attrs.frozen
class SweepMergeArguments:
    """What ``simloop sweep merge`` was asked to do."""

    journals: tuple[str, ...]
    output: str


SweepArguments = SweepRunArguments | SweepShowArguments | SweepMergeArguments


def add_check(commands: Any, count: Callable[[str], int]) -> None:
    """Add the command ``check`` to the parser."""
    check = add_command(
        commands,
        "check",
        help="make sure that a seed decides everything a program does",
        usage="simloop check FILE.py|MODULE[:FUNCTION] [OPTION ...]",
        description=_CHECK_DESCRIPTION,
        epilog=_CHECK_EPILOG,
    )
    add_program(check)
    add = check.add_argument
    add(
        "--seeds",
        type=lambda text: tuple(seeds_of(text)),
        default=CheckArguments("").seeds,
        metavar="A-B",
        help="which seeds (0-9): 0-99, or 1,5,10-19",
    )
    add("--runs", type=count, default=2, metavar="N", help="how often each is run (2)")
    add_jobs(check, count)
    add_disk(check)


def add_program(command: argparse.ArgumentParser) -> None:
    """Add what is run to a command."""
    command.add_argument(
        "program",
        metavar="FILE.py|MODULE[:FUNCTION]",
        help="what to run: a coroutine function",
    )


def add_disk(command: argparse.ArgumentParser) -> None:
    """Add the disk of each run to a command."""
    command.add_argument(
        "--disk",
        action="store_true",
        help="keep what the program writes to files in each run: the real files stay as they are",
    )


def add_jobs(command: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    """Add the number of processes to a command."""

    def jobs(text: str) -> int | str:
        if text == "auto":
            return text
        try:
            return count(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error}, nor auto") from None

    command.add_argument(
        "--jobs",
        type=jobs,
        default=1,
        metavar="N",
        help="how many processes work (1); auto: one for each processor",
    )


def add_workers(
    command: argparse.ArgumentParser,
    count: Callable[[str], int],
    seconds: Callable[[str], float],
) -> None:
    """Add what may be said of worker processes, by all commands that have some."""
    add_jobs(command, count)
    add = command.add_argument
    add(
        "--real-run-limit",
        type=seconds,
        default=60.0,
        metavar="S",
        help="for how many real seconds a run may go on in one of several processes (60)",
    )
    add(
        "--memory-limit",
        type=count,
        default=1024,
        metavar="MIB",
        help="by how much such a process may grow in a run (1024)",
    )


def add_journal(command: argparse.ArgumentParser) -> None:
    """Add the journal to a command."""
    add = command.add_argument
    add("--journal", metavar="FILE", help="keep all that is done and found in FILE, to go on later")
    add("--resume", action="store_true", help="go on with the journal that is there")


def add_sweep(commands: Any, count: Callable[[str], int], seconds: Callable[[str], float]) -> None:
    """Add the command ``sweep``, which has commands of its own, to the parser."""
    sweep = add_command(
        commands,
        "sweep",
        help="run a program with many seeds; look at journals, and merge them",
        usage="simloop sweep run|show|merge ...",
        description=_SWEEP_DESCRIPTION,
        epilog=_SWEEP_EPILOG,
    )
    actions = sweep.add_subparsers(
        title="actions", dest="action", metavar="ACTION", required=True, prog="simloop sweep"
    )
    run = add_command(
        actions,
        "run",
        help="run a program with many seeds",
        usage="simloop sweep run FILE.py|MODULE[:FUNCTION] [OPTION ...]",
        description="Run a coroutine function with many seeds, and tell how it fails.",
        epilog="exit status: 0 nothing found   1 a seed failed, or broke its process   2 wrong"
        " call",
    )
    add_program(run)
    add = run.add_argument
    add("--seeds", type=range_of, default=range(1000), metavar="A-B", help="which seeds (0-999)")
    add("--seconds", type=seconds, metavar="S", help="go on for S seconds at most")
    add("--stop", type=count, metavar="N", help="stop after N different failures")
    add_disk(run)
    add_workers(run, count, seconds)
    add_journal(run)
    show = add_command(
        actions,
        "show",
        help="tell what a journal has, as a table and a page",
        usage="simloop sweep show JOURNAL [-o PAGE.html]",
        description="Tell what a journal has: how much was done, how fast, and what was found.",
        epilog="exit status: 0, or 2 if the journal can't be read or the page can't be written",
    )
    show.add_argument("journal", metavar="JOURNAL", help="what --journal wrote")
    show.add_argument(
        "-o",
        "--output",
        metavar="PAGE.html",
        help="the page to write; beside the journal, ending in .html, if not given",
    )
    merge = add_command(
        actions,
        "merge",
        help="write what several journals have into one",
        usage="simloop sweep merge A B [...] -o C",
        description=_MERGE_DESCRIPTION,
        epilog="exit status: 0, or 2 if they are of different programs, or C can't be written",
    )
    merge.add_argument("journals", nargs="+", metavar="JOURNAL", help="the journals to merge")
    merge.add_argument("-o", "--output", required=True, metavar="C", help="the new journal")


def read_sweep(options: dict[str, Any]) -> SweepArguments:
    """Return the record of what was asked."""
    action = options.pop("action")
    if action == "run":
        return SweepRunArguments(**options)
    if action == "show":
        return SweepShowArguments(**options)
    return SweepMergeArguments(tuple(options["journals"]), options["output"])


def range_of(text: str) -> range | list[int]:
    """Return the seeds that ranges name; of one range alone as a range, which takes no room.

    Raises:
        argparse.ArgumentTypeError: They name none.

    Example:
        >>> range_of("0-999999")
        range(0, 1000000)
    """
    first, dash, last = text.partition("-")
    if dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last):
        return range(int(first), int(last) + 1)
    return seeds_of(text)


def seeds_of(text: str) -> list[int]:
    """Return the seeds that ranges name, in order, each once.

    Raises:
        argparse.ArgumentTypeError: They name none.

    Example:
        >>> seeds_of("0-3,7,2-5")
        [0, 1, 2, 3, 7, 4, 5]
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else not last)):
            raise argparse.ArgumentTypeError(
                f"{part!r} is no range of seeds; write 0-49, or 1,5,10-19"
            )
        if dash and int(last) < int(first):
            raise argparse.ArgumentTypeError(f"{part!r} ends before it begins")
        seeds = range(int(first), int(last or first) + 1)
        if len(found) + seeds.stop - seeds.start > _SEEDS_MAX:
            raise argparse.ArgumentTypeError(
                f"{part!r} are more than {_SEEDS_MAX:,} seeds; take them in parts"
            )
        found += seeds
    return list(dict.fromkeys(found))
