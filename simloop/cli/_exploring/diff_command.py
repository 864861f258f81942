"""``simloop diff``: one program under two schedules, side by side.

Owns: finding the schedules and the program, and the exit status. Must not know how runs are
compared.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from simloop.cli._format import say
from simloop.cli._program import NoProgramError, find_function
from simloop.cli._status import ExitStatus
from simloop.errors import NondeterminismError, UnsupportedError, UsageError
from simloop.exploration.explaining import compare
from simloop.exploration.replaying import schedule_of
from simloop.exploration.schedules.schedule import Schedule

from .replay_command import target_of

if TYPE_CHECKING:
    from simloop.exploration.explaining import Comparison

    from .exploring_arguments import DiffArguments

__all__ = ["carry_out"]

_UNDISTURBED = "undisturbed"


def carry_out(arguments: DiffArguments) -> int:
    """Compare, show both runs, and return the exit status."""
    try:
        comparison = _compare(arguments)
    except (NoProgramError, UsageError, UnsupportedError, NondeterminismError) as error:
        say(f"error: {error}")
        return ExitStatus.USAGE
    sys.stdout.write(f"{comparison}\n")
    return ExitStatus.OK if comparison.is_same else ExitStatus.FAILED


def _compare(arguments: DiffArguments) -> Comparison:
    words = arguments.one, arguments.other
    found = [None if word == _UNDISTURBED else schedule_of(word) for word in words]
    known = [each for each in found if each is not None]
    if not known:
        raise UsageError("diff: both are the undisturbed run; name a schedule, by file or token")
    target = target_of("diff", known, words, arguments.program)
    plain = Schedule([], delays=known[0].delays, options=known[0].options, program=target)
    one, other = (plain if each is None else each for each in found)
    return compare(find_function(target), one, other, words, target)
