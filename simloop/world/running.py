"""Running a program in a world: ``run`` and ``simulate``.

Owns: the life of one run. Make a loop, run the program as ``asyncio.run`` would, end what is left,
and tell how it went. What is told: ``run`` gives the program's own result or error, ``simulate``
an :class:`Outcome` whatever happens.
"""

from __future__ import annotations

import asyncio
import functools
import warnings
from asyncio import CancelledError, runners
from contextlib import suppress
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from simloop._loop import SimLoop
from simloop._sandbox import has_tasks, leave_interrupts, take_interrupts
from simloop.errors import SimError, UsageError

from .world import World

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    from simloop.trace import Digest, Recorder

    from .outcome import Outcome

__all__ = ["outcome_in", "run", "simulate"]

_T = TypeVar("_T")

_ENDING_STEPS = 100_000
"""How many steps the tasks of a failed run get to clean up after themselves."""


def run(
    main: Coroutine[Any, Any, _T],
    *,
    seed: int | str = 0,
    debug: bool | None = None,
    start_time: float = 0.0,
    start_date: dt.datetime | float | None = None,
    allow: tuple[str, ...] = (),
    strict: bool = False,
    autojump: bool = True,
    max_time: float | None = None,
    max_steps: int | None = None,
    livelock_steps: int | None = None,
    realtime: float | None = None,
    world: World | None = None,
) -> _T:
    """Run a coroutine in virtual time and return its result, like ``asyncio.run``.

    Args:
        main: The coroutine to run.
        seed: Where all randomness of the world comes from.
        debug: asyncio's debug mode; None leaves the default.
        start_time: What the clock shows at first, in seconds.
        start_date: The wall clock's time when the clock is at 0; see :class:`World`.
        allow: What of the real world the program may reach; see :func:`allow`.
        strict: Also refuse writing files and starting threads.
        autojump: Jump to the next deadline when nothing is ready; see :class:`SimLoop`.
        max_time: The virtual time, in seconds, past which the clock may not go.
        max_steps: How many callbacks may run.
        livelock_steps: How many may run while the clock stands still; a million if None.
        realtime: Virtual seconds per real second, for people who watch: 1.0 keeps pace with the
            wall, 10 is ten times as fast; None for as fast as it goes.
        world: The world to run in; seed, start, ``allow`` and ``strict`` are its own then.

    Raises:
        DeadlockError: The program waits for something that can never happen.
        LimitError: The program passed a limit, or spins while the clock stands still.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     await asyncio.sleep(86_400)
        ...     return asyncio.get_running_loop().time()
        >>> simloop.run(main())
        86400.0
    """
    if world is None:
        world = World(
            seed, start_time=start_time, start_date=start_date, allow=allow, strict=strict
        )
    if realtime is not None:
        world.pace(realtime)
    world.limit(max_time=max_time, max_steps=max_steps, livelock_steps=livelock_steps)
    factory = functools.partial(SimLoop, world=world, autojump=autojump)
    with world.inside():
        runner = _Runner(debug=debug, loop_factory=factory)
        try:
            result: _T = runner.run(main)
        except SimError:
            _end_failed(world, runner)
            raise
        finally:
            runner.close()
    return result


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
        handler = functools.partial(self._on_sigint, main_task=task)
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
        if loop is None or not loop._leaves_nothing() or has_tasks(loop):
            super().close()
            return
        loop.close()
        self._loop = None
        self._state = runners._State.CLOSED  # type: ignore[attr-defined]


def _end_failed(world: World, runner: asyncio.Runner) -> None:
    """Let the tasks clean up, with limits that let them; the first error is what is told."""
    world.limit(max_steps=world.steps + _ENDING_STEPS, livelock_steps=_ENDING_STEPS)
    world.kernel.autojump = True
    with suppress(Exception), warnings.catch_warnings():
        # A job that can never end is a part of the error that is told already.
        warnings.filterwarnings("ignore", "The executor did not finish", RuntimeWarning)
        runner.close()


def simulate(
    main: Callable[[], Coroutine[Any, Any, _T]],
    *,
    seed: int | str = 0,
    start_time: float = 0.0,
    start_date: dt.datetime | float | None = None,
    allow: tuple[str, ...] = (),
    strict: bool = False,
    recorder: Recorder | None = None,
    **options: Any,
) -> Outcome[_T]:
    """Run a coroutine function and tell how it went; the program's error is told, not raised.

    Args:
        main: A coroutine function that takes no arguments.
        seed: Where all randomness of the world comes from.
        start_time: What the clock shows at first, in seconds.
        start_date: The wall clock's time when the clock is at 0; see :class:`World`.
        allow: What of the real world the program may reach; see :func:`allow`.
        strict: Also refuse writing files and starting threads.
        recorder: Whoever keeps every step, if somebody should.
        **options: What :func:`run` takes beside.

    Raises:
        KeyboardInterrupt: The user interrupted.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     await asyncio.sleep(0.1)
        ...     raise LookupError("gone")
        >>> outcome = simloop.simulate(main, seed=7)
        >>> outcome.error, outcome.time, outcome.seed
        (LookupError('gone'), 0.1, 7)
    """
    if not callable(main):
        raise UsageError(
            f"simulate() takes a coroutine function, which it calls itself, not {main!r}"
        )
    world = World(seed, start_time=start_time, start_date=start_date, allow=allow, strict=strict)
    return outcome_in(world, main, recorder, **options)


def outcome_in(
    world: World,
    main: Callable[[], Coroutine[Any, Any, _T]],
    recorder: Recorder | None = None,
    **options: Any,
) -> Outcome[_T]:
    """Do what :func:`simulate` does, in a world that was made for it."""
    new_digest, new_outcome = _kinds()
    digest = new_digest()
    watchers = (digest,) if recorder is None else (digest, recorder)
    value, error = None, None
    for watcher in watchers:
        world.watch(watcher)
    try:
        value = run(main(), world=world, **options)
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
