"""Unmodified libraries: the server on one host, the client on another, and the server is killed."""

from __future__ import annotations

import asyncio

import pytest

import simloop

from .test_add_host import world

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def run_twice(main):
    """Return what a run gives, which is the same in another one."""
    first, second = (simloop.simulate(main) for _ in range(2))
    if first.error is not None:
        raise first.error
    assert first.digest == second.digest
    return first.value


def test_aiohttp_runs_its_own_loop_on_a_host():
    """``web.run_app`` serves, is killed and started again by policy, and ends by SIGTERM."""
    aiohttp = pytest.importorskip("aiohttp")
    web = pytest.importorskip("aiohttp.web")

    async def hello(request):
        return web.Response(text=f"hello {request.match_info['name']}")

    def server():
        app = web.Application()
        app.add_routes([web.get("/{name}", hello)])
        web.run_app(app, port=8080, print=None)

    async def main():
        host = world().add_host("web", server, restart="on-failure")
        await asyncio.sleep(1)
        told = []
        async with aiohttp.ClientSession() as session:

            async def get(name):
                try:
                    async with session.get(f"http://web:8080/{name}") as response:
                        told.append(await response.text())
                except aiohttp.ClientError as error:
                    told.append(type(error).__name__)

            await get("one")
            host.processes[0].kill()
            await get("two")
            await asyncio.sleep(2)
            await get("three")
        (process,) = host.processes
        process.terminate()
        return told, await process.exited()

    assert run_twice(main) == (["hello one", "ClientConnectorError", "hello three"], 0)


def test_websockets_hears_that_its_server_was_killed():
    """The connection is lost without a close frame, and the server that boots again is reached."""
    websockets = pytest.importorskip("websockets")

    async def server():
        async def echo(connection):
            async for message in connection:
                await connection.send(message)

        async with websockets.serve(echo, "", 8765):
            await asyncio.Future()

    async def main():
        host = world().add_host("echo", server)
        await asyncio.sleep(1)
        async with websockets.connect("ws://echo:8765") as connection:
            await connection.send("one")
            told = [await connection.recv()]
            host.processes[0].kill()
            with pytest.raises(websockets.ConnectionClosedError, match="no close frame"):
                await connection.recv()
        host.restart()
        await asyncio.sleep(1)
        async with websockets.connect("ws://echo:8765") as connection:
            await connection.send("two")
            return [*told, await connection.recv()]

    assert run_twice(main) == ["one", "two"]


def test_redis_goes_on_with_a_server_that_has_forgotten():
    """A client of redis meets an error, and then the next server, which knows nothing any more."""
    redis = pytest.importorskip("redis.asyncio")

    async def server():
        values = {}

        async def serve(reader, writer):
            while line := await reader.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2])
                answer = b"+OK\r\n"
                if words[0] == b"SET":
                    values[words[1]] = words[2]
                elif words[0] == b"GET":
                    value = values.get(words[1])
                    answer = b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
                writer.write(answer)
            writer.close()

        await (await asyncio.start_server(serve, port=6379)).serve_forever()

    async def main():
        host = world().add_host("redis", server)
        await asyncio.sleep(1)
        client = redis.Redis(host="redis", protocol=2)
        told = [await client.set("a", "1"), await client.get("a")]
        host.processes[0].kill()
        with pytest.raises(redis.RedisError):
            await client.get("a")
        host.restart()
        await asyncio.sleep(1)
        told.append(await client.get("a"))
        await client.aclose()
        return told

    assert run_twice(main) == [True, b"1", None]


def test_grpclib_connects_again():
    """A stream of a killed server is terminated, and the channel connects to the next one."""
    client = pytest.importorskip("grpclib.client")
    const = pytest.importorskip("grpclib.const")
    encoding = pytest.importorskip("grpclib.encoding.base")
    grpclib_server = pytest.importorskip("grpclib.server")
    exceptions = pytest.importorskip("grpclib.exceptions")

    class Raw(encoding.CodecBase):
        __content_subtype__ = "raw"

        def encode(self, message, _type):
            return message

        def decode(self, data, _type):
            return data

    class Service:
        async def upper(self, stream):
            await stream.send_message((await stream.recv_message()).upper())

        def __mapping__(self):
            kind = const.Cardinality.UNARY_UNARY
            return {"/s.S/Up": const.Handler(self.upper, kind, bytes, bytes)}

    async def server():
        serving = grpclib_server.Server([Service()], codec=Raw())
        await serving.start(port=50051)
        await serving.wait_closed()

    async def main():
        host = world().add_host("rpc", server)
        await asyncio.sleep(1)
        async with client.Channel("rpc", 50051, codec=Raw()) as channel:
            upper = client.UnaryUnaryMethod(channel, "/s.S/Up", bytes, bytes)
            told = [await upper(b"one")]
            host.processes[0].kill()
            with pytest.raises((exceptions.StreamTerminatedError, OSError)):
                await upper(b"two")
            host.restart()
            await asyncio.sleep(1)
            return [*told, await upper(b"three")]

    assert run_twice(main) == [b"ONE", b"THREE"]
