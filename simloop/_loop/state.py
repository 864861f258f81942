"""What every part of a loop shares: its world, its state, and the checks that asyncio makes.

Owns: the attributes of :class:`~simloop._loop.loop.SimLoop`. The other files of this folder each
add one part of asyncio's surface on top of :class:`LoopState`; what they keep beside has a default
in their class, and no constructor.
"""

from __future__ import annotations

import asyncio
import threading
from asyncio import coroutines
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .world_interface import new_world

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from simloop._kernel import Handle, TimerHandle

    from .world_interface import WorldPort

__all__ = ["LoopState"]

_hash_of = attrgetter("__hash__")


class LoopState(asyncio.AbstractEventLoop):
    """The state of one loop in one world."""

    def __init__(
        self,
        *,
        seed: int | str | None = None,
        start_time: float | None = None,
        autojump: bool = True,
        world: WorldPort | None = None,
    ) -> None:
        if world is None or seed is not None or start_time is not None:
            world = new_world(seed=seed, start_time=start_time, world=world)
        self._world = world
        self._kernel = kernel = world.kernel
        self._wheel = kernel.wheel
        self._ready: deque[Handle | TimerHandle] = kernel.ready
        self._closed = False
        self._stopping = False
        self._thread_id: int | None = None
        self._debug = False
        self.slow_callback_duration: float = 0.1
        # Here, because a chain of constructors would cost as much as the rest of a loop. How many
        # tasks got names, the user's factory of tasks or one of ours, and what gives the hash of
        # the next task or future that is asked for one.
        self._task_count = 0
        self._task_factory: Callable[..., Any] | None = None
        self._next_hash: Callable[[], Any] = map(_hash_of, count(1)).__next__
        # By descriptor, and by signal.
        self._transports: dict[int, Any] = {}
        self._signal_handlers: dict[int, Handle] = {}
        kernel.attach()
        world.attach(self)
        if not autojump:
            kernel.autojump = False
        if coroutines._is_debug_mode():  # type: ignore[attr-defined]  # asyncio's own default
            self.set_debug(True)

    def _take_queue(self) -> None:
        """Take the kernel's ready queue, which may be another one than before."""
        self._ready = self._kernel.ready

    @property
    def world(self) -> Any:
        """The world that the loop lives in, a :class:`simloop.World`."""
        return self._world

    def get_debug(self) -> bool:
        """Tell whether debug mode is on."""
        return self._debug

    def is_running(self) -> bool:
        """Tell whether the loop runs, here or in another thread."""
        return self._thread_id is not None

    def is_closed(self) -> bool:
        """Tell whether the loop was closed."""
        return self._closed

    def _check_closed(self) -> None:
        if self._closed:
            raise RuntimeError("Event loop is closed")

    def _check_running(self) -> None:
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("Cannot run the event loop while another loop is running")

    def _check_thread(self) -> None:
        """Refuse a call from another thread; made in debug mode only, as asyncio does."""
        if self._thread_id is not None and self._thread_id != threading.get_ident():
            raise RuntimeError(
                "Non-thread-safe operation invoked on an event loop other than the current one;"
                " use loop.call_soon_threadsafe() from other threads"
            )

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} running={self.is_running()} closed={self._closed}"
            f" debug={self._debug} time={self.time()}>"
        )
