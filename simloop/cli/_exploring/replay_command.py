"""``simloop replay``: one schedule of one program again, traced or under a debugger.

Owns: finding both, the report and the exit status. Must not know how a schedule is answered.
"""

from __future__ import annotations

import pdb  # noqa: T100 - a debugger is what --break-at asks for
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import message_of
from simloop.cli._format import count, say, virtual
from simloop.cli._program import NoProgramError, find_function
from simloop.cli._running.own_frames import print_error
from simloop.cli._status import ExitStatus
from simloop.errors import NondeterminismError, UnsupportedError, UsageError
from simloop.exploration.replaying import replay_program, schedule_of
from simloop.exploration.same_failure import is_foreign
from simloop.world.tracing.trace_file import writing_trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from simloop.exploration.explored_run import ExploredWorld
    from simloop.exploration.schedules.schedule import Schedule
    from simloop.trace import EventFile
    from simloop.world.outcome import Outcome

    from .exploring_arguments import ReplayArguments

__all__ = ["carry_out", "target_of"]


def carry_out(arguments: ReplayArguments) -> int:
    """Replay, tell how it went, and return the exit status."""
    try:
        outcome = _replay(arguments)
    except (NoProgramError, UsageError, UnsupportedError, NondeterminismError) as error:
        say(f"error: {error}")
        return ExitStatus.USAGE
    except OSError as error:
        say(f"error: the trace can't be written to {arguments.trace!r}: {error}")
        return ExitStatus.USAGE
    say(
        f"virtual time {virtual(outcome.time_ns)}, {count(outcome.steps)} steps, digest"
        f" {outcome.digest}"
    )
    if outcome.error is None:
        return ExitStatus.OK
    print_error(outcome.error)
    return ExitStatus.FAILED


def _replay(arguments: ReplayArguments) -> Outcome[Any]:
    schedule = schedule_of(arguments.schedule)
    target = target_of("replay", [schedule], [arguments.schedule], arguments.program)
    main = find_function(target)
    stop = None if arguments.break_at is None else _Breakpoint(arguments.break_at)
    with ExitStack() as stack:
        files: list[EventFile] = []

        def prepare(world: ExploredWorld, _gate: object) -> None:
            if arguments.trace is not None:
                files.append(stack.enter_context(writing_trace(world, arguments.trace, target)))

        watchers = () if stop is None else (stop,)
        outcome = replay_program(main, schedule, watchers=watchers, prepare=prepare, name=target)
        if outcome.error is not None:
            for file in files:
                file.tell(error=message_of(outcome.error))
    if stop is not None and stop.is_ahead:
        say(f"--break-at {arguments.break_at} was not reached: the run has {outcome.steps} steps")
    return outcome


def target_of(
    command: str, schedules: Sequence[Schedule], words: Sequence[str], given: str | None
) -> str:
    """Return the program to run: the one that was named, or that a schedule tells.

    Raises:
        NoProgramError: None tells one.
    """
    for target in (given, *(each.program for each in schedules)):
        if target and not target.startswith("__main__:"):  # A script's own main, whichever it was.
            return target
    line = " ".join(words)
    raise NoProgramError(
        f"the schedule {words[0]!r} does not tell its program; name it:"
        f" simloop {command} {line} FILE.py:FUNCTION"
    )


class _Breakpoint:
    """An observer that stops a debugger in one step, at the first line of the program's own."""

    def __init__(self, step: int) -> None:
        self._left = step

    @property
    def is_ahead(self) -> bool:
        """Whether the step did not come."""
        return self._left > 0

    def step(self, now_ns: int, handle: object) -> None:
        """Look at what is called from now on, if it is the step."""
        del now_ns, handle
        self._left -= 1
        if self._left == 0:
            sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, arg: object) -> Any:
        """Stop in the first frame that is neither ours nor asyncio's."""
        del event, arg
        name = frame.f_code.co_filename
        if is_foreign(name) or name.startswith("<"):
            return None
        sys.settrace(None)
        debugger = pdb.Pdb()
        debugger.set_trace(frame)
        return debugger.trace_dispatch
