"""Frameworks with loops and sockets of their own ideas: tornado, Twisted, anyio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time

import pytest

from ..loop_io.certificates import HERE as CERTIFICATES  # noqa: TID252 - shared by two folders
from ..loop_io.certificates import client_context, server_context  # noqa: TID252 - the same
from .bodies import BIG, HERE

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def tornado_application():
    from tornado import web, websocket

    class Measure(web.RequestHandler):
        async def get(self):
            await asyncio.sleep(1000)

        def post(self):
            self.write(str(len(self.request.body)))

    class Reverse(websocket.WebSocketHandler):
        def on_message(self, message):
            self.write_message(message[::-1])

    return web.Application(
        [("/", Measure), ("/socket", Reverse)], log_function=str, websocket_max_message_size=10**8
    )


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_tornado(live, kind):
    """It accepts and receives by itself: a burst, five megabytes, a timeout, a WebSocket."""
    pytest.importorskip("tornado")
    from tornado import httpclient, httpserver, netutil, websocket

    async def main():
        is_tls = kind == "tls"
        options = {"ssl_options": server_context()} if is_tls else {}
        server = httpserver.HTTPServer(tornado_application(), max_buffer_size=10**8, **options)
        sockets = netutil.bind_sockets(0, HERE)
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        client = httpclient.AsyncHTTPClient(force_instance=True, max_clients=50)
        base = f"s://localhost:{port}" if is_tls else f"://{HERE}:{port}"
        trust = {"ssl_options": client_context()} if is_tls else {}

        def post(body):
            raw = {"Content-Type": "application/octet-stream"}
            return client.fetch(f"http{base}/", method="POST", body=body, headers=raw, **trust)

        answers = await asyncio.gather(*[post(b"x" * n) for n in range(50)])
        assert [answer.body for answer in answers] == [b"%d" % n for n in range(50)]
        assert (await post(BIG)).body == b"%d" % len(BIG)
        with pytest.raises(httpclient.HTTPError, match="Timeout"):
            await client.fetch(f"http{base}/", request_timeout=300, **trust)
        request = httpclient.HTTPRequest(f"ws{base}/socket", **trust)
        socket = await websocket.websocket_connect(request, max_message_size=10**8)
        for text in ("abc", "x" * 1_000_000 + "y"):
            await socket.write_message(text)
            assert await socket.read_message() == text[::-1]
        socket.close()
        client.close()
        server.stop()
        await server.close_all_connections()

    assert live(main).time >= 300


def test_tornado_by_a_path(live):
    """It removes a stale socket before it binds, and sets its mode."""
    pytest.importorskip("tornado")
    from tornado import httpserver, netutil

    async def main():
        for mode in (0o600, 0o660):
            server = httpserver.HTTPServer(tornado_application())
            sock = netutil.bind_unix_socket("/run/tornado.sock", mode=mode)
            server.add_socket(sock)
            assert os.stat("/run/tornado.sock").st_mode & 0o777 == mode  # noqa: PTH116 - as it asks
            reader, writer = await asyncio.open_unix_connection("/run/tornado.sock")
            writer.write(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
            assert (await reader.read()).endswith(b"\r\n\r\n3")
            writer.close()
            server.stop()

    live(main)


@contextlib.contextmanager
def twisted_reactor():
    """The reactor of Twisted on the running loop, started as its own ``run`` would start it.

    Twisted has one for each process, as a module; two runs in one process want two.
    """
    from twisted.internet import asyncioreactor

    sys.modules.pop("twisted.internet.reactor", None)
    asyncioreactor.install(asyncio.get_running_loop())
    from twisted.internet import reactor

    # Its pool picks idle threads from a set, in the order of addresses: one leaves no choice.
    reactor.suggestThreadPoolSize(1)
    reactor.startRunning()
    try:
        yield reactor
    finally:
        reactor.disconnectAll()
        reactor.fireSystemEvent("shutdown")
        del sys.modules["twisted.internet.reactor"]


def twisted_protocols():
    from twisted.internet.protocol import Protocol

    class Echo(Protocol):
        def dataReceived(self, data):  # noqa: N802 - Twisted's name
            self.transport.write(data)

    class Collect(Protocol):
        def __init__(self, size):
            self.size, self.got = size, bytearray()
            self.done = asyncio.get_running_loop().create_future()

        def dataReceived(self, data):  # noqa: N802 - the same
            self.got += data
            if len(self.got) >= self.size:
                self.done.set_result(bytes(self.got))
                self.transport.loseConnection()

        def connectionLost(self, reason):  # noqa: N802 - the same
            if not self.done.done():
                self.done.set_exception(reason.value)

    return Echo, Collect


@pytest.mark.parametrize("kind", ["tcp", "tls", "unix"])
def test_twisted(live, kind):
    """asyncioreactor: a burst of connections, five megabytes, timers of minutes, the end."""
    pytest.importorskip("twisted")
    if kind == "tls":
        pytest.importorskip("OpenSSL")
    from twisted.internet import endpoints, task
    from twisted.internet.protocol import Factory

    def both_ends(reactor):
        if kind == "unix":
            path = "/run/twisted.sock"
            server = endpoints.UNIXServerEndpoint(reactor, path)
            return server, endpoints.UNIXClientEndpoint(reactor, path)
        if kind == "tcp":
            server = endpoints.TCP4ServerEndpoint(reactor, 8000, interface=HERE)
            return server, endpoints.TCP4ClientEndpoint(reactor, HERE, 8000)
        from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS

        pem = (CERTIFICATES / "localhost.pem").read_bytes()
        ours = PrivateCertificate.loadPEM(pem).options()
        trust = Certificate.loadPEM((CERTIFICATES / "ca.pem").read_bytes())
        theirs = optionsForClientTLS("localhost", trustRoot=trust)
        server = endpoints.SSL4ServerEndpoint(reactor, 8000, ours, interface=HERE)
        plain = endpoints.TCP4ClientEndpoint(reactor, HERE, 8000)
        return server, endpoints.wrapClientTLS(theirs, plain)

    async def main():
        loop = asyncio.get_running_loop()
        echo, collect = twisted_protocols()
        with twisted_reactor() as reactor:
            server, client = both_ends(reactor)
            port = await server.listen(Factory.forProtocol(echo)).asFuture(loop)

            async def ask(data):
                connecting = endpoints.connectProtocol(client, collect(len(data)))
                protocol = await connecting.asFuture(loop)
                protocol.transport.write(data)
                return await protocol.done

            bodies = [b"%3d" % n for n in range(50)]
            assert await asyncio.gather(*map(ask, bodies)) == bodies
            assert await ask(BIG) == BIG
            await task.deferLater(reactor, 300, int).asFuture(loop)
            await port.stopListening().asFuture(loop)

    assert live(main).time >= 300


def test_twisted_names_and_threads(live):
    """It resolves names and runs functions in its own pool of threads, and UDP."""
    pytest.importorskip("twisted")
    from twisted.internet import threads
    from twisted.internet.protocol import DatagramProtocol

    class Answer(DatagramProtocol):
        def datagramReceived(self, data, address):  # noqa: N802 - Twisted's name
            self.transport.write(data[::-1], address)

    class Ask(DatagramProtocol):
        def startProtocol(self):  # noqa: N802 - the same
            self.answer = asyncio.get_running_loop().create_future()
            self.transport.write(b"abc", (HERE, 9000))

        def datagramReceived(self, data, _address):  # noqa: N802 - the same
            self.answer.set_result(data)

    async def main():
        loop = asyncio.get_running_loop()
        loop.world.names.add("db.internal", "10.0.0.5")
        with twisted_reactor() as reactor:
            assert await reactor.resolve("db.internal").asFuture(loop) == "10.0.0.5"
            naps = [
                threads.deferToThreadPool(reactor, reactor.getThreadPool(), nap, n) for n in (3, 1)
            ]
            assert [await each.asFuture(loop) for each in naps] == [3, 1]
            ports = [reactor.listenUDP(9000, Answer(), interface=HERE)]
            ask = Ask()
            ports.append(reactor.listenUDP(0, ask, interface=HERE))
            assert await ask.answer == b"cba"
            for port in ports:
                await port.stopListening().asFuture(loop)

    assert live(main).time >= 4


def nap(seconds):
    time.sleep(seconds)
    return seconds


async def echo(stream):
    async with stream:
        async for data in stream:
            await stream.send(data)


def test_anyio(live):
    """TCP, TLS, UNIX and UDP sockets: a burst, five megabytes, minutes of patience."""
    anyio = pytest.importorskip("anyio")
    from anyio.abc import SocketAttribute
    from anyio.streams.tls import TLSListener

    async def exchange(connect):
        async def ask(data):
            async with await connect() as stream:
                await stream.send(data)
                got = b""
                while len(got) < len(data):
                    got += await stream.receive()
                return got

        async def check(data):
            assert await ask(data) == data

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(check, b"%3d" % number)
        async with await connect() as stream, anyio.create_task_group() as group:
            group.start_soon(stream.send, BIG)
            size = 0
            while size < len(BIG):
                size += len(await stream.receive())
            with anyio.move_on_after(300) as scope:
                await stream.receive()
            assert scope.cancelled_caught

    async def main():
        async with anyio.create_task_group() as group:
            plain = await anyio.create_tcp_listener(local_host=HERE, local_port=8000)
            secret = await anyio.create_tcp_listener(local_host=HERE, local_port=8443)
            path = await anyio.create_unix_listener("/run/anyio.sock", mode=0o600)
            assert os.stat("/run/anyio.sock").st_mode & 0o777 == 0o600  # noqa: PTH116 - as it asks
            for listener in (plain, TLSListener(secret, server_context()), path):
                group.start_soon(listener.serve, echo)
            await exchange(lambda: anyio.connect_tcp(HERE, 8000))
            await exchange(
                lambda: anyio.connect_tcp("localhost", 8443, ssl_context=client_context())
            )
            await exchange(lambda: anyio.connect_unix("/run/anyio.sock"))
            async with (
                await anyio.create_udp_socket(local_host=HERE) as first,
                await anyio.create_connected_udp_socket(
                    HERE,
                    first.extra(SocketAttribute.local_port),  # noqa: S610 - not Django
                ) as second,
            ):
                await second.send(b"udp")
                assert (await first.receive())[0] == b"udp"
            group.cancel_scope.cancel()

    assert live(main).time >= 900


def test_threads_of_anyio(live):
    """Worker threads that call back, a portal from a thread, and a loop that a thread starts."""
    anyio = pytest.importorskip("anyio")
    from anyio import from_thread, to_thread

    def work(seconds):
        from_thread.run(anyio.sleep, seconds)
        time.sleep(seconds)
        return from_thread.run_sync(lambda: asyncio.get_running_loop().time())

    def start_a_loop():
        with from_thread.start_blocking_portal() as portal:
            portal.call(anyio.sleep, 100)
            future = portal.start_task_soon(nap_async, 50)
            return future.result()

    async def nap_async(seconds):
        await anyio.sleep(seconds)
        return seconds

    async def main():
        loop = asyncio.get_running_loop()
        seen = []

        async def one(seconds):
            await to_thread.run_sync(work, seconds)
            seen.append(loop.time())

        async with anyio.create_task_group() as group:
            for seconds in (3, 1, 2):
                group.start_soon(one, seconds)
        assert seen == [2.0, 4.0, 6.0]
        async with from_thread.BlockingPortal() as portal:
            await to_thread.run_sync(portal.call, anyio.sleep, 4)
        assert await to_thread.run_sync(start_a_loop) == 50
        assert await to_thread.run_sync(anyio.run, nap_async, 40) == 40
        return loop.time()

    assert live(main).value == 200.0


def test_asgiref(live):
    """The bridge of Django and Flask between plain functions and coroutines, both ways."""
    sync = pytest.importorskip("asgiref.sync")

    async def inner(seconds):
        await asyncio.sleep(seconds)
        return seconds

    def plain(seconds):
        time.sleep(seconds)
        return sync.async_to_sync(inner)(seconds)  # On the loop that called.

    async def main():
        calls = [sync.sync_to_async(plain, thread_sensitive=False)(n) for n in (3, 1, 2)]
        assert await asyncio.gather(*calls) == [3, 1, 2]
        assert await asyncio.to_thread(sync.async_to_sync(inner), 60) == 60  # On one of its own.
        return asyncio.get_running_loop().time()

    assert live(main).value == 66.0
