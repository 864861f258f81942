"""Libraries of other protocols, each a client and a server in one loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ..loop_io.certificates import HERE, client_context, server_context  # noqa: TID252 - shared by two folders

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

BIG = bytes(range(256)) * 20_000  # Five megabytes.


def test_websockets(live):
    """websockets: a burst, five megabytes, minutes of silence, plain and over TLS."""
    pytest.importorskip("websockets")
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve

    async def reverse(socket):
        async for message in socket:
            await socket.send(message[::-1])

    async def main():
        async with serve(reverse, "127.0.0.1", 0, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}", max_size=None) as socket:
                await socket.send(BIG)
                assert await socket.recv() == BIG[::-1]
                for number in range(50):
                    await socket.send(str(number))
                for number in range(50):
                    assert await socket.recv() == str(number)[::-1]
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(600):
                        await socket.recv()
        async with serve(reverse, "127.0.0.1", 0, ssl=server_context()) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"wss://localhost:{port}", ssl=client_context()) as socket:
                await socket.send("abc")
                assert await socket.recv() == "cba"

    assert live(main).time >= 600


async def measure(scope, receive, send):
    """An ASGI application: tell how long a request's body is."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if scope["path"] == "/slow":
        await asyncio.sleep(1000)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def ask(base):
    import httpx

    async with httpx.AsyncClient(base_url=base) as client:
        answers = await asyncio.gather(*[client.post("/", content=b"x" * n) for n in range(50)])
        assert [answer.text for answer in answers] == [str(n) for n in range(50)]
        assert (await client.post("/", content=BIG)).text == str(len(BIG))
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/slow", timeout=300)


def test_hypercorn_and_httpx(live):
    """Hypercorn serves httpx: a burst, five megabytes, a timeout of minutes."""
    pytest.importorskip("httpx")
    pytest.importorskip("hypercorn")
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    async def main():
        config = Config()
        config.bind = ["127.0.0.1:8000"]
        config.accesslog = config.errorlog = None
        config.graceful_timeout = 1
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(measure, config, shutdown_trigger=stop.wait))
        await asyncio.sleep(1)
        await ask("http://127.0.0.1:8000")
        stop.set()
        await serving

    assert live(main).time >= 300


def test_grpclib(live):
    """grpclib: a burst of calls, a large message, a deadline of minutes."""
    pytest.importorskip("grpclib")
    pytest.importorskip("google.protobuf")
    from google.protobuf.wrappers_pb2 import StringValue
    from grpclib.client import Channel, UnaryUnaryMethod
    from grpclib.const import Cardinality, Handler
    from grpclib.server import Server

    class Service:
        async def reverse(self, stream):
            message = await stream.recv_message()
            await stream.send_message(StringValue(value=message.value[::-1]))

        async def dawdle(self, stream):
            await stream.recv_message()
            await asyncio.sleep(1000)

        def __mapping__(self):
            return {
                f"/Service/{name}": Handler(
                    getattr(self, name), Cardinality.UNARY_UNARY, StringValue, StringValue
                )
                for name in ("reverse", "dawdle")
            }

    async def main():
        server = Server([Service()])
        await server.start("127.0.0.1", 50051)
        async with Channel("127.0.0.1", 50051) as channel:
            reverse, dawdle = (
                UnaryUnaryMethod(channel, f"/Service/{name}", StringValue, StringValue)
                for name in ("reverse", "dawdle")
            )
            values = await asyncio.gather(
                *[reverse(StringValue(value=f"{n:3}")) for n in range(50)]
            )
            assert [value.value for value in values] == [f"{n:3}"[::-1] for n in range(50)]
            big = await reverse(StringValue(value="ab" * 1_000_000))
            assert big.value == "ba" * 1_000_000
            with pytest.raises(TimeoutError):
                await dawdle(StringValue(value="x"), timeout=300)
        server.close()
        await server.wait_closed()

    assert live(main).time >= 300


class Store:
    """A small server that speaks enough of Redis' protocol, written with streams."""

    def __init__(self):
        self.values = {}

    async def serve(self, reader, writer):
        while line := await reader.readline():
            arguments = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                arguments.append((await reader.readexactly(size + 2))[:-2])
            writer.write(self.answer(*arguments))
            await writer.drain()
        writer.close()

    def answer(self, command, *arguments):
        if command == b"SET":
            self.values[arguments[0]] = arguments[1]
        if command != b"GET":
            return b"+OK\r\n"
        value = self.values.get(arguments[0])
        return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_redis(live, kind):
    """redis.asyncio against a server written with streams, over TCP and by a path."""
    redis = pytest.importorskip("redis.asyncio")

    async def main():
        store = Store()
        if kind == "tcp":
            server = await asyncio.start_server(store.serve, "127.0.0.1", 6379)
            client = redis.Redis(host="127.0.0.1", protocol=2)
        else:
            server = await asyncio.start_unix_server(store.serve, "/run/redis.sock")
            client = redis.Redis(unix_socket_path="/run/redis.sock", protocol=2)
        await asyncio.gather(*[client.set(f"key{n}", n) for n in range(50)])
        assert await client.get("key7") == b"7"
        assert await client.get("nothing") is None
        await client.set("big", BIG)
        assert await client.get("big") == BIG
        await client.aclose()
        server.close()
        await server.wait_closed()

    live(main)


def test_tornado(live):
    """tornado, which accepts and receives by itself: HTTP and a WebSocket."""
    pytest.importorskip("tornado")
    from tornado import httpclient, httpserver, netutil, web, websocket

    class Measure(web.RequestHandler):
        def post(self):
            self.write(str(len(self.request.body)))

    class Reverse(websocket.WebSocketHandler):
        def on_message(self, message):
            self.write_message(message[::-1])

    async def main():
        application = web.Application([("/", Measure), ("/socket", Reverse)], log_function=str)
        server = httpserver.HTTPServer(application, max_buffer_size=10**8)
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        client = httpclient.AsyncHTTPClient(force_instance=True, max_clients=50)
        base = f"//127.0.0.1:{port}"
        answers = await asyncio.gather(
            *[client.fetch(f"http:{base}/", method="POST", body=b"x" * n) for n in range(50)]
        )
        assert [answer.body for answer in answers] == [b"%d" % n for n in range(50)]
        raw = {"Content-Type": "application/octet-stream"}
        answer = await client.fetch(f"http:{base}/", method="POST", body=BIG, headers=raw)
        assert answer.body == b"%d" % len(BIG)
        socket = await websocket.websocket_connect(f"ws:{base}/socket")
        await socket.write_message("abc")
        assert await socket.read_message() == "cba"
        socket.close()
        client.close()
        server.stop()
        await server.close_all_connections()

    live(main)


def test_anyio(live):
    """anyio: TCP, UDP, UNIX sockets and threads."""
    anyio = pytest.importorskip("anyio")
    from anyio.abc import SocketAttribute

    async def echo(stream):
        async with stream:
            async for data in stream:
                await stream.send(data)

    async def main():
        async with anyio.create_task_group() as group:
            tcp = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
            unix = await anyio.create_unix_listener("/run/anyio.sock")
            group.start_soon(tcp.serve, echo)
            group.start_soon(unix.serve, echo)
            port = tcp.extra(SocketAttribute.local_port)  # noqa: S610 - not Django
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"tcp")
                assert await stream.receive() == b"tcp"
                with anyio.move_on_after(300):
                    await stream.receive()
            async with await anyio.connect_unix("/run/anyio.sock") as stream:
                await stream.send(b"unix")
                assert await stream.receive() == b"unix"
            async with (
                await anyio.create_udp_socket(local_host="127.0.0.1") as first,
                await anyio.create_udp_socket(local_host="127.0.0.1") as second,
            ):
                port = second.extra(SocketAttribute.local_port)  # noqa: S610
                await first.sendto(b"udp", "127.0.0.1", port)
                assert (await second.receive())[0] == b"udp"
            assert await anyio.to_thread.run_sync(lambda: 42) == 42
            group.cancel_scope.cancel()

    assert live(main).time == 300


def test_asyncssh(live):
    """asyncssh: a command with input, output and an exit status."""
    asyncssh = pytest.importorskip("asyncssh")
    key = asyncssh.generate_private_key("ssh-ed25519")

    class Server(asyncssh.SSHServer):
        def begin_auth(self, _username):
            return False

    async def execute(process):
        data = await process.stdin.read()
        process.stdout.write(f"{process.command}: {len(data)}")
        process.exit(3)

    async def main():
        server = await asyncssh.listen(
            "127.0.0.1",
            2222,
            server_factory=Server,
            server_host_keys=[key],
            process_factory=execute,
        )
        async with asyncssh.connect(
            "127.0.0.1", 2222, known_hosts=None, username="u", client_keys=None, config=None
        ) as connection:
            result = await connection.run("count", input="x" * 100_000)
            assert (result.stdout, result.exit_status) == ("count: 100000", 3)
        server.close()
        await server.wait_closed()

    live(main)


def test_aioquic(live):
    """aioquic: QUIC over UDP, a stream of a hundred kilobytes there and back."""
    pytest.importorskip("aioquic")
    from aioquic.asyncio import connect, serve
    from aioquic.quic.configuration import QuicConfiguration

    def handle(reader, writer):
        async def answer():
            writer.write((await reader.read())[::-1])
            writer.write_eof()

        tasks.append(asyncio.ensure_future(answer()))

    tasks = []

    async def main():
        certificate = Path(HERE / "localhost.pem")
        ours = QuicConfiguration(is_client=False, alpn_protocols=["x"])
        ours.load_cert_chain(certificate, certificate)
        theirs = QuicConfiguration(is_client=True, alpn_protocols=["x"], server_name="localhost")
        theirs.load_verify_locations(str(HERE / "ca.pem"))
        server = await serve("127.0.0.1", 4433, configuration=ours, stream_handler=handle)
        async with connect("127.0.0.1", 4433, configuration=theirs) as connection:
            reader, writer = await connection.create_stream()
            writer.write(b"ab" * 50_000)
            writer.write_eof()
            assert await reader.read() == b"ba" * 50_000
        server.close()

    live(main)
