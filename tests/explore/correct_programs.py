"""Programs of every corner that the gate is asked in: what a run is like must not depend on it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time

HERE = "127.0.0.1"


async def streams():
    """Echo lines over TCP, several clients at once, and a big body."""

    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line[::-1])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, HERE, 7000, limit=1 << 20)

    async def client(number):
        reader, writer = await asyncio.open_connection(HERE, 7000, limit=1 << 20)
        for size in (1, 10, 300_000):
            writer.write(b"x" * size + b"%d\n" % number)
            await writer.drain()
            assert await reader.readexactly(1) == b"\n"
            await reader.readexactly(size + len(str(number)))
            await asyncio.sleep(0.1 * number)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*[client(number) for number in range(4)])
    server.close()
    return asyncio.get_running_loop().time()


async def unix_sockets():
    """Talk over a UNIX socket."""

    async def serve(reader, writer):
        writer.write((await reader.read())[::-1])
        writer.close()

    path = os.path.join(tempfile.gettempdir(), "explored.sock")  # noqa: PTH118 - a name
    server = await asyncio.start_unix_server(serve, path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"abc")
    writer.write_eof()
    assert await reader.read() == b"cba"
    writer.close()
    server.close()


async def datagrams():
    """Send datagrams back and forth."""
    loop = asyncio.get_running_loop()
    got = []

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(data[::-1], addr)

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            del addr
            got.append(data)

    server, _ = await loop.create_datagram_endpoint(Server, local_addr=(HERE, 7001))
    client, _ = await loop.create_datagram_endpoint(Client, remote_addr=(HERE, 7001))
    for number in range(5):
        client.sendto(b"%d." % number)
    await asyncio.sleep(1000)
    assert len(got) == 5
    client.close()
    server.close()


async def bare_sockets():
    """Use sock_* and add_reader."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server((HERE, 7002))
    listener.setblocking(False)

    async def serve():
        sock, _ = await loop.sock_accept(listener)
        while data := await loop.sock_recv(sock, 1000):
            await loop.sock_sendall(sock, data.upper())
        sock.close()

    serving = asyncio.create_task(serve())
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, (HERE, 7002))
    await loop.sock_sendall(sock, b"hello, world")
    seen = bytearray()
    while len(seen) < 12:
        buffer = bytearray(100)
        seen += buffer[: await loop.sock_recv_into(sock, buffer)]
    assert seen == b"HELLO, WORLD"
    arrived = asyncio.Event()
    loop.add_reader(sock, arrived.set)
    await loop.sock_sendall(sock, b"again")
    await arrived.wait()
    loop.remove_reader(sock)
    assert await loop.sock_recv(sock, 100)
    sock.shutdown(socket.SHUT_WR)
    while await loop.sock_recv(sock, 100):
        pass
    sock.close()
    await serving
    listener.close()


async def threads():
    """Run jobs in threads, and sleep there."""

    def work(number):
        time.sleep(0.1 * number)
        return number

    assert await asyncio.gather(*[asyncio.to_thread(work, n) for n in range(5)]) == list(range(5))


async def names_and_signals():
    """Resolve a name, handle a signal."""
    loop = asyncio.get_running_loop()
    loop.world.names.add("db.internal", HERE)
    loop.world.names.delay("db.internal", 0.2)
    assert (await loop.getaddrinfo("db.internal", 80))[0][4] == (HERE, 80)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.call_later(1, loop.deliver_signal, signal.SIGTERM)
    await stopped.wait()


async def processes():
    """Start a program and read what it writes."""
    loop = asyncio.get_running_loop()

    async def shout(process):
        process.stdout.write((await process.stdin.read()).upper())
        await asyncio.sleep(1)
        return 3

    loop.world.programs.register("shout", shout)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("shout", stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(b"hello")
    assert (out, process.returncode) == (b"HELLO", 3)


async def primitives():
    """Use asyncio's own primitives: locks, queues, groups, timeouts."""
    queue = asyncio.Queue(2)
    lock = asyncio.Lock()
    seen = []

    async def produce():
        for number in range(10):
            await queue.put(number)
            await asyncio.sleep(0.01)

    async def consume():
        for _ in range(10):
            item = await queue.get()
            async with lock:
                await asyncio.sleep(0.02)
                seen.append(item)

    async with asyncio.timeout(10_000), asyncio.TaskGroup() as group:
        group.create_task(produce())
        group.create_task(consume())
    assert seen == list(range(10))


async def a_loop_in_a_thread():
    """Run a second loop in a thread, which has a schedule of its own."""

    async def inner():
        reader, writer = await asyncio.open_connection(HERE, 7003)
        writer.write(b"inside")
        data = await reader.read()
        writer.close()
        return data

    async def serve(reader, writer):
        writer.write(await reader.readexactly(6))
        writer.close()

    server = await asyncio.start_server(serve, HERE, 7003)
    assert await asyncio.to_thread(asyncio.run, inner()) == b"inside"
    server.close()


async def finalizers():
    """Let go of objects at several moments; when is a part of what a run prints."""
    loop = asyncio.get_running_loop()

    class Held:
        def call(self):
            """Do nothing."""

        def __del__(self):
            sys.stdout.write(f"gone at {loop.time()}\n")

    async def hold(held):
        await asyncio.sleep(0)
        held.call()

    loop.call_later(0.05, Held().call)
    loop.call_soon(Held().call)
    task = loop.create_task(hold(Held()))
    await asyncio.sleep(0.5)
    assert task.done()


PROGRAMS = [
    streams,
    unix_sockets,
    datagrams,
    bare_sockets,
    threads,
    names_and_signals,
    processes,
    primitives,
    a_loop_in_a_thread,
    finalizers,
]
