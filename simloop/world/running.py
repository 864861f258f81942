"""Running a program in a world: ``run`` and ``simulate``.

Owns: the life of one run. Make a loop, run the program as ``asyncio.run`` would, end what is left,
and report how it went: ``run`` by the program's own result or error, ``simulate`` by an
:class:`Outcome` whatever happens. A world that was given has its own limits back afterwards.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import warnings
from asyncio import CancelledError, runners
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from simloop._sandbox import (
    Deferring,
    Disturbed,
    begins_run,
    has_tasks,
    leave_interrupts,
    take_interrupts,
)
from simloop._sandbox.process.exit_functions import ExitFunctions
from simloop._threads.step_watch import watched_steps
from simloop.errors import SimError, UsageError

from .current import world_of_script
from .failed_run import keeping_limits, let_clean_up, limiting_the_end
from .run_options import RunOptions, refuse_unknown
from .world import world_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Iterator
    from contextvars import Context
    from types import FrameType, TracebackType
    from typing import Never

    from simloop.trace import Digest, Recorder

    from .outcome import Outcome
    from .world import World

__all__ = ["call_exit_functions", "outcome_of", "refuse_running_loop", "run", "run_in", "simulate"]

_T = TypeVar("_T")

_UNWATCHED: AbstractContextManager[None] = nullcontext()


def run(
    main: Coroutine[Any, Any, _T],
    *,
    seed: int | str | None = None,
    debug: bool | None = None,
    start_time: float | None = None,
    start_date: dt.datetime | float | None = None,
    tz: str | None = None,
    allow: tuple[str, ...] | None = None,
    strict: bool | None = None,
    disk: bool | None = None,
    autojump: bool = True,
    max_time: float | None = None,
    max_steps: int | None = None,
    livelock_steps: int | None = None,
    clock_reads: int | None = None,
    clock_tick: float | None = None,
    real_step_limit: float | None = None,
    realtime: float | None = None,
    world: World | None = None,
    **unknown: Never,
) -> _T:
    """Run a coroutine in virtual time and return its result, like ``asyncio.run``.

    Args:
        main: The coroutine to run.
        seed: Where all randomness of the world comes from; 0 if None.
        debug: asyncio's debug mode; None leaves the default.
        start_time: What the clock shows at first, in seconds; 0.0 if None.
        start_date: The wall clock's time when the clock is at 0; see :class:`World`.
        tz: The time zone of the program, ``"Europe/Berlin"`` say; UTC if None, on every machine.
        allow: What of the real world the program may reach, nothing if None; see :func:`allow`.
        strict: Also refuse writing files and starting threads; no if None.
        disk: Keep what the program writes to files in the world, over the real ones; no if None.
        autojump: Jump to the next deadline when nothing is ready; see :class:`SimLoop`.
        max_time: The virtual time, in seconds, past which the clock may not go.
        max_steps: How many callbacks may run, counted from the world's first.
        livelock_steps: How many may run while the clock stands still; a million if None.
        clock_reads: How often a step may read a clock before that moves it; 10,000 if None.
        clock_tick: How many seconds each reading of a clock takes, 1e-6 say; 0 if None.
        real_step_limit: For how many real seconds one step may compute; for ever if None.
        realtime: Virtual seconds per real second, for people who watch; None: as fast as it goes.
        world: The world to run in, in place of a new one; its own are the seed, the start,
            ``allow``, ``strict`` and ``disk`` then, and its limits, which it has back afterwards.
        **unknown: Nothing; what is not named above is refused.

    Raises:
        DeadlockError: The program waits for something that can never happen.
        LimitError: The program passed a limit, or spins while the clock stands still.
        UsageError: An option is not known, means nothing or is the world's; or a loop runs already.

    Example:
        >>> import asyncio, simloop
        >>> simloop.run(asyncio.sleep(86_400, "a day later"))
        'a day later'
    """
    options = RunOptions(
        seed, start_time, start_date, tz, allow, strict, disk, debug, autojump, max_time,
        max_steps, livelock_steps, clock_reads, clock_tick, real_step_limit, realtime, world,
    )  # fmt: skip
    try:
        if unknown:
            refuse_unknown("run()", unknown, RunOptions._fields)
        options = _in_script(sys._getframe(1), options)
        with _in_world("run()", options) as inner:
            return run_in(inner, main, options)
    except UsageError:
        if isinstance(main, CoroutineType):
            main.close()  # The error says it all: no warning that it was never awaited as well.
        raise


def _in_script(caller: FrameType, options: RunOptions) -> RunOptions:
    """Place a run in the world of the script that begins it, unless it is to have its own."""
    world = world_of_script(caller)
    if world is None or options.world is not None or options.of_world():
        return options
    return options._replace(world=world)


_WAY_OUT = (
    "await the coroutine in it, or give it a thread:"
    " await asyncio.to_thread(lambda: simloop.run(main()))"
)


def refuse_running_loop(call: str, way_out: str = _WAY_OUT) -> None:
    """Refuse a call that would run a loop where one runs already.

    Args:
        call: What was called.
        way_out: What to do instead.

    Raises:
        UsageError: It does.
    """
    if asyncio._get_running_loop() is not None:
        raise UsageError(
            f"{call} cannot be called from a running event loop, which a notebook has, too:"
            f" {way_out}"
        )


def _in_world(call: str, options: RunOptions) -> AbstractContextManager[World]:
    """Return a context with the world of a run, in which the run's limits hold.

    Raises:
        UsageError: An event loop runs in this thread already, as it does in a notebook.
    """
    refuse_running_loop(call)
    world = world_of(call, options)
    if options.world is not None:
        return _in_given_world(world, options)
    options.set_limits(world)
    return nullcontext(world)  # It goes with the run, so its limits need no restoring.


@contextmanager
def _in_given_world(world: World, options: RunOptions) -> Iterator[World]:
    with keeping_limits(world):
        options.set_limits(world)
        yield world


@begins_run
def run_in(
    world: World,
    main: Coroutine[Any, Any, _T],
    options: RunOptions,
    *,
    on_done: Callable[[Any], object] | None = None,
) -> _T:
    """Run a coroutine in a world and end what is left of it.

    Args:
        world: The world, whose limits are set.
        main: The coroutine.
        options: Of the run.
        on_done: Called with the loop when the coroutine has returned, before tasks that are left
            are cancelled.
    """
    factory = functools.partial(world.loop_class, world=world, autojump=options.autojump)
    watch = _UNWATCHED
    if options.real_step_limit is not None:
        watch = watched_steps(world.threads, options.real_step_limit)
    process = world.process
    is_its_end, process.calls_exit_functions = not process.calls_exit_functions, True
    if is_its_end and options.world is None and options.disk:
        # The disk goes with the run: what is finalized later would find the real files.
        process.exit_functions = ExitFunctions(finalizes=True)
    error: BaseException | None = None
    try:
        with world.inside(), watch:
            runner = _Runner(debug=options.debug, loop_factory=factory)
            try:
                result: _T = _run_to_end(world, runner, main, on_done)
            except BaseException as caught:
                if not is_its_end or process.exit_functions is None:
                    raise
                error = caught
            # With no error in hand: what they raise has nothing to do with how the program ended.
            if is_its_end and process.exit_functions is not None:
                error = call_exit_functions(world, error)
            if error is not None:
                raise error.with_traceback(_beyond(error.__traceback__))
    finally:
        error = None  # It holds this frame.
        if is_its_end:  # Else they are the script's that began the run.
            process.calls_exit_functions = False
    return result


def _run_to_end(
    world: World,
    runner: _Runner,
    main: Coroutine[Any, Any, _T],
    on_done: Callable[[Any], object] | None,
) -> _T:
    """Run a coroutine and what it leaves behind; see :func:`run_in`."""
    try:
        result: _T = runner.run(main)
        if world.has_hosts and world.process.events is None:  # Else a script has begun the run.
            world.program_has_ended()
        if world.properties is not None:
            world.properties.finish()
        if on_done is not None:
            on_done(runner.get_loop())
    except SimError:
        world.process.exit_functions = None
        _end_failed(world, runner)
        raise
    finally:
        if world.properties is not None:
            world.properties.stop()
        runner.close()
    return result


def call_exit_functions(world: World, error: BaseException | None) -> BaseException | None:
    """Call what the program of a run has registered for its end; return what the run ends by.

    Args:
        world: The world, which may end one of them: that is the run's end then.
        error: What the program has raised, if anything.
    """
    try:
        world.process.call_exit_functions()
        if world.properties is not None:
            world.properties.finish()
    except SimError as ours:
        ours.__context__ = error
        return ours
    finally:
        if world.properties is not None:
            world.properties.stop()
    return error


def _beyond(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without its first frame, which raises the error again."""
    return None if traceback is None else traceback.tb_next


class _Runner(asyncio.Runner):  # type: ignore[misc]  # final for typeshed only
    """The runner of asyncio, less what would be most of a small run's cost.

    That is, the search for handlers of signals by enum, and the steps that end tasks, generators
    and threads if none is left.
    """

    _loop: Any
    _state: Any
    _context: Context
    _interrupt_count: int
    _lazy_init: Any
    _on_sigint: Any

    def run(self, coro: Any, *, context: Context | None = None) -> Any:
        if type(coro) is not CoroutineType or asyncio._get_running_loop() is not None:
            return super().run(coro, context=context)  # Says what is wrong with it, if anything.
        self._lazy_init()
        task = self._loop.create_task(coro, context=self._context if context is None else context)
        on_sigint = functools.partial(self._on_sigint, main_task=task)
        handler = Deferring(on_sigint, self._loop._kernel.limits)
        is_taken = take_interrupts(handler)
        self._interrupt_count = 0
        try:
            return self._loop.run_until_complete(task)
        except CancelledError:
            if self._interrupt_count and task.uncancel() == 0:
                raise KeyboardInterrupt from None
            raise
        finally:
            if is_taken:
                leave_interrupts(handler)

    def close(self) -> None:
        loop = self._loop
        if loop is None:
            super().close()
            return
        if not loop._leaves_nothing() or has_tasks(loop):
            with limiting_the_end(loop):
                super().close()
            return
        loop.close()
        self._loop = None
        self._state = runners._State.CLOSED  # type: ignore[attr-defined]


def _end_failed(world: World, runner: asyncio.Runner) -> None:
    """End a run that the world ended; its first error is what is told."""
    let_clean_up(world)
    with suppress(Exception), warnings.catch_warnings():
        # A job that can never end is a part of the error that is told already.
        warnings.filterwarnings("ignore", "The executor did not finish", RuntimeWarning)
        runner.close()


def simulate(
    main: Callable[[], Coroutine[Any, Any, _T]],
    *,
    seed: int | str | None = None,
    debug: bool | None = None,
    start_time: float | None = None,
    start_date: dt.datetime | float | None = None,
    tz: str | None = None,
    allow: tuple[str, ...] | None = None,
    strict: bool | None = None,
    disk: bool | None = None,
    autojump: bool = True,
    max_time: float | None = None,
    max_steps: int | None = None,
    livelock_steps: int | None = None,
    clock_reads: int | None = None,
    clock_tick: float | None = None,
    real_step_limit: float | None = None,
    realtime: float | None = None,
    world: World | None = None,
    recorder: Recorder | None = None,
    **unknown: Never,
) -> Outcome[_T]:
    """Run a coroutine function and return how it went; the program's error is told, not raised.

    Args:
        main: A coroutine function that takes no arguments.
        seed: As for :func:`run`, like the options that follow.
        debug: The same.
        start_time: The same.
        start_date: The same.
        tz: The same.
        allow: The same.
        strict: The same.
        disk: The same.
        autojump: The same.
        max_time: The same.
        max_steps: The same.
        livelock_steps: The same.
        clock_reads: The same.
        clock_tick: The same.
        real_step_limit: The same.
        realtime: The same.
        world: The same; the outcome's steps and time are counted from the world's first then.
        recorder: Keeps every step, if given.
        **unknown: Nothing; what is not named above is refused.

    Raises:
        KeyboardInterrupt: The user interrupted.
        UsageError: As for :func:`run`.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     await asyncio.sleep(0.1)
        ...     raise LookupError("gone")
        >>> outcome = simloop.simulate(main, seed=7)
        >>> outcome.error, outcome.time, outcome.seed
        (LookupError('gone'), 0.1, 7)
    """
    if unknown:
        refuse_unknown("simulate()", unknown, [*RunOptions._fields, "recorder"])
    options = RunOptions(
        seed, start_time, start_date, tz, allow, strict, disk, debug, autojump, max_time,
        max_steps, livelock_steps, clock_reads, clock_tick, real_step_limit, realtime, world,
    )  # fmt: skip
    return outcome_of("simulate()", main, options, recorder)


def outcome_of(
    call: str,
    main: Callable[[], Coroutine[Any, Any, _T]],
    options: RunOptions,
    recorder: Recorder | None = None,
    *,
    is_silent: bool = False,
) -> Outcome[_T]:
    """Do what :func:`simulate` does, by options; what a silent run prints is not shown."""
    if not callable(main):
        raise UsageError(f"{call} takes a coroutine function, which it calls itself, not {main!r}")
    with _in_world(call, options) as world:
        return _watched(world, main, options, recorder, is_silent=is_silent)


def _watched(
    world: World,
    main: Callable[[], Coroutine[Any, Any, _T]],
    options: RunOptions,
    recorder: Recorder | None,
    *,
    is_silent: bool,
) -> Outcome[_T]:
    new_digest, new_outcome = _kinds()
    digest = new_digest()
    watchers = (digest,) if recorder is None else (digest, recorder)
    value, error = None, None
    for watcher in watchers:
        world.watch(watcher, is_silent=is_silent)
    try:
        with Disturbed(world.kernel.limits):
            try:
                value = run_in(world, main(), options)
            except KeyboardInterrupt:
                raise
            except BaseException as caught:  # noqa: BLE001 - whatever ended the program is its outcome
                error = caught
    finally:
        for watcher in watchers:
            world.unwatch(watcher)
    digest.ended(value, error)
    return new_outcome(
        value=value,
        error=error,
        seed=world.seed,
        digest=digest.hexdigest(),
        steps=world.steps,
        time_ns=world.time_ns,
    )


@functools.cache
def _kinds() -> tuple[type[Digest], type[Outcome[Any]]]:
    """Import, once, what only these runs want: others pay for no hashing and no attrs."""
    from simloop.trace import Digest  # noqa: PLC0415 - as above

    from .outcome import Outcome  # noqa: PLC0415 - as above

    return Digest, Outcome
