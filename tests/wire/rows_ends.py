"""Chapter 3 of what Linux shows: ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import simloop

from .machines import LINGER_0, PORT, SERVER, connect, listener, outcome
from .rows import row

ENDS = "Ends"


class Watching(asyncio.Protocol):
    """Note what a protocol hears, and when."""

    def __init__(self, machines):
        self.machines = machines
        self.heard = []
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard.append(("data", len(data)))

    def eof_received(self):
        self.heard.append(("eof", self.machines.now))

    def connection_lost(self, exc):
        self.heard.append((type(exc).__name__, self.machines.now))


def meet(machines, serve):
    """Let the server accept one connection and go on with a function of it."""

    async def accept():
        with listener() as server:
            sock, _ = await asyncio.get_running_loop().sock_accept(server)
        return await serve(sock)

    return machines.start(accept)


def run_pair(make, serve, ask, **conditions):
    """Run both ends; return what the client's function returns."""
    machines = make(**conditions)
    machines.served = meet(machines, lambda sock: serve(machines, sock))

    async def main():
        await asyncio.sleep(1)
        return await ask(machines, await connect(TCP_NODELAY=1))

    return machines.run(main)


async def recv(sock, size=1 << 20):
    """Receive once; the name of the errno if that fails."""
    return await outcome(asyncio.get_running_loop().sock_recv(sock, size))


async def send(sock, data=b"x"):
    """Send once; the name of the errno if that fails."""
    return await outcome(asyncio.get_running_loop().sock_sendall(sock, data))


@row(ENDS, "peer closes, all read: what is received, so much later", (b"", 0.025))
def _(make):
    async def serve(machines, sock):
        await asyncio.sleep(1)
        sock.close()
        return machines.now

    async def ask(machines, sock):
        got = await recv(sock)
        return got, machines.now - machines.served.result()

    return run_pair(make, serve, ask)


@row(ENDS, "the same for a protocol", [("eof", 0.025), ("NoneType", 0.025)])
def _(make):
    async def serve(machines, sock):
        await asyncio.sleep(1)
        sock.close()
        return machines.now

    async def ask(machines, sock):
        watching = Watching(machines)
        await asyncio.get_running_loop().create_connection(lambda: watching, sock=sock)
        await asyncio.sleep(3)
        return [(what, when - machines.served.result()) for what, when in watching.heard]

    return run_pair(make, serve, ask)


@row(ENDS, "peer closes with unread bytes: recv, recv, send", ("ECONNRESET", b"", "EPIPE"))
def _(make):
    async def serve(_, sock):
        await asyncio.sleep(1)
        sock.close()

    async def ask(_, sock):
        await send(sock, b"unread")
        return await recv(sock), await recv(sock), await send(sock)

    return run_pair(make, serve, ask)


@row(ENDS, "peer closes with unread bytes: connection_lost", ["ConnectionResetError"])
def _(make):
    async def serve(_, sock):
        await asyncio.sleep(1)
        sock.close()

    async def ask(machines, sock):
        watching = Watching(machines)
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: watching, sock=sock
        )
        transport.write(b"unread")
        await asyncio.sleep(3)
        return [what for what, _ in watching.heard]

    return run_pair(make, serve, ask)


@row(ENDS, "transport.abort() with 1000 kB written: what arrives, then", (46e3, b""))
def _(make):
    async def serve(_, sock):
        got = 0
        while data := await recv(sock):
            if isinstance(data, str):
                return float(got), data
            got += len(data)
        return float(got), data

    async def ask(machines, sock):
        _, writer = await asyncio.open_connection(sock=sock)
        writer.write(bytes(1_000_000))
        writer.transport.abort()
        await asyncio.sleep(5)
        return machines.served.result()

    return run_pair(make, serve, ask)


@row(ENDS, "SO_LINGER 0 and close()", "ECONNRESET")
def _(make):
    async def serve(_, sock):
        await asyncio.sleep(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        sock.close()

    async def ask(_, sock):
        return await recv(sock)

    return run_pair(make, serve, ask)


@row(ENDS, "peer closed: write, and 1 RTT later again", (b"", None, "EPIPE"))
def _(make):
    async def serve(_, sock):
        sock.close()

    async def ask(_, sock):
        eof = await recv(sock)
        first = await send(sock)
        await asyncio.sleep(0.051)
        return eof, first, await send(sock)

    return run_pair(make, serve, ask)


@row(
    ENDS,
    "the same with a StreamReader: read(), wait_closed()",
    ("BrokenPipeError", "BrokenPipeError", False),
)
def _(make):
    async def serve(_, sock):
        sock.close()

    async def ask(_, sock):
        reader, writer = await asyncio.open_connection(sock=sock)
        await reader.read()
        errors = []
        closing = False
        for _ in range(2):
            closing |= writer.is_closing()
            writer.write(b"x")
            await asyncio.sleep(0.051)
        for call in (reader.read(), writer.wait_closed()):
            try:
                await call
            except OSError as error:
                errors.append(type(error).__name__)
        return *errors, closing

    return run_pair(make, serve, ask)


@row(
    ENDS,
    "peer closed, a write each 20 ms: how many pass, then drain()",
    (4, "ConnectionResetError", None),
)
def _(make):
    async def serve(_, sock):
        sock.close()

    async def ask(_, sock):
        _, writer = await asyncio.open_connection(sock=sock)
        await asyncio.sleep(0.1)
        passed = 0
        while True:
            writer.write(b"x")
            passed += 1
            try:
                await writer.drain()
            except OSError as error:
                return passed, type(error).__name__, error.errno
            await asyncio.sleep(0.02)

    return run_pair(make, serve, ask)


@row(ENDS, "reset after 10 kB that were not read: recv three times", (10_000, "ECONNRESET", b""))
def _(make):
    async def serve(_, sock):
        await send(sock, bytes(10_000))
        await asyncio.sleep(0.5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        sock.close()

    async def ask(_, sock):
        await asyncio.sleep(1)
        return len(await recv(sock)), await recv(sock), await recv(sock)

    return run_pair(make, serve, ask)


@row(ENDS, "the same with a StreamReader", "ConnectionResetError")
def _(make):
    async def serve(_, sock):
        await send(sock, bytes(10_000))
        await asyncio.sleep(0.5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        sock.close()

    async def ask(_, sock):
        reader, _ = await asyncio.open_connection(sock=sock)
        await asyncio.sleep(1)
        try:
            return await reader.read(100)
        except OSError as error:
            return type(error).__name__

    return run_pair(make, serve, ask)


@row(ENDS, "bytes and FIN came, then a reset: recv, recv, send", (b"bytes", b"", "EPIPE"))
def _(make):
    async def serve(_, sock):
        await send(sock, b"bytes")
        sock.close()

    async def ask(_, sock):
        await asyncio.sleep(0.5)
        await send(sock, b"draws a reset")
        await asyncio.sleep(0.5)
        return await recv(sock), await recv(sock), await send(sock)

    return run_pair(make, serve, ask)


@row(ENDS, "FIN lost: end of stream so much later", 0.3)
def _(make):
    async def serve(machines, sock):
        await asyncio.sleep(1)
        sock.close()
        return machines.now

    async def ask(machines, sock):
        lost = []

        def rule(packet):
            if packet.kind == "fin" and not lost:
                lost.append(packet)
                return simloop.Drop()
            return None

        with machines.net.rule(rule):
            await recv(sock)
        return machines.now - machines.served.result()

    return run_pair(make, serve, ask, latency=0.025)


@row(ENDS, "RST lost: nothing for 10 s, then a write, and then", ("nothing", None, "ECONNRESET"))
def _(make):
    async def serve(_, sock):
        await asyncio.sleep(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        sock.close()

    async def ask(machines, sock):
        lost = []

        def rule(packet):
            if packet.kind == "rst" and not lost:
                lost.append(packet)
                return simloop.Drop()
            return None

        with machines.net.rule(rule):
            try:
                async with asyncio.timeout(10):
                    first = await recv(sock)
            except TimeoutError:
                first = "nothing"
            return first, await send(sock), await recv(sock)

    return run_pair(make, serve, ask)


@row(ENDS, "half close: the peer reads to the end, and still answers", (b"question", b"answer"))
def _(make):
    async def serve(_, sock):
        reader, writer = await asyncio.open_connection(sock=sock)
        question = await reader.read()
        writer.write(b"answer")
        writer.close()
        return question

    async def ask(machines, sock):
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(b"question")
        writer.write_eof()
        with contextlib.suppress(RuntimeError):
            writer.write(b"more")
            return "a write passed"
        answer = await reader.read()
        writer.close()
        return machines.served.result(), answer

    return run_pair(make, serve, ask)


@row(
    ENDS,
    "both close at once: connection_lost(None) on both, TIME_WAIT on both",
    ["NoneType", "NoneType", 2],
)
def _(make):
    machines = make()
    ends = [Watching(machines), Watching(machines)]

    async def serve(sock):
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: ends[1], sock=sock
        )
        await asyncio.sleep(2 - machines.now)
        transport.close()

    async def main():
        await asyncio.sleep(1)
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: ends[0], SERVER, PORT
        )
        await asyncio.sleep(2 - machines.now)
        transport.close()
        await asyncio.sleep(3)
        records = machines.net.sockets()
        return [
            *(end.heard[-1][0] for end in ends),
            sum(record.state == "TIME_WAIT" for record in records),
        ]

    meet(machines, serve)
    return machines.run(main)


@row(ENDS, "one closes first: TIME_WAIT there only, for 60 s", ([1, 0], [0, 0]))
def _(make):
    machines = make()

    async def serve(sock):
        while await recv(sock):
            pass
        sock.close()

    async def main():
        await asyncio.sleep(1)
        (await connect()).close()
        await asyncio.sleep(3)

        def count(host):
            return sum(each.state == "TIME_WAIT" for each in machines.net.sockets(host))

        before = [count("localhost"), count("server")]
        await asyncio.sleep(60)
        return before, [count("localhost"), count("server")]

    meet(machines, serve)
    return machines.run(main)


@row(ENDS, "the answer comes after our close(): the answerer's next write", "EPIPE")
def _(make):
    async def serve(_, sock):
        await recv(sock)
        await asyncio.sleep(1)
        await send(sock, b"answer")
        await asyncio.sleep(1)
        return await send(sock)

    async def ask(machines, sock):
        await send(sock, b"question")
        await asyncio.sleep(0.5)
        sock.close()
        await asyncio.sleep(5)
        return machines.served.result()

    return run_pair(make, serve, ask)


@row(ENDS, "FIN_WAIT2 without a program: how many after 50 s, after 61 s", (1, 0))
def _(make):
    async def serve(_, sock):
        await asyncio.sleep(1000)
        sock.close()

    async def ask(machines, sock):
        sock.close()

        def count():
            return sum(each.state == "FIN_WAIT2" for each in machines.net.sockets("localhost"))

        await asyncio.sleep(50)
        before = count()
        await asyncio.sleep(11)
        return before, count()

    return run_pair(make, serve, ask)
