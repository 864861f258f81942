"""Servers and clients with many peers at once, which they keep in sets: who is told first.

``.ci/moved_sets.py`` runs these in different heaps.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref

import pytest

from ..loop_io.certificates import HERE as CERTIFICATES  # noqa: TID252 - shared by two folders
from .bodies import HERE, measure
from .test_databases import store_at
from .test_mail_and_names import SERVICE, printer
from .test_rpc import make_service

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

COUNT = 10


async def in_order(receive, peers, stop):
    """Return the numbers of the peers, in the order in which ``stop()`` reaches them."""
    reached = []

    async def watch(number, peer):
        await receive(peer)
        reached.append(number)

    watching = [asyncio.create_task(watch(*each)) for each in enumerate(peers)]
    await asyncio.sleep(1)
    await stop()
    await asyncio.gather(*watching)
    assert sorted(reached) == list(range(len(peers)))
    return reached


async def http_peers(port):
    """Have connections kept open that have each had an answer."""
    peers = []
    for _ in range(COUNT):
        reader, writer = await asyncio.open_connection(HERE, port)
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"0")
        peers.append((reader, writer))
    return peers


async def read_to_end(peer):
    await peer[0].read()
    peer[1].close()


def test_uvicorn_ends(live):
    """Its shutdown closes the connections that are kept open."""
    uvicorn = pytest.importorskip("uvicorn")

    async def main():
        options = {"lifespan": "off", "log_config": None, "loop": "none", "access_log": False}
        server = uvicorn.Server(uvicorn.Config(measure, HERE, 8000, **options))
        serving = asyncio.create_task(server.serve())
        await asyncio.sleep(1)

        async def stop():
            server.should_exit = True
            await serving

        return await in_order(read_to_end, await http_peers(8000), stop)

    live(main)


def test_hypercorn_ends(live):
    """So does hypercorn's."""
    pytest.importorskip("hypercorn")
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    async def main():
        config, ending = Config(), asyncio.Event()
        config.bind = [f"{HERE}:8000"]
        serving = asyncio.create_task(serve(measure, config, shutdown_trigger=ending.wait))
        await asyncio.sleep(1)

        async def stop():
            ending.set()
            await serving

        return await in_order(read_to_end, await http_peers(8000), stop)

    live(main)


async def receive_until_closed(socket):
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        async for _ in socket:
            pass


def test_websockets_broadcasts_and_ends(live):
    """A broadcast to a set, and the end of a server, reach its connections in one order."""
    pytest.importorskip("websockets")
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import broadcast, serve

    async def main():
        connections, heard = set(), []

        async def handle(connection):
            connections.add(connection)
            async for message in connection:
                broadcast(connections, message)

        server = await serve(handle, HERE, 8765)
        clients = [await connect(f"ws://{HERE}:8765") for _ in range(COUNT)]

        async def listen(number):
            await clients[number].recv()
            heard.append(number)

        listening = [asyncio.create_task(listen(number)) for number in range(COUNT)]
        await clients[3].send("hello")
        await asyncio.gather(*listening)

        async def stop():
            server.close()
            await server.wait_closed()

        return heard, await in_order(receive_until_closed, clients, stop)

    live(main)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_websockets_end(live):
    """The same with the older half of the library."""
    pytest.importorskip("websockets.legacy.server")
    from websockets.legacy.client import connect
    from websockets.legacy.server import serve

    async def main():
        server = await serve(receive_until_closed, HERE, 8765)
        clients = [await connect(f"ws://{HERE}:8765") for _ in range(COUNT)]

        async def stop():
            server.close()
            await server.wait_closed()

        return await in_order(receive_until_closed, clients, stop)

    live(main)


def test_blocking_websockets_end(live):
    """And with its threads."""
    pytest.importorskip("websockets.sync.server")
    from websockets.asyncio.client import connect
    from websockets.sync.server import serve

    async def main():
        def handle(connection):
            for _ in connection:
                pass

        server = await asyncio.to_thread(serve, handle, HERE, 8765)
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever))
        clients = [await connect(f"ws://{HERE}:8765") for _ in range(4)]
        connections = dict.fromkeys(clients)

        async def stop():
            for client in set(connections):
                await client.close()
            await asyncio.to_thread(server.shutdown)
            await serving

        return await in_order(receive_until_closed, clients, stop)

    live(main)


def test_tornado_chats_and_ends(live):
    """A set of WebSocket handlers, as its chat has it; and all HTTP connections are closed."""
    pytest.importorskip("tornado")
    from tornado import httpserver, netutil, web, websocket

    async def main():
        waiters = set()

        class Chat(websocket.WebSocketHandler):
            def open(self):
                waiters.add(self)

            def on_message(self, message):
                for waiter in waiters:
                    waiter.write_message(message)

        class Measure(web.RequestHandler):
            def post(self):
                self.write(str(len(self.request.body)))

        server = httpserver.HTTPServer(web.Application([("/chat", Chat), ("/", Measure)]))
        sockets = netutil.bind_sockets(0, HERE)
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        url = f"ws://{HERE}:{port}/chat"
        clients = [await websocket.websocket_connect(url) for _ in range(COUNT)]

        async def speak():
            await clients[3].write_message("hello")

        heard = await in_order(lambda client: client.read_message(), clients, speak)
        peers = await http_peers(port)
        for client in clients:
            client.close()
        server.stop()
        return heard, await in_order(read_to_end, peers, server.close_all_connections)

    live(main)


def test_redis_disconnects_and_asks_for_scripts(live):
    """A pool closes the connections in use; a pipeline asks for its scripts."""
    redis = pytest.importorskip("redis.asyncio")

    async def main():
        async with store_at("tcp") as where:
            client = redis.Redis(**where)
            pool = client.connection_pool
            connections = [await pool.get_connection() for _ in range(COUNT)]
            scripts = [client.register_script(f"return {number}") for number in range(COUNT)]
            pipe = client.pipeline()
            pipe.scripts.update(scripts)
            order = [scripts.index(script) for script in pipe.scripts]
            listeners = {client.pubsub() for _ in range(COUNT)}
            for listener in listeners:
                await listener.subscribe("news")
            await client.publish("news", "today")
            for listener in listeners:
                await listener.aclose()
            await pool.disconnect()
            used = [connections.index(each) for each in pool._in_use_connections]
            await client.aclose()
            return order, used

    live(main)


def test_zeroconf_tells_its_listeners(live):
    """Requests for several services at once are its listeners, in a set."""
    pytest.importorskip("zeroconf")
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    async def main():
        ours, theirs = (AsyncZeroconf(interfaces=[HERE]) for _ in range(2))
        for number in range(COUNT):
            await (await ours.async_register_service(printer(f"p{number}", number)))
        found, order = [AsyncServiceInfo(SERVICE, f"p{n}.{SERVICE}") for n in range(COUNT)], []

        async def request(number):
            assert await found[number].async_request(theirs.zeroconf, 3000)
            order.append(number)

        await asyncio.gather(*map(request, range(COUNT)))
        listeners = [AsyncServiceInfo(SERVICE, f"q{n}.{SERVICE}") for n in range(COUNT)]
        for listener in listeners:
            theirs.zeroconf.async_add_listener(listener, None)
        told = [listeners.index(each) for each in theirs.zeroconf.record_manager.listeners]
        await ours.async_close()
        await theirs.async_close()
        return order, told

    live(main)


def test_grpclib_ends(live):
    """A program keeps channels in a set of its own, and asks by each and closes each."""
    pytest.importorskip("grpclib")
    pytest.importorskip("google.protobuf")
    from grpclib.client import Channel
    from grpclib.server import Server

    async def main():
        service, call, message = make_service()
        server = Server([service])
        await server.start(HERE, 50051)
        channels = [Channel(HERE, 50051) for _ in range(COUNT)]
        for channel in set(channels):
            answer = await call(channel, "reverse")(message(value=b"abc"))
            assert answer.value == b"cba"
        order = [channels.index(each) for each in set(channels)]
        for channel in set(channels):
            channel.close()
        server.close()
        await server.wait_closed()
        return order

    live(main)


def test_aiohttp_says_goodbye(live):
    """A weak set of its WebSockets, as its documentation has it; connections in use are closed."""
    pytest.importorskip("aiohttp")
    from aiohttp import ClientSession, WSCloseCode, web

    async def main():
        sockets = weakref.WeakSet()

        async def handle(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            sockets.add(socket)
            async for _ in socket:
                pass
            return socket

        async def end(_application):
            for socket in set(sockets):
                await socket.close(code=WSCloseCode.GOING_AWAY, message=b"ends")

        application = web.Application()
        application.add_routes([web.get("/", handle)])
        application.on_shutdown.append(end)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HERE, 8080).start()
        async with ClientSession() as session:
            clients = [await session.ws_connect(f"http://{HERE}:8080/") for _ in range(COUNT)]
            assert len({*clients, *clients}) == COUNT
            return await in_order(lambda client: client.receive(), clients, runner.cleanup)

    live(main)


def test_starlette_broadcasts(live):
    """A set of its WebSockets, served by uvicorn."""
    pytest.importorskip("starlette")
    pytest.importorskip("websockets")
    uvicorn = pytest.importorskip("uvicorn")
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from websockets.asyncio.client import connect

    async def main():
        sockets = set()

        async def endpoint(socket):
            await socket.accept()
            sockets.add(socket)
            async for text in socket.iter_text():
                for each in sockets:
                    await each.send_text(text)

        application = Starlette(routes=[WebSocketRoute("/", endpoint)])
        options = {"lifespan": "off", "log_config": None, "loop": "none", "ws": "websockets-sansio"}
        server = uvicorn.Server(uvicorn.Config(application, HERE, 8000, **options))
        serving = asyncio.create_task(server.serve())
        await asyncio.sleep(1)
        clients = [await connect(f"ws://{HERE}:8000") for _ in range(COUNT)]

        async def speak():
            await clients[3].send("hello")

        heard = await in_order(lambda client: client.recv(), clients, speak)

        async def stop():
            server.should_exit = True
            await serving

        return heard, await in_order(receive_until_closed, clients, stop)

    live(main)


def test_anyio_cancels(live):
    """A scope cancels the scopes of its children, one after the other."""
    anyio = pytest.importorskip("anyio")

    async def main():
        ended = []

        async def child(number):
            with anyio.CancelScope():
                try:
                    await anyio.sleep(1000)
                finally:
                    ended.append(number)

        async with anyio.create_task_group() as group:
            for number in range(COUNT):
                group.start_soon(child, number)
            await anyio.sleep(1)
            group.cancel_scope.cancel()
        events = [anyio.Event() for _ in range(COUNT)]
        return ended, [events.index(each) for each in set(events)]

    live(main)


def test_asyncssh_ends(live):
    """Many connections, with a set of their processes."""
    asyncssh = pytest.importorskip("asyncssh")
    from .test_ssh import connect, serving

    async def main():
        async with serving() as server:
            connections = [await connect() for _ in range(4)]
            processes = [await each.create_process("sleep") for each in connections]
            order = [processes.index(each) for each in set(processes)]

            async def stop():
                server.close()
                for each in set(connections):
                    each.close()

            async def receive(process):
                await process.wait_closed()

            assert asyncssh.SSHClientProcess
            return order, await in_order(receive, processes, stop)

    live(main, is_same=False)


def test_fastapi_answers(live):
    """Requests at once, with dependencies in threads and work that goes on in the background."""
    fastapi = pytest.importorskip("fastapi")
    httpx = pytest.importorskip("httpx")

    async def main():
        told: list[int] = []
        application = fastapi.FastAPI()

        def user(number: int) -> str:  # No coroutine function: it runs in a thread.
            return f"user {number}"

        async def look(number, tasks, who=fastapi.Depends(user)):  # noqa: B008 - as FastAPI has it
            await asyncio.sleep((7 * number) % COUNT / 100)
            tasks.add_task(told.append, number)
            return {"who": who}

        # As strings, which annotations of this file are, FastAPI looks their names up in globals.
        look.__annotations__ = {"number": int, "tasks": fastapi.BackgroundTasks, "who": str}
        user.__annotations__ = {"number": int}
        application.get("/{number}")(look)
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            answers = await asyncio.gather(*[client.get(f"/{each}") for each in range(COUNT)])
        return [answer.json()["who"] for answer in answers], told

    live(main)


def test_aioquic_ends(live):
    """A server of QUIC closes its connections, which it keeps by their identifiers."""
    pytest.importorskip("aioquic")
    from aioquic.asyncio import connect, serve
    from aioquic.quic.configuration import QuicConfiguration

    async def main():
        certificate = CERTIFICATES / "localhost.pem"
        ours = QuicConfiguration(is_client=False, alpn_protocols=["x"])
        ours.load_cert_chain(certificate, certificate)
        server = await serve(HERE, 4433, configuration=ours)
        async with contextlib.AsyncExitStack() as stack:
            clients = []
            for _ in range(COUNT):
                theirs = QuicConfiguration(alpn_protocols=["x"], server_name="localhost")
                theirs.load_verify_locations(str(CERTIFICATES / "ca.pem"))
                client = connect(HERE, 4433, configuration=theirs)
                clients.append(await stack.enter_async_context(client))
            assert len({*clients, *clients}) == COUNT

            async def stop():
                server.close()

            return await in_order(lambda client: client.wait_closed(), clients, stop)

    live(main)


async def serve_nats(reader, writer, subscribers):
    """Be a NATS server for one client: as much of the protocol as publishing takes."""
    writer.write(
        b'INFO {"server_id":"here","version":"2","max_payload":1048576,"headers":true}\r\n'
    )
    with contextlib.suppress(OSError):
        while line := await reader.readline():
            verb, *words = line.split()
            if verb == b"PING":
                writer.write(b"PONG\r\n")
            elif verb == b"SUB":
                subscribers.append((words[0], words[-1], writer))
            elif verb == b"PUB":
                data = await reader.readexactly(int(words[-1]) + 2)
                for subject, number, each in subscribers:
                    if subject == words[0]:
                        told = b" ".join([b"MSG", subject, number, words[-1]])
                        each.write(told + b"\r\n" + data)
    writer.close()


def test_nats_tells_its_subscribers(live):
    """Many clients of one server, which hear of what one publishes, and drain."""
    nats = pytest.importorskip("nats")

    async def main():
        subscribers: list = []
        server = await asyncio.start_server(
            lambda reader, writer: serve_nats(reader, writer, subscribers), HERE, 4222
        )
        clients = [await nats.connect(f"nats://{HERE}:4222") for _ in range(COUNT)]
        subscriptions = [await client.subscribe("news") for client in clients]
        for client in clients:
            await client.flush()

        async def speak():
            await clients[3].publish("news", b"hello")

        heard = await in_order(lambda it: it.next_msg(timeout=60), subscriptions, speak)
        for client in set(clients):
            await client.close()
        server.close()
        return heard

    live(main)
