"""asyncio with another loop in it: what CPython's tests make is a :class:`SimLoop`.

Owns: every name under which ``test.test_asyncio`` reaches for a loop. The tests ask for
``asyncio.SelectorEventLoop`` (with a selector, which we have no use for), for
``asyncio.new_event_loop``, for ``asyncio.EventLoop`` from 3.13 on, for the bare ``BaseEventLoop``,
and for the test suite's own ``TestLoop``, which takes a generator that is told each deadline.

The loops that a test makes live in one world, and the test runs inside of it: sockets, time and
threads that it makes before its loop runs, or beside it, are the world's too. Only the test suite's
own loop has a world, and a clock, of its own.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.selector_events
import asyncio.unix_events
import re
import socket
from typing import Any
from unittest import mock

from programs import register

import simloop
from simloop._kernel import ThreadSafeHandle
from simloop._loop.io import connecting, datagrams, serving
from simloop._loop.io import unix as unix_part
from simloop._loop.transports.stream_transport import StreamTransport
from simloop.net import make_socket

_WATCHES = re.compile("reader|writer|transport|counters|process_events")
"""What ``TestLoop`` does instead of watching descriptors."""

_TASK = asyncio.tasks.Task

_current: list[simloop.World] = []
"""The world of the test that runs, if one does."""


def _mocked_socket() -> Any:
    """Return what the test has put in the place of asyncio's socket module, if it did."""
    modules = (asyncio.base_events, asyncio.unix_events)
    return next((each.socket for each in modules if each.socket is not socket), None)


def _open_socket(host: Any, family: int, type_: int, proto: int = 0) -> Any:
    """Open a socket of the machine, or the test's mock of one while there is one."""
    mocked = _mocked_socket()
    if mocked is None:
        return make_socket(host, family, type_, proto)
    return mocked.socket(family=family, type=type_, proto=proto)


class Loop(simloop.SimLoop):
    """A loop of the current test's world."""

    def __init__(self, selector: object = None, **options: Any) -> None:
        del selector
        if _current:
            options.setdefault("world", _current[-1])
        super().__init__(**options)

    def create_task(self, coro: Any, **options: Any) -> Any:
        """Make a task of the class that the test put into asyncio, if it did."""
        if asyncio.tasks.Task is _TASK or self._task_factory is not None:
            return super().create_task(coro, **options)
        return asyncio.tasks.Task(coro, loop=self, **options)

    def _ensure_fd_no_transport(self, fd: Any) -> None:
        """Refuse a descriptor in use; the tests' mocks of sockets have none."""
        if not isinstance(fd, mock.Mock):
            super()._ensure_fd_no_transport(fd)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Look up a name, in the test's mock while there is one."""
        mocked = _mocked_socket()
        if mocked is None:
            return await super().getaddrinfo(host, port, **options)
        order = ("family", "type", "proto", "flags")
        return mocked.getaddrinfo(host, port, *(options.get(name, 0) for name in order))

    # The names by which tests call or look into what every loop has.

    def _run_once(self) -> None:
        """Run one turn."""
        with self._driven("_run_once"):
            self._kernel.turn()

    def _add_callback(self, handle: asyncio.Handle) -> None:
        """Queue a handle that was made by hand, unless it is cancelled."""
        if not handle.cancelled():
            self._ready.append(handle)

    @property
    def _scheduled(self) -> list[asyncio.TimerHandle]:
        """The timer handles that wait."""
        return [handle for handle in self._wheel if not handle.cancelled()]


class TestLoop(Loop):
    """The test suite's loop: each deadline that is asked for is told to a generator.

    The generator checks the deadlines, and answers by how far the clock should move. Here the
    clock moves by itself, and follows the answers only when a run ends.
    """

    def __init__(self, gen: Any = None) -> None:
        super().__init__(world=simloop.World())
        self.readers: dict[int, Any] = {}
        self.writers: dict[int, Any] = {}
        self.reset_counters()
        self._advanced = 0.0
        self._check_on_close = gen is not None
        self._gen = gen() if gen is not None else _silent()
        next(self._gen)

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = super().call_later(delay, callback, *args, context=context)
        self._tell(handle.when())
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = super().call_at(when, callback, *args, context=context)
        self._tell(handle.when())
        return handle

    def _tell(self, when: float) -> None:
        self._advanced += self._gen.send(when) or 0

    def run_forever(self) -> None:
        """Run, and leave the clock where the generator's answers have put it."""
        try:
            super().run_forever()
        finally:
            self.advance_time(max(0, self._advanced - self.time()))

    def advance_time(self, advance: float) -> None:
        """Move the clock without running anything."""
        kernel = self._kernel
        kernel.move_to(kernel.now_ns + round(advance * 1e9))

    def close(self) -> None:
        super().close()
        if self._check_on_close:
            self._check_on_close = False
            try:
                self._gen.send(0)
            except StopIteration:
                pass
            else:
                raise AssertionError("the test expects more deadlines than were set")


def _silent() -> Any:
    while True:
        yield


def swap_in() -> None:
    """Put the simulated loop wherever asyncio keeps its own."""
    unix = asyncio.unix_events
    asyncio.SelectorEventLoop = unix.SelectorEventLoop = Loop  # type: ignore[misc]
    unix._UnixSelectorEventLoop = Loop
    if hasattr(unix, "EventLoop"):
        asyncio.EventLoop = unix.EventLoop = Loop  # type: ignore[misc]
    asyncio.BaseEventLoop = asyncio.base_events.BaseEventLoop = Loop  # type: ignore[misc]
    asyncio.selector_events.BaseSelectorEventLoop = Loop  # type: ignore[misc]
    policy = getattr(unix, "_UnixDefaultEventLoopPolicy", None) or unix.DefaultEventLoopPolicy
    policy._loop_factory = Loop
    for module in (connecting, datagrams, serving, unix_part):
        module.make_socket = _open_socket
    StreamTransport._read_ready_cb = None
    if hasattr(asyncio.events, "_ThreadSafeHandle"):
        asyncio.events._ThreadSafeHandle = ThreadSafeHandle

    from test.test_asyncio import utils

    for name, method in vars(utils.TestLoop).items():
        if _WATCHES.search(name):
            setattr(TestLoop, name, method)
    utils.TestLoop = TestLoop


class ThreadBridge:
    """The world of one test, from its start to its end."""

    def __init__(self) -> None:
        self._inside: Any = None

    def enter(self) -> None:
        """Begin a test: a new world, and inside of it."""
        world = simloop.World()
        register(world.programs)
        _current.append(world)
        self._inside = world.inside()
        self._inside.__enter__()

    def leave(self) -> None:
        """End a test, if it began: some Pythons only end one that is skipped."""
        _current.clear()
        inside, self._inside = self._inside, None
        if inside is not None:
            inside.__exit__(None, None, None)
