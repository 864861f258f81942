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
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from simloop._loop import SimLoop
from simloop.errors import DeadlockError, LimitError, UsageError
from simloop.world import World

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Coroutine

__all__ = ["Options", "TestRun"]

_T = TypeVar("_T")

_ENDING_STEPS = 100_000
"""How many steps a test that the world ended gets to clean up."""


@attrs.frozen(kw_only=True)
class Options:
    """How a test runs; the words are those of :func:`simloop.run`."""

    seed: int | str = 0
    debug: bool | None = None
    start_time: float = 0.0
    start_date: dt.datetime | float | None = None
    allow: tuple[str, ...] = ()
    strict: bool = False
    autojump: bool = True
    max_time: float | None = None
    max_steps: int | None = None
    livelock_steps: int | None = None

    @classmethod
    def of(cls, what: str, args: tuple[Any, ...], given: dict[str, Any]) -> Options:
        """Make options of what somebody wrote down.

        Raises:
            UsageError: It holds something else; the message names it, by ``what`` it was given to.
        """
        known = [field.name for field in attrs.fields(cls)]
        foreign = [repr(arg) for arg in args]
        foreign += [f"{name}={value!r}" for name, value in given.items() if name not in known]
        if foreign:
            raise UsageError(
                f"{what} got {', '.join(foreign)}; it takes {', '.join(known)} by name"
            )
        return cls(**given)


class TestRun:
    """A world and a loop for one test; used once."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.world = World(
            options.seed,
            start_time=options.start_time,
            start_date=options.start_date,
            allow=options.allow,
            strict=options.strict,
        )
        self.world.limit(
            max_time=options.max_time,
            max_steps=options.max_steps,
            livelock_steps=options.livelock_steps,
        )
        self._loop: SimLoop | None = None
        self._runner = asyncio.Runner(debug=options.debug, loop_factory=self.make_loop)

    def make_loop(self) -> SimLoop:
        """Make the loop, for a runner."""
        self._loop = _TestLoop(self)
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
            except (DeadlockError, LimitError) as error:
                raise error.with_traceback(_standing(main)) from None  # Without asyncio's frames.

    def let_clean_up(self) -> None:
        """Set limits, and the clock free, for what a test does after the world ended it."""
        self.world.limit(max_steps=self.world.steps + _ENDING_STEPS, livelock_steps=_ENDING_STEPS)
        self.world.kernel.autojump = True

    def close(self) -> None:
        """Cancel what is left, and close the loop."""
        with self.world.inside():
            self._runner.close()

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


class _TestLoop(SimLoop):
    """A loop that lets a test clean up after the world has ended it."""

    def __init__(self, life: TestRun) -> None:
        self._life = life
        super().__init__(world=life.world, autojump=life.options.autojump)

    def run_until_complete(self, future: Any) -> Any:
        """Run as any loop does; what the world ends is cancelled, so that it ends next."""
        __tracebackhide__ = True
        try:
            return super().run_until_complete(future)
        except (DeadlockError, LimitError) as error:
            self._life.let_clean_up()
            if not isinstance(future, asyncio.Task):
                raise
            future.cancel()
            # It was raised in the engine, and the test waits: show where.
            raise error.with_traceback(_standing(future.get_coro())) from None
