"""``select.epoll`` and the selectors of the standard library over virtual descriptors."""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import socket
import time

import pytest

from simloop.errors import UnsupportedError


def names(events):
    """Events without the numbers of descriptors."""
    return [mask for _, mask in events]


def test_what_is_ready(same):
    """Readable, writable, hung up: as the system tells them."""

    async def body(record):
        first, second = socket.socketpair()
        with select.epoll() as poll:
            poll.register(first)
            record.note("idle", names(poll.poll(0)))
            second.send(b"x")
            record.note("data", names(poll.poll()))
            record.note("again", names(poll.poll(1)))
            poll.modify(first, select.EPOLLIN)
            first.recv(10)
            record.note("read", names(poll.poll(0)))
            second.shutdown(socket.SHUT_WR)
            record.note("end of file", names(poll.poll(0)))
            second.close()
            record.note("hung up", names(poll.poll(0)))
            poll.modify(first, 0)
            record.note("no mask", names(poll.poll(0)))
            poll.unregister(first.fileno())
            record.note("unregistered", names(poll.poll(0)))
        record.note("closed", poll.closed)
        first.close()

    same(body)


def test_one_shot_and_most_events(same):
    """EPOLLONESHOT tells once, and ``maxevents`` bounds what is told."""

    async def body(record):
        first, second = socket.socketpair()
        poll = select.epoll(sizehint=5)
        poll.register(first, select.EPOLLOUT | select.EPOLLONESHOT)
        poll.register(second, select.EPOLLOUT)
        record.note("one", len(poll.poll(0, 1)))
        poll.modify(first, select.EPOLLOUT | select.EPOLLONESHOT)
        record.note("both", len(poll.poll(0)))
        record.note("rest", len(poll.poll(timeout=0, maxevents=10)))
        poll.close()
        first.close(), second.close()

    same(body)


def test_errors(same):
    """Twice registered, not registered, not open, closed."""

    async def body(record):
        first, second = socket.socketpair()
        poll = select.epoll()
        poll.register(first)
        await record.do("twice", poll.register, first)
        await record.do("not registered", poll.modify, second, select.EPOLLIN)
        await record.do("not there", poll.unregister, second)
        fd = second.fileno()
        second.close()
        await record.do("not open", poll.register, fd)
        await record.do("text", poll.register, "0")
        first.close()
        record.note("closed descriptors leave", poll.poll(0))
        poll.close()
        await record.do("closed", poll.poll, 0)
        poll.close()

    same(body)


@pytest.mark.parametrize(
    "kind", [selectors.DefaultSelector, selectors.SelectSelector, selectors.PollSelector]
)
def test_selectors(same, kind):
    """The selectors of the standard library watch sockets and pipes of a run."""

    async def body(record):
        reader, writer = os.pipe()
        first, second = socket.socketpair()
        with kind() as selector:
            selector.register(first, selectors.EVENT_READ, "socket")
            selector.register(reader, selectors.EVENT_READ, "pipe")
            record.note("idle", selector.select(0))
            os.write(writer, b"x")
            second.send(b"x")
            found = selector.select()
            record.note("both", sorted((key.data, events) for key, events in found))
            os.read(reader, 1)
            record.note("one", [key.data for key, _ in selector.select(0.01)])
            selector.modify(first, selectors.EVENT_WRITE, "out")
            record.note("writable", [key.data for key, _ in selector.select(0)])
            selector.unregister(first)
            record.note("none", selector.select(0.01))
        for fd in (reader, writer):
            os.close(fd)
        first.close(), second.close()

    same(body)


def test_a_thread_waits_in_virtual_time(virtual):
    """A thread's select ends when its time is up, or as soon as there is something."""

    def wait(sock, timeout):
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            return len(selector.select(timeout)), time.monotonic()

    async def main():
        first, second = socket.socketpair()
        with first, second:
            waits = [asyncio.to_thread(wait, first, timeout) for timeout in (2, None)]
            waits = asyncio.gather(*waits)
            await asyncio.sleep(5)
            second.send(b"x")
            return await waits

    assert virtual.run(main) == [(0, 2.0), (1, 5.0)]


def test_what_is_refused(virtual):
    """Edges, and the descriptor of the thing itself, with the way out."""

    async def main():
        with select.epoll() as poll, socket.socket() as sock:
            with pytest.raises(UnsupportedError, match=r"EPOLLET.*select\.poll"):
                poll.register(sock, select.EPOLLIN | select.EPOLLET)
            with pytest.raises(UnsupportedError, match=r"fileno\(\) of an epoll object"):
                poll.fileno()

    virtual.run(main)
