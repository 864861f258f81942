"""The end of a program: what Python does when the last line has run, or has raised.

Owns: being the program's process, from its first line to its last, and coming to its end. As
CPython does it (Modules/main.c, Python/pylifecycle.c, Lib/threading.py): an error is told first;
then the threads are waited for that are no daemons; then the functions for the end are called. All
of that is a part of the run, in virtual time. Daemons stand still where they are.

Must not know: where the program came from, and what its exit status is.

Invariant: a program that the world has ended does nothing more.
"""

from __future__ import annotations

import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simloop._kernel import seconds
from simloop._loop.host_loop import halt
from simloop._sandbox import Remains
from simloop._sandbox.process.exit_functions import ExitFunctions, end_threads
from simloop._threads.thread_scheduler import NoLoop
from simloop.cli._format import flush_stdout
from simloop.errors import DeadlockError, SimError
from simloop.world.running import call_exit_functions

from .own_frames import print_error, with_own_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simloop.world import World

__all__ = ["come_to_end", "end_threads_left", "its_process", "tell"]


@contextmanager
def its_process(world: World) -> Iterator[None]:
    """Let the first process of a world be a program's: threads and machines outlive its loops.

    The hooks for errors are its own meanwhile.
    """
    process, hooks = world.process, (sys.excepthook, sys.unraisablehook, threading.excepthook)
    process.calls_exit_functions = True
    process.exit_functions = ExitFunctions(finalizes=True, is_whole=True)
    process.events = NoLoop(world.kernel, world.threads.bridge)
    try:
        yield
    finally:
        world.program_has_ended()
        world.end_hosts()
        world.threads.turns = None
        process.events = None
        process.calls_exit_functions, process.exit_functions = False, None
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


def tell(world: World, error: BaseException, usual_hook: object) -> None:
    """Tell what a program has ended by: to its own hook, if it has set one, or by us.

    Args:
        world: The world.
        error: What the program has raised.
        usual_hook: ``sys.excepthook`` as it was before the program.
    """
    if isinstance(error, SystemExit) or sys.excepthook is usual_hook:
        with world.threads.for_real():  # Files of the program's lines are read there.
            flush_stdout()
            print_error(error)
        return
    with_own_frames(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except Exception as of_hook:  # noqa: BLE001 - as PyErr_PrintEx of Python/pythonrun.c
        of_hook.__traceback__ = of_hook.__traceback__ and of_hook.__traceback__.tb_next
        of_hook.__context__ = None
        sys.stderr.write("Error in sys.excepthook:\n")
        traceback.print_exception(of_hook)
        sys.stderr.write("\nOriginal exception was:\n")
        traceback.print_exception(error)


def come_to_end(world: World) -> None:
    """Wait for the threads that are left, and call the functions for the end.

    Raises:
        SimError: The world has ended that, and so the run.
    """
    process, threads = world.process, world.threads
    try:
        end_threads(threads, process)
    except DeadlockError:
        raise threads.deadlock(
            f"the program has ended at {seconds(world.time_ns)} s of virtual time, and waits, as"
            " Python does, for its threads that are no daemons; none of those that are left can"
            f" ever end{threads.describe_threads()}\n"
            "Let each thread end before the program does, or make it a daemon"
        ) from None
    error = call_exit_functions(world, None) or world.error_of_hosts
    if error is not None:
        raise error


def end_threads_left(world: World, error: BaseException | None) -> None:
    """Let nothing outlive the program: threads, and loops that they run for ever.

    Daemons stand still for good where they are, as in Python. What the world has ended may clean
    up, threads as well as tasks.

    Args:
        world: The world.
        error: What the program has ended by.
    """
    threads = world.threads
    if not threads.sim_threads:
        return
    with world.inside():
        if isinstance(error, SimError):
            threads.end_all()
            for loop in [*world.loops]:
                loop.close()
            return
        remains = Remains([world, world.kernel, world.sandbox, threads, world.process])
        for loop in [*world.loops]:
            remains.keep(*halt(loop))
        remains.keep(*threads.freeze(world.process))
        threads.end_frozen()
        threads.end_watches()  # They may hold a frame, and what it holds.
        remains.let_go()
