"""The command line: what may be asked, and what is answered to a wrong question.

Owns: the parser, its texts, and the frozen record of what was asked. It must not know how a
program is run, and stays light: a wrong argument is told before the engine is loaded.
"""

from __future__ import annotations

import argparse
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import attrs

from simloop._version import __version__
from simloop.errors import UsageError

from ._completion import add_completion
from ._exploring.exploring_arguments import (
    DiffArguments,
    ExploreArguments,
    ReplayArguments,
    add_commands,
    read,
)
from ._exploring.sweep_arguments import CheckArguments, SweepArguments
from ._show_arguments import ShowArguments, add_show, read_show
from ._subcommand import CommandParser, add_command

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CheckArguments",
    "DiffArguments",
    "ExploreArguments",
    "ReplayArguments",
    "RunArguments",
    "ShowArguments",
    "SweepArguments",
    "parse",
]

_DESCRIPTION = """\
Run asyncio programs in virtual time: hours take milliseconds, no real network is touched, and the
same seed gives the same run, step for step.
"""

_EPILOG = """\
simloop COMMAND --help tells more. A first try:

  simloop run service.py --trace run.json     a day in a second
  simloop show run.json                       what happened in it, in a browser
  simloop explore service.py:main             the schedule that breaks it
"""

_RUN_DESCRIPTION = """\
Run a program in a simulated world of its own. Its sleeps, time-outs and sockets are virtual; its
output and its exit status are its own. At the end one line on stderr tells how much virtual and
real time passed, how many callbacks ran, and the digest: the hash of all that happened. Two runs
with one digest were the same run.

The program is
  FILE.py           a script, run as Python runs it; if it starts no event loop by itself and
                    has no `if __name__ == "__main__"`, its function `main` is called
  MODULE            the same, found as `python -m MODULE` finds it
  FILE.py:FUNCTION  or MODULE:FUNCTION: a function without arguments, plain or async, is
                    called; an int that it returns is the exit status

With --hosts its world has machines: the function `hosts` of that file adds them, and whatever
else the world has (a wire, names, faults), before the program starts on a machine of its own:

  def hosts(world):
      world.add_host("db", "service:main")
      world.network.configure(latency=0.02)
"""

_RUN_EPILOG = """\
examples:
  simloop run service.py                      a day in a second
  simloop run service.py --seed 7             another day
  simloop run service.py --check              twice, in two processes: was it the same?
  simloop run service.py --trace run.json     and see it: simloop show run.json
  simloop run package.app:main -- --port 80   what follows -- is for the program
  simloop run client.py --hosts world.py      beside machines that world.py adds
  simloop run --hosts world.py                the program is its function main

exit status: the program's own, or
  1 it raised   2 wrong call   80 deadlock   81 limit passed   82 --check found a difference
"""


@attrs.frozen
class RunArguments:
    """What ``simloop run`` was asked to do; times in seconds."""

    program: str
    program_args: tuple[str, ...]
    hosts: str | None = None
    seed: int = 0
    check: bool = False
    trace: str | None = None
    max_time: float | None = None
    max_steps: int | None = None
    clock_tick: float | None = None
    start_date: datetime | None = None
    tz: str | None = None
    disk: bool = False
    allow: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    steps: str | None = None
    report: str | None = None
    look: str | None = None
    memory: str = ""
    number: int | None = None


def parse(
    argv: Sequence[str],
) -> (
    RunArguments
    | ShowArguments
    | CheckArguments
    | DiffArguments
    | ExploreArguments
    | ReplayArguments
    | SweepArguments
):
    """Read a command line without the command's own name.

    Raises:
        SystemExit: The line is wrong (status 2, with the reason on stderr), or asks for help.
    """
    # argparse gives a positional up to `--` and swallows the mark, so the line is cut before it.
    ours, theirs = list(argv), []
    if "--" in ours:
        mark = ours.index("--")
        ours, theirs = ours[:mark], ours[mark + 1 :]
    parser = _parser()
    options = vars(parser.parse_args(ours))
    del options["print_completion"]
    command = options.pop("command")
    if command == "run":
        if options["program"] is None:
            options["program"] = _program_of(options["hosts"], parser)
        return RunArguments(program_args=tuple(theirs), **options)
    if theirs:
        parser.error(f"unrecognized arguments: -- {' '.join(theirs)}")
    if command != "show":
        return read(command, options)
    try:
        return read_show(options)
    except UsageError as error:
        parser.error(str(error))


class _Version(argparse.Action):
    """Tells the version, and whether the engine is accelerated: only who asks loads it."""

    def __call__(self, parser: argparse.ArgumentParser, *_args: object) -> NoReturn:
        from simloop import _speed  # noqa: PLC0415 - as above

        engine = "accelerated" if _speed.is_on() else "pure Python"
        print(f"simloop {__version__} ({engine})")  # noqa: T201 - a command prints
        parser.exit()


def _program_of(hosts: str | None, parser: CommandParser) -> str:
    """Return the program of a line that names none."""
    if hosts is None:
        parser.error("the following arguments are required: FILE.py|MODULE[:FUNCTION]")
    return f"{_FUNCTION.sub('', hosts)}:main"


_FUNCTION = re.compile(r":[^:/\\]*$")


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="simloop",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        dest=argparse.SUPPRESS,
        default=argparse.SUPPRESS,
        help="show program's version number and exit",
    )
    add_completion(parser)
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    run = add_command(
        commands,
        "run",
        help="run a program in virtual time",
        usage="simloop run [FILE.py|MODULE[:FUNCTION]] [OPTION ...] [-- ARGUMENT ...]",
        description=_RUN_DESCRIPTION,
        epilog=_RUN_EPILOG,
    )
    _add_run_options(run)
    add_commands(commands, _count, _seconds)
    add_show(commands, _count)
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    add = run.add_argument
    add("program", metavar="FILE.py|MODULE[:FUNCTION]", nargs="?", help="what to run")
    add(
        "--hosts",
        metavar="FILE.py[:FUNCTION]",
        help="machines of its world: a function, hosts if none is named, is called with the world",
    )
    add("--seed", type=int, default=0, metavar="N", help="where all randomness comes from (0)")
    add(
        "--check",
        action="store_true",
        help="run it again in a fresh process with another hash seed, and compare",
    )
    add("--trace", metavar="FILE", help="write what happens to FILE, for Perfetto and simloop show")
    add("--max-time", type=_seconds, metavar="S", help="stop after S seconds of virtual time")
    add("--max-steps", type=_count, metavar="N", help="stop after N callbacks")
    add("--clock-tick", type=_tick, metavar="S", help="each reading of a clock takes S seconds (0)")
    add(
        "--start-date",
        type=_date,
        metavar="ISO",
        help="when the world starts, UTC where it names no zone (2024-01-01)",
    )
    add(
        "--disk",
        action="store_true",
        help="keep what the program writes to files in the run: the real files stay as they are",
    )
    add("--tz", type=_zone, metavar="ZONE", help="the program's time zone, Europe/Berlin say (UTC)")
    add(
        "--allow",
        type=_allowed,
        action="extend",
        default=[],
        metavar="NAME[,NAME]",
        help="what the program may reach of the real world: subprocess, files, names, ...",
    )
    # How a checking process hears from the one that it started, and what else it wants of it.
    add("--look", metavar="FILE", help=argparse.SUPPRESS)
    add("--memory", default="", help=argparse.SUPPRESS)
    add("--number", type=int, help=argparse.SUPPRESS)
    add("--steps", help=argparse.SUPPRESS)
    add("--report", help=argparse.SUPPRESS)


def _seconds(text: str) -> float:
    """Read a duration above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _tick(text: str) -> float:
    """Read how long a reading takes."""
    value = _seconds(text)
    if not 1e-6 <= value <= 1:  # noqa: PLR2004 - as simloop.run's clock_tick
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1e-6 to 1")
    return value


def _count(text: str) -> int:
    """Read a count above 0; 1_000_000 and 1e6 are both a million."""
    plain = re.fullmatch(r"[0-9_]+|[0-9.]+[eE][0-9]+", text)
    try:
        value = float(text) if plain else math.nan
    except ValueError:
        value = math.nan
    if not value >= 1 or value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(value)


def _allowed(text: str) -> list[str]:
    """Read names of what is allowed."""
    from simloop._sandbox.permissions import check_names  # noqa: PLC0415 - as for a zone

    names = text.split(",")
    try:
        check_names(tuple(names))
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _zone(text: str) -> str:
    """Read a time zone."""
    from simloop._sandbox import check_zone  # noqa: PLC0415 - showing a trace loads no engine

    try:
        return check_zone(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _date(text: str) -> datetime:
    """Read an ISO 8601 date or date and time."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ISO date, like 2030-01-31 or 2030-01-31T06:00:00+01:00"
        ) from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
