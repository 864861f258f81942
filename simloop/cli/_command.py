"""``simloop run``: find the program, run it, say how it went.

Owns: what the command does with a line that was read, and the closing line.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel.safe_looks import message_of
from simloop.errors import UnsupportedError, UsageError
from simloop.world.run_options import RunOptions
from simloop.world.tracing.trace_file import writing_trace
from simloop.world.world import world_of

from ._format import count, flush_stdout, say, virtual
from ._program import NoProgramError, find
from ._progress import Progress
from ._running.checked_run import is_same_again, write_report
from ._running.close_look import look_closely
from ._running.execution import Ending, Execution
from ._running.hosts_file import with_hosts
from ._running.own_frames import print_error
from ._running.step_file import writing_steps
from ._status import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.world import World

    from ._arguments import RunArguments

__all__ = ["carry_out"]


def carry_out(arguments: RunArguments) -> int:
    """Do what was asked and return the exit status."""
    try:
        if not arguments.check:
            return _run(arguments, arguments.steps).status
        with tempfile.TemporaryDirectory(prefix="simloop-check-") as folder:
            return _run_and_check(arguments, folder)
    except (NoProgramError, _WrongCallError) as error:
        say(f"error: {error}")
    except _TraceError as error:
        say(f"error: the trace can't be written to {arguments.trace!r}: {error.__cause__}")
    return ExitStatus.USAGE


def _run_and_check(arguments: RunArguments, folder: str) -> int:
    steps = str(Path(folder, "first.jsonl"))
    ending = _run(arguments, steps)
    if ending.status == ExitStatus.INTERRUPTED:
        return ending.status  # It was not run to its end, so there is nothing to compare.
    same = is_same_again(arguments, ending, steps, folder)
    return ending.status if same else ExitStatus.DIFFERS


class _WrongCallError(Exception):
    """Options exclude each other, or have a value that means nothing."""


class _TraceError(Exception):
    """The file for the trace can't be opened, for the reason that is its cause."""


def _run(arguments: RunArguments, steps: str | None) -> Ending:
    """Run the program once, and say how it went."""
    program = find(arguments.program)
    world = _world(arguments)
    trace = None
    with ExitStack() as stack:
        if arguments.trace is not None:
            try:
                writing = writing_trace(world, arguments.trace, arguments.program)
                trace = stack.enter_context(writing)
            except OSError as error:
                raise _TraceError from error
        if steps is not None:
            stack.enter_context(writing_steps(world, steps))
        stack.enter_context(Progress(lambda: (world.time_ns, world.steps)))
        program.prepare(arguments.program_args)
        run: Callable[[Callable[[], bool]], Any] = program.run
        if arguments.hosts is not None:
            run = with_hosts(arguments.hosts, world, run)
        if arguments.look is None:
            ending = Execution(world).run(run)
        else:
            ending = look_closely(world, run, arguments.look, arguments.memory, arguments.number)
        if trace is not None:
            trace.tell(status=ending.status, error=_named(ending.error), digest=ending.digest)
    if isinstance(ending.error, NoProgramError):
        raise ending.error
    _tell(ending, arguments.seed)
    if trace is not None and trace.error is not None:
        say(f"error: the trace in {arguments.trace!r} is not whole: {trace.error}")
        ending = attrs.evolve(ending, status=ending.status or ExitStatus.FAILED)
    if arguments.report is not None:
        write_report(arguments.report, ending)
    return ending


def _world(arguments: RunArguments) -> World:
    """Make the world that was asked for.

    Raises:
        _WrongCallError: There is no such world.
    """
    options = RunOptions(
        seed=arguments.seed,
        start_date=arguments.start_date,
        tz=arguments.tz,
        disk=arguments.disk or None,
        allow=arguments.allow,
        max_time=arguments.max_time,
        max_steps=arguments.max_steps,
        clock_tick=arguments.clock_tick,
    )
    try:
        world = world_of("simloop run", options)
        options.set_limits(world)
    except (UsageError, UnsupportedError) as error:
        raise _WrongCallError(str(error)) from None
    return world


def _named(error: BaseException | None) -> str | None:
    return None if error is None else message_of(error)


def _tell(ending: Ending, seed: int) -> None:
    """Write why the program ended, if it did not just return, and the closing line."""
    error = ending.error
    if ending.is_ours:
        say(str(_named(error)))
    elif error is not None and not ending.is_told:
        flush_stdout()
        print_error(error)
    say(
        f"{virtual(ending.time_ns)} virtual in {ending.real_s:.2f} s real,"
        f" {count(ending.steps)} steps, seed {seed}, digest {ending.digest}"
    )
