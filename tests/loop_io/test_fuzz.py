"""Random conversations against a naive model: no byte is lost, doubled or moved, and none hangs."""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

import simloop

SIDES = (0, 1)
ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(SIDES), st.integers(1, 300_000)),
    st.tuples(st.just("write"), st.sampled_from(SIDES), st.integers(1, 100)),
    st.tuples(st.just("writelines"), st.sampled_from(SIDES), st.integers(1, 5000)),
    st.tuples(st.just("pause"), st.sampled_from(SIDES), st.just(0)),
    st.tuples(st.just("resume"), st.sampled_from(SIDES), st.just(0)),
    st.tuples(st.just("swap"), st.sampled_from(SIDES), st.just(0)),
    st.tuples(st.just("turn"), st.just(0), st.integers(1, 4)),
    st.tuples(st.just("eof"), st.sampled_from(SIDES), st.just(0)),
    st.tuples(st.just("close"), st.sampled_from(SIDES), st.just(0)),
    st.tuples(st.just("abort"), st.sampled_from(SIDES), st.just(0)),
)


class Side(asyncio.Protocol):
    """One end of a conversation, and the model of what it sent."""

    def __init__(self):
        self.received = bytearray()
        self.sent = bytearray()
        self.aborted = False
        self.finished = False  # Nothing that it writes counts any more.
        self.ends = 0
        self.eofs = 0
        self.writable = True

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        assert data
        assert not self.eofs
        assert not self.ends
        self.received += data

    def eof_received(self):
        self.eofs += 1
        return True

    def pause_writing(self):
        assert self.writable
        self.writable = False

    def resume_writing(self):
        assert not self.writable
        self.writable = True

    def connection_lost(self, exc):
        self.ends += 1


class BufferedSide(asyncio.BufferedProtocol):
    """The same end, by a buffer of a few bytes."""

    def __init__(self, side, size):
        self.side = side
        self.buffer = bytearray(size)

    def __getattr__(self, name):
        return getattr(self.side, name)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.side.data_received(bytes(self.buffer[:nbytes]))

    def eof_received(self):
        return self.side.eof_received()

    def pause_writing(self):
        self.side.pause_writing()

    def resume_writing(self):
        self.side.resume_writing()

    def connection_lost(self, exc):
        self.side.connection_lost(exc)


class Conversation:
    """Two connected sides, and what may be done to them."""

    def __init__(self, sides):
        self.sides = sides
        self.count = 0
        self.is_buffered = [False, False]

    def pattern(self, size):
        self.count += 1
        start = self.count * 7919
        return bytes((start + index) % 251 for index in range(min(size, 251))) * (size // 251 + 1)

    def write(self, side, size):
        data = self.pattern(size)[:size]
        if not side.transport.is_closing() and not side.finished:
            side.transport.write(data)
            side.sent += data

    def writelines(self, side, size):
        parts = [self.pattern(size)[:size], b"", bytearray(b"x"), memoryview(b"yz")]
        if not side.transport.is_closing() and not side.finished:
            side.transport.writelines(parts)
            side.sent += b"".join(parts)

    def pause(self, side, _):
        side.transport.pause_reading()

    def resume(self, side, _):
        side.transport.resume_reading()

    def swap(self, side, _):
        """Change between a plain protocol and a buffered one."""
        if side.ends or side.transport.is_closing():
            return
        current = side.transport.get_protocol()
        side.transport.set_protocol(BufferedSide(side, 100_000) if current is side else side)

    def eof(self, side, _):
        if not side.transport.is_closing():
            with contextlib.suppress(OSError):  # ENOTCONN where the peer reset: asyncio's way.
                side.transport.write_eof()
            side.finished = True

    def close(self, side, _):
        side.transport.close()
        side.finished = True

    def abort(self, side, _):
        side.transport.abort()
        side.aborted = side.finished = True


async def connect(kind):
    loop = asyncio.get_running_loop()
    peer = Side()
    if kind == "tcp":
        server = await loop.create_server(lambda: peer, "127.0.0.1", 0)
        where = server.sockets[0].getsockname()
        _, client = await loop.create_connection(Side, *where)
    else:
        server = await loop.create_unix_server(lambda: peer, "/fuzz")
        _, client = await loop.create_unix_connection(Side, "/fuzz")
    while not hasattr(peer, "transport"):
        await asyncio.sleep(0)
    return server, (client, peer)


async def converse(kind, actions):
    server, sides = await connect(kind)
    conversation = Conversation(sides)
    network = asyncio.get_running_loop().host.network
    for action, which, amount in actions:
        if action == "turn":
            for _ in range(amount):
                await asyncio.sleep(0)
        else:
            getattr(conversation, action)(sides[which], amount)
        network.check()
        for side, other in (sides, sides[::-1]):
            assert other.sent.startswith(side.received)
    for side in sides:
        side.transport.resume_reading()
    await asyncio.sleep(60)
    judge(sides)
    for side in sides:
        side.transport.abort()
    await asyncio.sleep(1)
    assert [side.ends for side in sides] == [1, 1]
    server.close()
    await server.wait_closed()
    network.check()
    assert len(asyncio.get_running_loop().host.descriptors) == 0
    assert not asyncio.get_running_loop()._transports


def judge(sides):
    """Compare with the model: unless somebody left early, everything arrived."""
    for side, other in (sides, sides[::-1]):
        assert side.ends <= 1
        assert other.sent.startswith(side.received)
        nobody_left = not (side.aborted or other.aborted or side.transport.is_closing())
        if nobody_left and not other.transport.is_closing():
            assert side.received == other.sent
            assert other.writable
            # Resuming after the end tells of it again, on asyncio's own loops too.
            assert bool(side.eofs) == other.finished


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["tcp", "unix"]), actions=st.lists(ACTIONS, min_size=5, max_size=40))
def test_conversations_agree_with_the_model(kind, actions):
    """Whatever both sides do, what arrives is a prefix of what was sent, and all if they stay."""
    simloop.run(converse(kind, actions))


@settings(max_examples=15, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=30), seed=st.integers(0, 1000))
def test_conversations_are_the_same_twice(actions, seed):
    """The same conversation has the same digest."""
    first, second = (
        simloop.simulate(lambda: converse("tcp", actions), seed=seed) for _ in range(2)
    )
    assert first.error is None
    assert first.digest == second.digest
