"""What the parts of a loop share: its state, asyncio's checks, and the calls between parts.

Owns: the attributes of :class:`~simloop._loop.loop.SimLoop`, and the declarations of what one part
asks of another. Each file in ``core`` and ``io`` defines one part of asyncio's surface (or two), a
class on top of :class:`LoopState`; ``loop.py`` puts them together.

Must not know: the parts.

Invariants:

- A part has no base of ours but :class:`LoopState`, and no constructor: a chain of them would cost
  as much as the rest of a loop. What a part keeps is made here, or has a default in a class.
- A part calls another one by a method of :class:`asyncio.AbstractEventLoop`, or by one that is
  declared at the end of :class:`LoopState`. Exactly one part defines each of those.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio import coroutines
from itertools import count, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from simloop.errors import UsageError

from .world_interface import new_world

if TYPE_CHECKING:
    import ssl
    from collections import deque
    from collections.abc import Callable, Iterator
    from contextvars import Context

    from simloop._kernel import Handle, TimerHandle
    from simloop._process import Process
    from simloop._threads.thread_scheduler import ThreadScheduler
    from simloop.net import Host

    from .world_interface import WorldPort

    AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]

__all__ = ["AddressInfo", "LoopState"]

_hash_of = attrgetter("__hash__")


_environ: Any = os.environ
_variables: dict[Any, Any] = _environ._data
_DEBUG_DEFAULT = _environ.encodekey("PYTHONASYNCIODEBUG")


def _has_debug_default() -> bool:
    """Return whether asyncio may have debug mode on by itself.

    To ask it takes as long as the rest of a loop's beginning, for one look into the environment.
    """
    asyncios_answer = coroutines._is_debug_mode  # type: ignore[attr-defined]
    if os.environ is not _environ or asyncios_answer.__module__ != coroutines.__name__:
        return True  # A test has put something of its own in the place of one of them.
    return sys.flags.dev_mode or _DEBUG_DEFAULT in _variables


class LoopState(asyncio.AbstractEventLoop):
    """The state of one loop in one world."""

    # What is made when it is first asked for, or set by a test.
    _host: Host | None = None
    _set_selector: Any = None
    host_label: str = ""
    """What labels of its steps begin with: ``db/`` on a host of that name."""
    # Where its callbacks go while its process is stopped.
    _stash: list[Any] | None = None
    # Whether a thread of the run has the loop, with a schedule of its own; see SecondaryLoop.
    _is_detached = False
    # The class by which the program made it, if it is not one of ours; see asked_class.
    asked_class: type | None = None

    def __init__(
        self,
        *,
        seed: int | str | None = None,
        start_time: float | None = None,
        autojump: bool = True,
        world: WorldPort | None = None,
        process: Process | None = None,
    ) -> None:
        if autojump is not True and autojump is not False:
            raise UsageError(f"autojump={autojump!r}; it takes True or False")
        if world is None or seed is not None or start_time is not None:
            world = new_world(seed=seed, start_time=start_time, world=world)
        self._world = world
        self._process: Process = world.process_of_caller() if process is None else process
        self._kernel = kernel = world.kernel
        self._wheel = kernel.wheel
        self._ready: deque[Handle | TimerHandle] = kernel.ready
        self._closed = False
        self._stopping = False
        self._is_carried = False  # Whether its process runs it without a call of run_forever.
        self._thread_id: int | None = None
        self._debug = False
        self.slow_callback_duration: float = 0.1
        # As many items as the clock may be read until that is looked at, and what they belong to.
        self._reads: Iterator[None] = repeat(None, kernel.limits.reads_unseen)
        self._reads_begun: object = None
        # Tasks: how many got names, the user's factory or one of ours, and what gives the hash of
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
        if _has_debug_default() and coroutines._is_debug_mode():  # type: ignore[attr-defined]
            self.set_debug(True)

    def _take_queue(self) -> None:
        """Take the kernel's ready queue, which may be another one than before."""
        self._ready = self._kernel.ready

    @property
    def world(self) -> Any:
        """The world that the loop lives in, a :class:`simloop.World`."""
        return self._world

    @property
    def host(self) -> Host:
        """The virtual machine that the loop runs on."""
        host = self._host
        if host is None:
            host = self._host = self._process.host
        return host

    @property
    def _scheduler(self) -> ThreadScheduler:
        """The world's turn among threads."""
        return self._world.threads

    def get_debug(self) -> bool:
        """Return whether debug mode is on."""
        return self._debug

    @property
    def process(self) -> Process:
        """The simulated process that the loop is of."""
        return self._process

    def is_running(self) -> bool:
        """Return whether the loop runs, here or in another thread.

        One that the kernel carries beside the loop that was told to run does so during its steps,
        and for as long as its process lives.
        """
        if self._thread_id is not None:
            return True
        kernel = self._kernel
        current: object = kernel.current
        return kernel.is_running and (current is self or self._is_carried)

    def is_closed(self) -> bool:
        """Return whether the loop was closed."""
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
        if self._thread_id is not None and self._thread_id != self._world.real_ident():
            raise RuntimeError(
                "Non-thread-safe operation invoked on an event loop other than the current one;"
                " use loop.call_soon_threadsafe() from other threads"
            )

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} running={self.is_running()} closed={self._closed}"
            f" debug={self._debug} time={self.time()}>"
        )

    # Calls between parts ---------------------------------------------------------------------
    #
    # Declared for the type checker only, so that a missing definition is an AttributeError, and a
    # second one cannot hide behind this class: every part comes before it.

    if TYPE_CHECKING:
        # core/lifecycle.py and core/reporting.py, for the kernel
        def _step_into(self) -> None: ...
        def _step_took(self, handle: Handle | TimerHandle, elapsed_ns: int) -> None: ...
        def _takes_exit(self, error: BaseException) -> bool: ...

        # core/lifecycle.py
        def _begin(self) -> Any: ...
        def _end(self, outer: Any) -> None: ...

        # core/scheduling.py
        def _call_at_given(
            self,
            when: float,
            when_ns: int,
            callback: Callable[..., Any],
            args: tuple[Any, ...],
            context: Context | None,
            caller: str,
        ) -> TimerHandle: ...
        def _call_at_ns(
            self,
            when_ns: int,
            callback: Callable[..., Any],
            args: tuple[Any, ...],
            context: Context | None,
            caller: str,
        ) -> TimerHandle: ...

        # core/executors.py
        def _heard_from_outside(self) -> None: ...

        # io/connections.py
        def _make_socket_transport(
            self,
            sock: Any,
            protocol: asyncio.BaseProtocol,
            waiter: asyncio.Future[None] | None = None,
            *,
            extra: dict[str, Any] | None = None,
            server: Any = None,
        ) -> asyncio.Transport: ...

        async def _create_connection_transport(
            self,
            sock: Any,
            protocol_factory: Callable[[], asyncio.BaseProtocol],
            ssl: Any,
            server_hostname: str | None,
            *,
            server_side: bool = False,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
        ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]: ...

        # io/serving.py
        async def _serve(
            self, sockets: list[Any], *args: Any, start_serving: bool
        ) -> asyncio.Server: ...

        # io/tls.py
        def _make_ssl_transport(
            self,
            rawsock: Any,
            protocol: asyncio.BaseProtocol,
            sslcontext: ssl.SSLContext | None,
            waiter: asyncio.Future[None] | None = None,
            *,
            server_side: bool = False,
            server_hostname: str | None = None,
            extra: dict[str, Any] | None = None,
            server: Any = None,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
        ) -> asyncio.Transport: ...

        # io/readiness.py
        def _ensure_fd_no_transport(self, fd: Any) -> None: ...
        def _add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Handle: ...
        def _add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Handle: ...
        def _remove_reader(self, fd: Any) -> bool: ...

        # io/sock_calls.py
        async def _sock_send(self, sock: Any, data: Any) -> int: ...

        # io/resolving.py
        async def _ensure_resolved(
            self,
            address: tuple[Any, ...],
            *,
            family: int = 0,
            type: int = ...,  # noqa: A002 - asyncio's name
            proto: int = 0,
            flags: int = 0,
        ) -> list[AddressInfo]: ...
        async def _resolve_all(
            self, address: tuple[Any, ...], options: dict[str, Any]
        ) -> list[AddressInfo]: ...

        # io/unix.py
        def _remove_path(self, sock: Any) -> None: ...
