"""Unmodified libraries through a slow way, a cut of 5 s, and a server that loses its power.

Owns: one story, and for each library how it serves and asks. What TCP does is measured on Linux
(``tests/wire``); here it is seen through the libraries: when an answer comes, and what is raised.

Each library was run through the same story on Linux, in two network namespaces with a bridge, where
a way takes no time: the answer came after 6.4 to 6.9 s, the loss after 3.1 to 3.4 s, and QUIC's
idle time-out after 20 s. Here, without latency, it is 6.5 to 6.7 s, 3.1 to 3.3 s and 20 s.
"""

from __future__ import annotations

import asyncio
import runpy
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ..loop_io.certificates import HERE as CERTIFICATES  # noqa: TID252 - shared by two folders
from ..loop_io.certificates import client_context, server_context  # noqa: TID252 - the same
from .test_add_host import world
from .test_libraries_on_hosts import run_twice

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

RESP_SERVER = Path(__file__).parents[2] / "examples/resp_server.py"


class Library:
    """What is said of each library, unless it is another."""

    last_words = "lost"
    """What a client hears last on a connection to a server that has lost its power."""
    idle = None
    """After how many seconds a library gives a silent connection up by itself."""


class Streams(Library):
    """asyncio's own streams: each line is answered in capitals."""

    lost = ConnectionResetError

    async def serve(self):
        async def talk(reader, writer):
            while line := await reader.readline():
                writer.write(line.upper())
            writer.close()

        server = await asyncio.start_server(talk, port=7000, **self.ours())
        await server.serve_forever()

    @asynccontextmanager
    async def connect(self):
        reader, writer = await asyncio.open_connection("server", 7000, **self.theirs())

        async def ask(text):
            writer.write(text.encode() + b"\n")
            return (await reader.readline()).decode().strip()

        yield ask
        writer.close()

    def ours(self):
        return {}

    def theirs(self):
        return {}


class Tls(Streams):
    """The same over TLS."""

    def ours(self):
        return {"ssl": server_context()}

    def theirs(self):
        return {"ssl": client_context(), "server_hostname": "localhost"}


class Aiohttp(Library):
    """A POST for each question, over one connection that is kept."""

    def __init__(self):
        self.aiohttp = pytest.importorskip("aiohttp")
        self.web = pytest.importorskip("aiohttp.web")
        self.lost = self.aiohttp.ClientOSError

    async def serve(self):
        async def answer(request):
            return self.web.Response(text=(await request.text()).upper())

        runner = self.web.AppRunner(app := self.web.Application())
        app.router.add_post("/", answer)
        await runner.setup()
        await self.web.TCPSite(runner, port=8080, ssl_context=self.context(server_context)).start()
        await asyncio.Future()

    def context(self, _make):
        return None

    @asynccontextmanager
    async def connect(self):
        context = self.context(client_context)
        scheme = "https" if context else "http"
        more = {"ssl": context, "server_hostname": "localhost"} if context else {}
        async with self.aiohttp.ClientSession() as session:

            async def ask(text):
                url = f"{scheme}://server:8080/"
                async with session.post(url, data=text, **more) as response:
                    return await response.text()

            yield ask


class AiohttpTls(Aiohttp):
    """The same over TLS."""

    def context(self, make):
        return make()


class Websockets(Library):
    """An echo, with the library's own keep-alive out of the way."""

    def __init__(self):
        self.websockets = pytest.importorskip("websockets")
        self.lost = self.websockets.ConnectionClosedError

    async def serve(self):
        async def talk(connection):
            async for message in connection:
                await connection.send(message.upper())

        async with self.websockets.serve(talk, "", 8765, ping_interval=None):
            await asyncio.Future()

    @asynccontextmanager
    async def connect(self):
        url = "ws://server:8765"
        async with self.websockets.connect(url, ping_interval=None) as connection:

            async def ask(text):
                await connection.send(text)
                return await connection.recv()

            yield ask


class Redis(Library):
    """The client, without retries, against the stand-in of the examples."""

    def __init__(self):
        self.redis = pytest.importorskip("redis.asyncio")
        self.retry = pytest.importorskip("redis.asyncio.retry")
        self.backoff = pytest.importorskip("redis.backoff")
        self.lost = self.redis.ConnectionError
        self.serve = runpy.run_path(str(RESP_SERVER))["serve"]

    @asynccontextmanager
    async def connect(self):
        never = self.retry.Retry(self.backoff.NoBackoff(), 0)
        client = self.redis.Redis(host="server", protocol=2, retry=never, socket_timeout=None)

        async def ask(text):
            await client.set("text", text.upper())
            return (await client.get("text")).decode()

        async with client:
            yield ask


class Grpclib(Library):
    """A unary call for each question, over one channel."""

    def __init__(self):
        self.client = pytest.importorskip("grpclib.client")
        self.const = pytest.importorskip("grpclib.const")
        self.encoding = pytest.importorskip("grpclib.encoding.base")
        self.server = pytest.importorskip("grpclib.server")
        self.lost = (pytest.importorskip("grpclib.exceptions").StreamTerminatedError, OSError)

    def codec(self):
        class Raw(self.encoding.CodecBase):
            __content_subtype__ = "raw"

            def encode(self, message, _type):
                return message

            def decode(self, data, _type):
                return data

        return Raw()

    async def serve(self):
        kind = self.const.Cardinality.UNARY_UNARY
        make = self.const.Handler

        class Service:
            async def upper(self, stream):
                await stream.send_message((await stream.recv_message()).upper())

            def __mapping__(self):
                return {"/s.S/Up": make(self.upper, kind, bytes, bytes)}

        server = self.server.Server([Service()], codec=self.codec())
        await server.start(port=50051)
        await server.wait_closed()

    @asynccontextmanager
    async def connect(self):
        async with self.client.Channel("server", 50051, codec=self.codec()) as channel:
            upper = self.client.UnaryUnaryMethod(channel, "/s.S/Up", bytes, bytes)

            async def ask(text):
                return (await upper(text.encode())).decode()

            yield ask


class Aioquic(Library):
    """A stream for each question, over UDP, where nothing answers in the place of the dead."""

    lost = ConnectionError
    last_words = ""
    idle = 20.0

    def __init__(self):
        self.asyncio = pytest.importorskip("aioquic.asyncio")
        configuration = pytest.importorskip("aioquic.quic.configuration").QuicConfiguration
        name = {"alpn_protocols": ["x"], "idle_timeout": self.idle}
        self.ours = configuration(is_client=False, **name)
        pem = CERTIFICATES / "localhost.pem"
        self.ours.load_cert_chain(pem, pem)
        self.theirs = configuration(is_client=True, server_name="localhost", **name)
        self.theirs.load_verify_locations(str(CERTIFICATES / "ca.pem"))

    async def serve(self):
        tasks = []

        def handle(reader, writer):
            async def answer():
                writer.write((await reader.read()).upper())
                writer.write_eof()

            tasks.append(asyncio.ensure_future(answer()))

        await self.asyncio.serve("::", 4433, configuration=self.ours, stream_handler=handle)
        await asyncio.Future()

    @asynccontextmanager
    async def connect(self):
        async with self.asyncio.connect("server", 4433, configuration=self.theirs) as connection:

            async def ask(text):
                reader, writer = await connection.create_stream()
                writer.write(text.encode())
                writer.write_eof()
                return (await reader.read()).decode()

            yield ask


class Asyncssh(Library):
    """A command for each question, over one connection."""

    def __init__(self):
        self.ssh = pytest.importorskip("asyncssh")
        self.key = self.ssh.generate_private_key("ssh-ed25519")
        self.lost = self.ssh.ChannelOpenError

    async def serve(self):
        class Server(self.ssh.SSHServer):
            def begin_auth(self, _username):
                return False

        def execute(process):
            process.stdout.write(process.command.upper())
            process.exit(0)

        await self.ssh.listen(
            "", 22, server_factory=Server, server_host_keys=[self.key], process_factory=execute
        )
        await asyncio.Future()

    @asynccontextmanager
    async def connect(self):
        none = {"known_hosts": None, "client_keys": None, "config": None}
        async with self.ssh.connect("server", 22, username="u", **none) as connection:

            async def ask(text):
                return (await connection.run(text)).stdout

            yield ask


async def story(library):
    """Let it be slow, cut, and without power; return what the client met, and when."""
    net, server = world().network, world().hosts["server"]
    clock = asyncio.get_running_loop().time
    told = []

    async def ask_of(ask, text):
        asked = clock()
        try:
            answer = await ask(text)
        except library.lost:
            answer = "lost"
        told.append((answer, round(clock() - asked, 2)))

    try:
        async with library.connect() as ask:
            await ask_of(ask, "one")
            net.partition("server", "client")
            asyncio.get_running_loop().call_later(5, net.heal)
            await ask_of(ask, "two")
            server.crash()
            asyncio.get_running_loop().call_later(3, server.restart)
            await ask_of(ask, "three")
    except library.lost:
        pass  # Some tell it of the end, too.
    async with library.connect() as ask:
        await ask_of(ask, "four")
    return told


QUICK = (Streams, Tls, Websockets)
SLOW = (Aiohttp, AiohttpTls, Redis, Grpclib, Aioquic, Asyncssh)


@pytest.mark.parametrize(
    "kind", [*QUICK, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)]
)
def test_a_cut_delays_and_a_reboot_ends_a_connection(kind):
    """What is sent in a cut of 5 s arrives after it; a server that boots again answers RST."""
    library = kind()

    async def main():
        told = asyncio.get_running_loop().create_future()

        async def client():
            told.set_result(await story(library))

        world().network.configure(latency=0.02)
        world().add_host("server", library.serve)
        await asyncio.sleep(1)
        world().add_host("client", client)
        return await told

    answers, times = zip(*run_twice(main), strict=True)
    assert answers == ("ONE", "TWO", library.last_words, "FOUR")
    assert max(times[0], times[3]) < 0.2
    assert 5 < times[1] < 10
    assert 3 < times[2] < 7 or times[2] == library.idle
