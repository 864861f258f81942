"""Running, stopping and closing a loop, and what must be tidied up between.

Owns: ``run_forever`` and its relatives, the running-loop marks that asyncio keeps per thread, and
asynchronous generators (which a loop closes at its end). Running a loop enters its world, so that
the real world's names mean that world until the run ends, however it ends.

The rules are those of CPython 3.14, Lib/asyncio/base_events.py: ``run_until_complete`` with
``_run_until_complete_cb``, ``_asyncgen_firstiter_hook``, ``_asyncgen_finalizer_hook``,
``shutdown_asyncgens``.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
import weakref
from asyncio import base_events, futures, tasks
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from simloop._loop.state import LoopState
from simloop._sandbox import shield, unshield

from .callbacks import ClosedQueue
from .generator_hooks import take_generator_hooks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Generator

__all__ = ["Lifecycle"]

_T = TypeVar("_T")

_ORIGINS = 10
"""Frames that a coroutine remembers in debug mode (CPython: ``constants.DEBUG_STACK_DEPTH``)."""


class _Outer:
    """What asyncio and the interpreter keep per thread, as it was before a loop ran in it.

    Also the name of the library by which code for several of them (sniffio's users: anyio, httpx)
    knows what runs: a host like trio has put its own there.
    """

    __slots__ = ("_hooks", "_library", "_loop", "_task")

    def __init__(self) -> None:
        self._loop = asyncio._get_running_loop()
        self._hooks = sys.get_asyncgen_hooks()
        self._task: asyncio.Task[Any] | None = None
        if self._loop is not None and sys.version_info >= (3, 14):
            # From 3.14 on the current task is one per thread, not one per loop.
            self._task = tasks._swap_current_task(self._loop, None)  # type: ignore[attr-defined]
        sniffio: Any = sys.modules.get("sniffio")
        self._library: str | None = sniffio and sniffio.thread_local.name
        if self._library is not None:
            sniffio.thread_local.name = "asyncio"

    def restore(self) -> None:
        """Put everything back."""
        sys.set_asyncgen_hooks(*self._hooks)
        asyncio._set_running_loop(self._loop)
        if self._task is not None:
            tasks._swap_current_task(self._loop, self._task)  # type: ignore[attr-defined]
        if self._library is not None:
            sys.modules["sniffio"].thread_local.name = self._library


class Lifecycle(LoopState):
    """The part of a loop that runs, stops and closes."""

    # By number, not in a WeakSet: they are closed in the order in which they began. None until the
    # first does: most loops see none.
    _asyncgens: weakref.WeakValueDictionary[int, AsyncGenerator[Any, Any]] | None = None
    _asyncgens_begun = 0
    _broken_off: asyncio.Future[Any] | None = None
    _asyncgens_shutdown_called = False
    _origin_tracking_depth: int | None = None

    # Running -------------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run until :meth:`stop` is called.

        Raises:
            DeadlockError: Nothing is ready and no deadline is left.
            LimitError: The run passed a limit.
        """
        self._check_closed()
        self._check_running()
        limits = self._kernel.limits
        shields = shield(limits)
        try:
            with self._world.inside():
                previous = self._begin()
                try:
                    self._kernel.run(self)
                finally:
                    self._end(previous)
        finally:
            if shields:
                unshield(shields)
            limits.make_deferred()

    def _begin(self) -> _Outer:
        """Become the loop that runs in this thread; return what was there before."""
        outer = _Outer()
        self._world.origins_outside = sys.get_coroutine_origin_tracking_depth()
        if self._debug:
            self._track_origins(enabled=True)
        self._thread_id = self._world.real_ident()
        self._kernel.is_running, self._kernel.current = True, self
        self._world.step_into(self._process, self)
        take_generator_hooks(self)
        return outer

    def _end(self, outer: _Outer) -> None:
        self._thread_id = None
        self._world.has_lone_hooks = False
        self._kernel.is_running = self._stopping = False
        if self._kernel.current is not self:
            self._world.step_into(self._process, self)  # A step of another process was the last.
        self._kernel.current = None
        if self._origin_tracking_depth is not None:
            self._track_origins(enabled=False)
        outer.restore()

    def _step_into(self) -> None:
        """Become the running loop, because the next callback of this kernel is ours."""
        world = self._world
        world.step_into(self._process, self)
        sys.set_coroutine_origin_tracking_depth(_ORIGINS if self._debug else world.origins_outside)

    def _takes_exit(self, error: BaseException) -> bool:
        """Return False: a SystemExit of the program of a run is the run's end."""
        del error
        return False

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        """Run until the future, or the coroutine as a task, is done, and return its result.

        Raises:
            RuntimeError: The loop was stopped before.
            DeadlockError: The future can never be done.
        """
        self._check_closed()
        self._check_running()
        is_new = not futures.isfuture(future)
        task: Any = future
        if type(task) is not asyncio.Task or task.get_loop() is not self:  # Not the runner's.
            task = tasks.ensure_future(future, loop=self)  # type: ignore[arg-type]  # typeshed's union
        if is_new:
            task._log_destroy_pending = False  # The error says it.
        if self._broken_off is task:
            self._broken_off = None
        task.add_done_callback(_stop_when_done)
        try:
            self.run_forever()
        except BaseException:
            self._broken_off = task
            if is_new and task.done() and not task.cancelled():
                task.exception()  # Seen: what is raised here tells more.
            raise
        finally:
            task.remove_done_callback(_stop_when_done)
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        result: _T = task.result()
        return result

    def stop(self) -> None:
        """End the run after the callbacks of this turn."""
        self._stopping = True

    def close(self) -> None:
        """Drop everything that is scheduled, and refuse what comes later."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self._closed:
            return
        self._closed = True
        if self._debug:
            self._kernel.measure(enabled=False)
        self._ready = ClosedQueue()
        self._kernel.drop(self)
        self._world.detach(self)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            warnings.warn(
                f"unclosed event loop {self!r}", ResourceWarning, source=self, stacklevel=1
            )
            if not self.is_running():
                with suppress(
                    ReferenceError
                ):  # The collector has taken parts of the world already.
                    self.close()

    # Debug mode ----------------------------------------------------------------------------

    def set_debug(self, enabled: bool) -> None:  # noqa: FBT001 - asyncio's signature
        """Turn debug mode on or off; see asyncio's documentation for what it adds."""
        if enabled != self._debug:
            self._debug = enabled
            self._kernel.measure(enabled=enabled)
        if self.is_running():
            self.call_soon_threadsafe(lambda: self._track_origins(enabled=enabled))

    def _track_origins(self, *, enabled: bool) -> None:
        """Switch on or off that coroutines remember where they were made.

        As in CPython 3.14, Lib/asyncio/base_events.py: ``_set_coroutine_origin_tracking``.
        """
        if enabled == (self._origin_tracking_depth is not None):
            return
        if enabled:
            self._origin_tracking_depth = sys.get_coroutine_origin_tracking_depth()
            sys.set_coroutine_origin_tracking_depth(_ORIGINS)
        else:
            sys.set_coroutine_origin_tracking_depth(self._origin_tracking_depth or 0)
            self._origin_tracking_depth = None

    # Asynchronous generators ---------------------------------------------------------------

    def _asyncgen_began(self, agen: AsyncGenerator[Any, Any], stacklevel: int = 2) -> None:
        if self._asyncgens_shutdown_called:
            warnings.warn(
                f"asynchronous generator {agen!r} was scheduled after loop.shutdown_asyncgens()"
                " call",
                ResourceWarning,
                source=self,
                stacklevel=stacklevel,
            )
        if self._asyncgens is None:
            self._asyncgens = weakref.WeakValueDictionary()
        self._asyncgens[self._asyncgens_begun] = agen
        self._asyncgens_begun += 1

    def _asyncgen_abandoned(self, agen: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.call_soon_threadsafe(self.create_task, agen.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close every asynchronous generator that is still open, in order of their beginnings."""
        self._asyncgens_shutdown_called = True
        if not self._asyncgens:
            return
        closing = list(self._asyncgens.values())
        self._asyncgens.clear()
        results = await tasks.gather(*[agen.aclose() for agen in closing], return_exceptions=True)
        for result, agen in zip(results, closing, strict=True):
            if isinstance(result, Exception):
                self.call_exception_handler(
                    {
                        "message": "an error occurred during closing of asynchronous generator"
                        f" {agen!r}",
                        "exception": result,
                        "asyncgen": agen,
                    }
                )


_of_asyncio: Any = base_events


@wraps(_of_asyncio._run_until_complete_cb)  # Which the repr of a task names, and its place.
def _stop_when_done(future: asyncio.Future[Any]) -> None:
    """Stop the loop of a future that is done, unless its error ends the run anyway."""
    if not future.cancelled():
        error = future.exception()
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            return
    loop: Any = future.get_loop()
    if loop._broken_off is not future:  # It was scheduled for a run that a signal has ended.
        loop.stop()
