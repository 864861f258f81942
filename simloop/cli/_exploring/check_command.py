"""``simloop check``: many seeds of one program, each compared with itself.

Owns: the report and the exit status. Must not know how runs are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simloop.cli._format import count, say
from simloop.cli._program import BrokenProgramError, NoProgramError, find_function
from simloop.cli._running.own_frames import print_error
from simloop.cli._status import ExitStatus
from simloop.errors import NondeterminismError, UnsupportedError, UsageError
from simloop.exploration.program import checked_main
from simloop.world import check

if TYPE_CHECKING:
    from .sweep_arguments import CheckArguments

__all__ = ["carry_out"]


def carry_out(arguments: CheckArguments) -> int:
    """Check, tell what came of it, and return the exit status."""
    seeds = arguments.seeds
    try:
        check(
            checked_main(find_function(arguments.program), "check()"),
            seeds=seeds,
            runs=arguments.runs,
            jobs=arguments.jobs,
            disk=arguments.disk or None,
        )
    except (NoProgramError, UsageError, UnsupportedError) as error:
        say(f"error: {error}")
        return ExitStatus.USAGE
    except NondeterminismError as error:
        say(f"check: {error}")
        return ExitStatus.DIFFERS
    except KeyboardInterrupt:
        say("check: interrupted")
        return ExitStatus.INTERRUPTED
    except BrokenProgramError:
        raise  # Told as for every command.
    except BaseException as error:  # noqa: BLE001 - the program's own, whatever it is
        print_error(error)
        return ExitStatus.FAILED
    which = "seed" if len(seeds) == 1 else "seeds"
    say(f"check: equal, {count(len(seeds))} {which}, {count(arguments.runs)} runs of each")
    return ExitStatus.OK
