"""The life of one test: its options, its world, its loop, and its end.

Owns: keeping a loop from the first async fixture to the end of the last one, however the test
ends. A framework's own file says when things begin and end.

Invariants:

- Everything that a life runs happens inside its world, on one loop, in one context.
- A test that the world ends (a deadlock, a limit) can still clean up after itself.
"""

from __future__ import annotations

import asyncio
import types
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from simloop._threads.step_watch import watched_steps
from simloop.errors import DeadlockError, LimitError, PropertyError
from simloop.world.failed_run import CleanUpLoop, limiting_the_end
from simloop.world.run_options import RunOptions
from simloop.world.world import world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from simloop._loop import SimLoop
    from simloop.exploration.properties.tallies import Tally
    from simloop.trace import EventFile

__all__ = ["TestRun", "options_of"]

_T = TypeVar("_T")

STEP_LIMIT_S = 30.0
"""For how many real seconds one step of a test may compute."""

_FOREIGN = {"world": "each test has a world of its own, made by the options of a world"}
"""Options of :func:`simloop.run` that mean nothing to a test."""


def options_of(
    call: str, given: Mapping[str, Any], *args: Any, further: Iterable[str] = ()
) -> RunOptions:
    """Make the options of a test of what was written down.

    Args:
        call: What it was given to.
        given: Names and values of a run.
        *args: What was given without a name.
        further: What else may be given, and was read already.

    Raises:
        UsageError: It holds something else; the message names it, and ``call``, which got it.
    """
    return RunOptions.of(call, given, foreign=_FOREIGN, further=further, args=args)


class TestRun:
    """A world and a loop for one test; used once."""

    def __init__(self, options: RunOptions) -> None:
        self._autojump = options.autojump
        given = options.real_step_limit
        self._step_limit_s: float = STEP_LIMIT_S if given is None else given
        self.world = world_of("a test", options)
        options.set_limits(self.world)
        self._loop: SimLoop | None = None
        self.error: BaseException | None = None
        """The first error that ended something of the test."""
        self._ending = ExitStack()
        self._runner = asyncio.Runner(debug=options.debug, loop_factory=self.make_loop)

    def trace(
        self,
        tracing: AbstractContextManager[EventFile],
        tell: Callable[[EventFile, BaseException | None], None],
    ) -> None:
        """Trace the test up to its end.

        Args:
            tracing: Writes a trace while it is entered.
            tell: Called at the end with the file, and the test's error.
        """
        file = self._ending.enter_context(tracing)
        self._ending.callback(lambda: tell(file, self.error))

    def make_loop(self) -> SimLoop:
        """Make the loop, for a runner."""
        self._loop = loop = _TestLoop(world=self.world, autojump=self._autojump)
        loop.step_limit_s = self._step_limit_s
        return self._loop

    @property
    def loop(self) -> Any:
        """The loop, made when it is first asked for."""
        return self._loop or self._runner.get_loop()

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the loop to its end; what it sets in its context stays set."""
        __tracebackhide__ = True
        with self.world.inside():
            try:
                return self._runner.run(main)
            except BaseException as error:
                self.error = self.error or error
                if not isinstance(error, DeadlockError | LimitError):
                    raise
                if (standing := _standing(main)) is None:
                    raise  # It was raised in the program.
                raise error.with_traceback(standing) from None  # Without asyncio's frames.

    def finish(self) -> None:
        """End the test's properties: what was to be true at last must be now.

        Raises:
            PropertyError: One of them does not hold.
        """
        __tracebackhide__ = True
        if self.world.properties is not None:
            with self.world.inside():
                try:
                    self.world.properties.finish()
                except PropertyError as error:
                    self.error = error
                    raise

    def tallies(self) -> dict[str, Tally]:
        """Return what became of the test's properties, by name."""
        properties = self.world.properties
        return {} if properties is None else dict(properties.tallies())

    def close(self) -> None:
        """Cancel what is left, and close the loop; end the trace, if there is one."""
        with self._ending, self.world.inside():
            if self.world.properties is not None:
                self.world.properties.stop()
            loop = self._loop
            is_over = loop is None or loop.is_closed()
            with nullcontext() if is_over or loop is None else limiting_the_end(loop):
                self._runner.close()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End the trace after a block, in which the loop is closed by others."""
        with self._ending:
            yield

    def __str__(self) -> str:
        steps = "1 step" if self.world.steps == 1 else f"{self.world.steps} steps"
        time = self.world.time_ns / 1e9
        return f"seed {self.world.seed!r}, virtual time {time!r} s, {steps}"


def _standing(main: Any) -> types.TracebackType | None:
    """Return a traceback of the frames in which a coroutine is suspended."""
    frames: list[types.FrameType] = []
    awaited: Any = main
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        frames.append(frame)
        awaited = awaited.cr_await
    trace = None
    for frame in reversed(frames):
        trace = types.TracebackType(trace, frame, frame.f_lasti, frame.f_lineno)
    return trace


class _TestLoop(CleanUpLoop):
    """A loop on which a test's tear-down can go on after the world has ended the test."""

    step_limit_s: float = STEP_LIMIT_S

    def run_until_complete(self, future: Any) -> Any:
        """Run as any loop does; what the world ends is cancelled, so that it ends next."""
        __tracebackhide__ = True
        try:
            with watched_steps(self.world.threads, self.step_limit_s):
                return super().run_until_complete(future)
        except (DeadlockError, LimitError, PropertyError) as error:
            if not isinstance(future, asyncio.Task) or future.done():
                raise
            future.cancel()
            # It was raised in the engine, and the test waits: show where.
            raise error.with_traceback(_standing(future.get_coro())) from error.__cause__
