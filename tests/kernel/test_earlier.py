"""Telling a driver that the next deadline moved forward."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simloop
from simloop._kernel.timer_wheel import TimerWheel


@pytest.fixture
def loop():
    loop = simloop.SimLoop()
    yield loop
    loop.close()


@pytest.fixture
def told(loop):
    """Let the loop tell a list of the times at which it was asked to look again."""
    told = []
    loop.on_earlier(lambda: told.append(loop.time()))
    return told


def test_only_news_is_told_and_once(loop, told) -> None:
    """A later deadline, or a second one after the first news, tells nothing."""
    loop.call_later(10, int)
    assert len(told) == 1
    loop.call_later(5, int)
    assert len(told) == 1
    assert loop.peek() == 5.0
    loop.call_later(6, int)
    loop.call_later(5, int)
    assert len(told) == 1
    loop.call_soon(int)
    assert len(told) == 2
    assert loop.peek() == 0.0
    loop.call_soon(int)
    assert len(told) == 2


def test_a_result_set_by_the_host_is_news(loop, told) -> None:
    """Whatever makes a callback ready tells: here a future of a waiting task."""
    gate = loop.create_future()
    task = loop.create_task(wait(gate))
    loop.run_ready()
    loop.peek()
    told.clear()
    gate.set_result("open")
    assert told == [0.0]
    loop.run_ready()
    assert task.result() == "open"


async def wait(gate):
    return await gate


def test_nothing_is_told_while_the_loop_is_driven(loop, told) -> None:
    """Whoever drives asks when the call returns."""
    loop.call_soon(lambda: loop.call_soon(loop.call_later, 1, int))
    told.clear()
    loop.peek()
    loop.run_ready()
    assert told == []
    assert loop.peek() == 1.0


def test_a_thread_tells_from_its_own(loop) -> None:
    """call_soon_threadsafe tells the driver in the thread that called it."""
    told = []
    loop.on_earlier(lambda: told.append(threading.current_thread()))
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(int,))
    thread.start()
    thread.join()
    assert told == [thread]


def test_the_last_host_is_told_and_none_ends_it(loop, told) -> None:
    """A second driver takes over; afterwards the queue and the wheel are plain ones again."""
    others = []
    loop.on_earlier(lambda: others.append(1))
    loop.call_soon(int)
    assert (told, others) == ([], [1])
    loop.on_earlier(None)
    loop.peek()
    kernel = loop.world.kernel
    assert (type(kernel.ready), type(kernel.wheel)) == (deque, TimerWheel)
    loop.run_until_idle()
    loop.call_soon(int)
    assert others == [1]


def test_a_loop_cannot_host_itself(loop) -> None:
    """From inside of the loop's own run the call is refused."""
    errors = []

    def ask() -> None:
        with pytest.raises(simloop.UsageError, match="the loop itself runs now") as caught:
            loop.on_earlier(int)
        errors.append(caught.value)

    loop.call_soon(ask)
    loop.run_ready()
    assert len(errors) == 1


def test_open_connections_tell_and_go_on(loop) -> None:
    """A driver that comes late hears of what it writes itself, and nothing of it is lost."""
    server_side = []

    async def begin():
        async def serve(reader, writer) -> None:
            server_side.append(writer)
            while line := await reader.readline():
                writer.write(line.upper())

        server = await asyncio.start_server(serve, "127.0.0.1", 80)
        return server, *await asyncio.open_connection("127.0.0.1", 80)

    server, reader, writer = loop.run_until_complete(begin())
    loop.run_until_idle()
    told = []
    loop.on_earlier(lambda: told.append(1))
    assert loop.peek() == float("inf")
    with loop.world.inside():
        writer.write(b"hello\n")
    assert told == [1]
    reading = loop.create_task(reader.readline())
    loop.run_until_idle()
    assert reading.result() == b"HELLO\n"
    for each in (server, writer, *server_side):
        each.close()
    loop.run_until_idle()


@given(st.lists(st.one_of(st.just("ask"), st.just("drive"), st.integers(0, 50)), max_size=60))
def test_a_told_host_never_misses_a_deadline(actions) -> None:
    """Whenever the next deadline is before what the driver knows, it was told; else it was not."""
    loop = simloop.SimLoop()
    told = []
    loop.on_earlier(lambda: told.append(1))
    kernel = loop.world.kernel
    known_ns = kernel.peek_ns()
    for action in actions:
        if action == "ask":
            loop.peek()
            known_ns = kernel.peek_ns()
            told.clear()
        elif action == "drive":
            loop.run_for(7)
            loop.peek()
            known_ns = kernel.peek_ns()
            told.clear()
        elif action == 0:
            loop.call_soon(int)
        else:
            loop.call_later(action, int)
        assert bool(told) == (kernel.peek_ns() < known_ns)
        assert len(told) <= 1
        kernel.check()
    loop.close()


def test_bytes_that_arrive_are_news(loop, told) -> None:
    """What a driver writes into a socket between two runs is due at once."""

    async def connect():
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        loop.add_reader(theirs, lambda: received.append(theirs.recv(9)))
        return ours, theirs

    received: list[bytes] = []
    ours, theirs = loop.run_until_complete(connect())
    loop.run_ready()
    loop.peek()
    told.clear()
    ours.send(b"x")
    assert told == [0.0]
    assert loop.peek() == 0.0
    loop.step()
    assert received == [b"x"]
    ours.close()
    theirs.close()
