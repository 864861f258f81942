"""Blocking servers and clients of the standard library, and of others, in threads of a run."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import logging
import logging.handlers
import pickle
import socket
import socketserver
import struct
import threading
import time
import urllib.request
import xmlrpc.client
from multiprocessing.connection import Client, Listener
from xmlrpc.server import SimpleXMLRPCServer

import pytest

from .bodies import BIG, HERE, measure
from .test_asgi import uvicorn_serving

with contextlib.suppress(ImportError):
    import requests  # Now, because when it is imported it tries a socket of IPv6.

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

BASE = f"http://{HERE}:8000"


@contextlib.contextmanager
def served(server):
    """Let a ``socketserver`` serve in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Measure(http.server.BaseHTTPRequestHandler):
    """Tells how long a body is; a GET takes its time."""

    def do_POST(self):
        size = len(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%d" % size)

    def do_GET(self):
        time.sleep(1000)

    def log_message(self, *_args):
        pass


def test_http_server_and_urllib(live):
    """A burst of threads on both sides, five megabytes, a timeout of minutes."""

    def ask(number):
        body = BIG if number == 0 else b"x" * number
        with urllib.request.urlopen(BASE, body) as answer:
            return int(answer.read())

    def dawdle():
        with contextlib.closing(urllib.request.urlopen(BASE, timeout=300)) as answer:
            answer.read()

    async def main():
        with served(http.server.ThreadingHTTPServer((HERE, 8000), Measure)):
            sizes = await asyncio.gather(*[asyncio.to_thread(ask, n) for n in range(20)])
            assert sizes == [len(BIG), *range(1, 20)]
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(dawdle)
            await asyncio.sleep(1000)

    assert live(main).time >= 1300


def test_xmlrpc(live):
    """Procedures of a server in a thread, called from others."""

    def call(number):
        with xmlrpc.client.ServerProxy(BASE) as proxy:
            return proxy.pow(2, number)

    async def main():
        server = SimpleXMLRPCServer((HERE, 8000), logRequests=False)
        server.register_function(pow)
        with served(server):
            return await asyncio.gather(*[asyncio.to_thread(call, n) for n in range(20)])

    assert live(main).value == [2**number for number in range(20)]


@pytest.mark.parametrize("address", [(HERE, 7000), "/run/listener"])
def test_connections_of_multiprocessing(live, address):
    """Listener and Client, which read and write descriptors by ``os``."""

    def serve(listener):
        with listener.accept() as connection:
            while connection.poll(300):
                connection.send(connection.recv())

    def ask():
        with Client(address, authkey=b"key") as connection:
            for value in ({"a": 1}, BIG):
                connection.send(value)
                assert connection.recv() == value
            assert not connection.poll(200)
            time.sleep(200)  # Longer than the server is patient.
            with pytest.raises((EOFError, OSError)):
                connection.recv()

    async def main():
        listener = Listener(address, authkey=b"key")
        serving = asyncio.create_task(asyncio.to_thread(serve, listener))
        await asyncio.to_thread(ask)
        await serving
        listener.close()

    assert 400 <= live(main).time < 401


def test_log_records_over_a_socket(live):
    """SocketHandler sends what a server in a thread unpickles."""
    records = []

    class Unpickle(socketserver.StreamRequestHandler):
        def handle(self):
            while head := self.rfile.read(4):
                records.append(pickle.loads(self.rfile.read(*struct.unpack(">L", head))))  # noqa: S301 - our own

    async def main():
        records.clear()
        with served(socketserver.ThreadingTCPServer((HERE, 9020), Unpickle)):
            handler = logging.handlers.SocketHandler(HERE, 9020)
            for number in range(50):
                await asyncio.to_thread(handler.emit, logging.makeLogRecord({"msg": str(number)}))
            handler.close()
            await asyncio.sleep(1)
        return [record["msg"] for record in records]

    assert live(main).value == [str(number) for number in range(50)]


def test_requests(live):
    """The client that most programs have, in worker threads."""
    pytest.importorskip("requests")
    pytest.importorskip("uvicorn")

    def work(number):
        with requests.Session() as session:
            assert session.post(BASE, data=BIG).text == str(len(BIG))
            assert session.post(BASE, data=b"x" * number).text == str(number)
            with pytest.raises(requests.ReadTimeout):
                session.get(f"{BASE}/slow", timeout=300)

    async def main():
        async with uvicorn_serving(measure):
            await asyncio.gather(*[asyncio.to_thread(work, n) for n in range(1, 6)])

    assert live(main).time >= 300


def test_a_name_that_the_world_knows(live):
    """Blocking clients find servers by the world's names."""

    def ask():
        with socket.create_connection(("db.internal", 5432), timeout=60) as sock:
            sock.sendall(b"x")
            return sock.recv(10), sock.getpeername()

    async def main():
        loop = asyncio.get_running_loop()
        loop.world.names.add("db.internal", HERE)

        async def answer(reader, writer):
            writer.write(await reader.read(1) + b"y")
            writer.close()

        async with await asyncio.start_server(answer, HERE, 5432):
            return await asyncio.to_thread(ask)

    assert live(main).value == (b"xy", (HERE, 5432))
