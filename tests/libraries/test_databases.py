"""Databases: redis.asyncio and asyncpg against small servers written with streams, aiosqlite."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time

import pytest

from .bodies import BIG, HERE

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


class Store:
    """A small server that speaks enough of Redis' protocol, written with streams."""

    def __init__(self):
        self.values = {}
        self.listeners = []

    async def serve(self, reader, writer):
        with contextlib.closing(writer):
            while line := await reader.readline():
                arguments = []
                for _ in range(int(line[1:])):
                    size = int((await reader.readline())[1:])
                    arguments.append((await reader.readexactly(size + 2))[:-2])
                if arguments[0] == b"BLPOP":
                    await asyncio.sleep(float(arguments[-1]))
                writer.write(self.answer(writer, *arguments))
                await writer.drain()

    def answer(self, writer, command, *arguments):
        match command:
            case b"SET":
                self.values[arguments[0]] = arguments[1]
            case b"GET":
                return bulk(self.values.get(arguments[0]))
            case b"INCRBY":
                value = int(self.values.get(arguments[0], b"0")) + int(arguments[1])
                self.values[arguments[0]] = b"%d" % value
                return b":%d\r\n" % value
            case b"SUBSCRIBE":
                self.listeners.append(writer)
                return b"*3\r\n" + bulk(b"subscribe") + bulk(arguments[0]) + b":1\r\n"
            case b"PUBLISH":
                for listener in self.listeners:
                    listener.write(b"*3\r\n" + bulk(b"message") + b"".join(map(bulk, arguments)))
                return b":%d\r\n" % len(self.listeners)
            case b"BLPOP":
                return b"*-1\r\n"
        return b"+OK\r\n"


def bulk(value):
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


@contextlib.asynccontextmanager
async def store_at(kind):
    """A store, and what a client of redis needs to reach it."""
    store = Store()
    if kind == "tcp":
        server = await asyncio.start_server(store.serve, HERE, 6379)
        where = {"host": HERE}
    else:
        server = await asyncio.start_unix_server(store.serve, "/run/redis.sock")
        where = {"unix_socket_path": "/run/redis.sock"}
    async with server:
        yield {**where, "protocol": 2}


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_redis(live, kind):
    """A burst, five megabytes, a pipeline, a subscription, a timeout of minutes."""
    redis = pytest.importorskip("redis.asyncio")

    async def main():
        async with store_at(kind) as where, redis.Redis(**where, socket_timeout=300) as client:
            await asyncio.gather(*[client.set(f"key{n}", n) for n in range(50)])
            assert await client.get("key7") == b"7"
            assert await client.get("nothing") is None
            await client.set("big", BIG)
            assert await client.get("big") == BIG
            async with client.pipeline(transaction=False) as pipe:
                for _ in range(20):
                    pipe.incr("count")
                assert await pipe.execute() == list(range(1, 21))
            async with client.pubsub() as listener:
                await listener.subscribe("news")
                await listener.get_message(timeout=5)
                await client.publish("news", "today")
                message = await listener.get_message(timeout=5)
                assert message["data"] == b"today"
                assert await listener.get_message(timeout=60) is None
            assert await client.blpop("queue", timeout=60) is None
            with pytest.raises(redis.TimeoutError):
                await client.blpop("queue", timeout=1000)

    assert live(main).time >= 420


def test_blocking_redis_in_threads(live):
    """The library's blocking client in worker threads."""
    redis = pytest.importorskip("redis")

    def work(where, number):
        with redis.Redis(**where, socket_timeout=300) as client:
            client.set(f"key{number}", BIG)
            assert client.get(f"key{number}") == BIG
            client.incr("count")
            with pytest.raises(redis.TimeoutError):
                client.blpop("queue", timeout=1000)

    async def main():
        async with store_at("tcp") as where:
            await asyncio.gather(*[asyncio.to_thread(work, where, n) for n in range(3)])
            async with redis.asyncio.Redis(**where) as client:
                return await client.get("count")

    assert live(main).value == b"3"


def test_aiosqlite(live, tmp_path):
    """A database in a thread of its own: a burst, a big value, a busy one waited for."""
    aiosqlite = pytest.importorskip("aiosqlite")
    path = tmp_path / "a.db"

    async def main():
        path.unlink(missing_ok=True)
        async with aiosqlite.connect(path) as db:
            await db.execute("create table things (number, data)")
            rows = [
                db.execute("insert into things values (?, ?)", (n, b"x" * n)) for n in range(50)
            ]
            await asyncio.gather(*rows)
            await db.execute("insert into things values (50, ?)", (BIG,))
            await db.commit()
            async with db.execute("select number, length(data) from things") as cursor:
                found = [tuple(row) async for row in cursor]
            assert found == [(n, n) for n in range(50)] + [(50, len(BIG))]
            await db.create_function("nap", 1, time.sleep)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(300):
                    await db.execute_fetchall("select nap(1000)")
            async with aiosqlite.connect(path) as other:
                assert await other.execute_fetchall("select count(*) from things") == [(51,)]

    assert live(main).time >= 300


class Postgres:
    """A server that speaks enough of PostgreSQL's protocol for simple queries and one function."""

    async def serve(self, reader, writer):
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            await self.speak(reader, writer)

    async def speak(self, reader, writer):
        while True:
            (size,) = struct.unpack("!i", await reader.readexactly(4))
            start = await reader.readexactly(size - 4)
            if start[:4] == struct.pack("!i", 196608):
                break
            writer.write(b"N")  # No TLS, no encryption by GSS.
        writer.write(message(b"R", struct.pack("!i", 0)))
        for name, value in ((b"server_version", b"16.0"), (b"client_encoding", b"UTF8")):
            writer.write(message(b"S", name + b"\0" + value + b"\0"))
        writer.write(message(b"K", struct.pack("!ii", 1, 2)) + READY)
        while True:
            kind = await reader.read(1)
            if kind in (b"", b"X"):
                break
            (size,) = struct.unpack("!i", await reader.readexactly(4))
            body = await reader.readexactly(size - 4)
            if kind == b"Q":
                await self.query(body[:-1].decode(), writer)
                await writer.drain()

    async def query(self, text, writer):
        words = text.strip(";").split()
        if words[0] == "sleep":
            await asyncio.sleep(float(words[1]))
        writer.write(message(b"C", text.upper()[:60].encode() + b"\0") + READY)


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


READY = message(b"Z", b"I")


def test_asyncpg(live):
    """Connections, simple queries, a big one, a timeout of minutes, a pool that closes."""
    asyncpg = pytest.importorskip("asyncpg")

    async def main():
        async with await asyncio.start_server(Postgres().serve, HERE, 5432):
            where = {"host": HERE, "user": "u", "database": "d", "password": "p", "ssl": False}
            connection = await asyncpg.connect(**where)
            for number in range(50):
                assert await connection.execute(f"do {number}") == f"DO {number}"
            big = "do " + "x" * len(BIG)
            assert await connection.execute(big) == big.upper()[:60]
            await connection.close()
            connection = await asyncpg.connect(**where)
            with pytest.raises(TimeoutError):
                await connection.execute("sleep 1000", timeout=300)
            connection.terminate()

    assert live(main).time >= 300
