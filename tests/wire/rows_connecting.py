"""Chapter 1 of what Linux shows: connecting."""

from __future__ import annotations

import asyncio
import errno
import socket

import simloop

from .machines import LINGER_0, PORT, SERVER, Clock, connect, listener, outcome, serve_echo
from .rows import row

CONNECTING = "Connecting"
NOBODY = "10.0.0.99"


async def accept_at(machines, sock):
    """Accept one connection; return it and when that was."""
    child, _ = await asyncio.get_running_loop().sock_accept(sock)
    return child, machines.now


def timed_connect(machines, *, address=SERVER, port=PORT, after=0.0, **options):
    """Connect; return how it went and how long it took."""

    async def main():
        await asyncio.sleep(after)
        clock = Clock(machines)
        result = await outcome(connect(address, port, **options))
        return (result if isinstance(result, str) else "ok"), clock()

    return machines.run(main)


def listening(machines, **options):
    """Let the server listen, and accept for ever."""

    async def serve():
        with listener(**options) as sock:
            while True:
                machines.accepted.append((await accept_at(machines, sock))[1])

    machines.accepted = []
    machines.start(serve)


@row(CONNECTING, "listener there: connect, accept", ("ok", 0.051, 0.077))
def _(make):
    machines = make()
    listening(machines)

    async def main():
        await asyncio.sleep(1)
        clock = Clock(machines)
        await connect()
        took = clock()
        await asyncio.sleep(1)
        return "ok", took, machines.accepted[0] - clock.began

    return machines.run(main)


@row(CONNECTING, "listener there, one switch, nothing known of it yet", ("ok", 0.102))
def _(make):
    machines = make(switched=True)
    listening(machines)
    return timed_connect(machines, after=1)


@row(CONNECTING, "port closed", ("ECONNREFUSED", 0.05))
def _(make):
    return timed_connect(make())


@row(CONNECTING, "port closed, own machine", ("ECONNREFUSED", 0.0))
def _(make):
    return timed_connect(make(), address="127.0.0.1")


@row(CONNECTING, "nobody's address, one switch", ("EHOSTUNREACH", 3.06))
def _(make):
    return timed_connect(make(switched=True), address=NOBODY)


@row(CONNECTING, "dead host, one switch", ("EHOSTUNREACH", 3.06))
def _(make):
    machines = make(switched=True)
    machines.power_off()
    return timed_connect(machines)


@row(CONNECTING, "dead host, one switch, heard of a moment ago", ("EHOSTUNREACH", 71.0))
def _(make):
    machines = make(switched=True)
    machines.start(serve_echo)

    async def meet():
        await asyncio.sleep(1)
        (await connect()).close()
        await asyncio.sleep(1)

    machines.run(meet)
    machines.power_off()
    return timed_connect(machines)


@row(CONNECTING, "dead host, silent", ("ETIMEDOUT", 133.8))
def _(make):
    return timed_connect(make(), address=NOBODY)


for retries, took in ((1, 3.08), (2, 7.1)):

    @row(CONNECTING, f"dead host, silent, tcp_syn_retries = {retries}", ("ETIMEDOUT", took))
    def _(make, retries=retries):
        machines = make()
        machines.client_host.sysctl["net.ipv4.tcp_syn_retries"] = retries
        return timed_connect(machines, address=NOBODY)


@row(CONNECTING, "dead host, silent, TCP_SYNCNT = 1", ("ETIMEDOUT", 3.08))
def _(make):
    return timed_connect(make(), address=NOBODY, TCP_SYNCNT=1)


def losing(kind, count):
    """Return a rule that loses the first packets of a kind."""
    left = [count]

    def rule(packet):
        if packet.kind == kind and left[0]:
            left[0] -= 1
            return simloop.Drop()
        return None

    return rule


for count, took in ((1, 1.07), (2, 2.1), (3, 3.1), (5, 5.2), (7, 11.4)):

    @row(CONNECTING, f"first {count} SYNs lost", ("ok", took))
    def _(make, count=count):
        machines = make()
        listening(machines)
        with machines.net.rule(losing("syn", count)):
            return timed_connect(machines, after=1)


@row(CONNECTING, "SYN+ACK lost once", ("ok", 1.06))
def _(make):
    machines = make()
    listening(machines)
    with machines.net.rule(losing("syn-ack", 1)):
        return timed_connect(machines, after=1)


@row(CONNECTING, "last ACK of the handshake lost: connect, accept", ("ok", 0.05, 1.1))
def _(make):
    machines = make()
    listening(machines)

    async def main():
        await asyncio.sleep(1)
        clock = Clock(machines)
        sock = await connect()
        took = clock()
        await asyncio.sleep(5)
        sock.close()
        return "ok", took, machines.accepted[0] - clock.began

    with machines.net.rule(losing("ack", 1)):
        return machines.run(main)


@row(CONNECTING, "last ACK of the handshake lost, data 0.2 s later: accept", ("ok", 0.225))
def _(make):
    machines = make()
    listening(machines)

    async def main():
        await asyncio.sleep(1)
        clock = Clock(machines)
        sock = await connect()
        await asyncio.sleep(0.2 - clock())
        await asyncio.get_running_loop().sock_sendall(sock, b"data")
        await asyncio.sleep(5)
        return "ok", machines.accepted[0] - clock.began

    with machines.net.rule(losing("ack", 1)):
        return machines.run(main)


for refuse, name in (
    ("host", "EHOSTUNREACH"),
    ("net", "ENETUNREACH"),
    ("port", "ECONNREFUSED"),
    ("admin", "EHOSTUNREACH"),
):

    @row(CONNECTING, f"router says {refuse} unreachable", (name, 0.05))
    def _(make, refuse=refuse):
        machines = make()
        machines.net.partition("localhost", "server", refuse=refuse)
        return timed_connect(machines)


@row(CONNECTING, "no route", ("ENETUNREACH", 0.0))
def _(make):
    machines = make()

    async def main():
        clock = Clock(machines)
        with socket.socket(socket.AF_INET6) as sock:
            sock.setblocking(False)
            away = asyncio.get_running_loop().sock_connect(sock, ("2001:db8::1", PORT))
            return await outcome(away), clock()

    return machines.run(main)


@row(CONNECTING, "listen(3), no accept: how many of 10 connect, one after another", 4)
def _(make):
    machines = make()

    async def serve():
        with listener(backlog=3):
            await asyncio.sleep(1000)

    async def main():
        await asyncio.sleep(1)
        kept = []
        for _ in range(10):
            try:
                async with asyncio.timeout(0.5):
                    kept.append(await connect())
            except TimeoutError:
                pass
        return len(kept)

    machines.start(serve)
    return machines.run(main)


@row(CONNECTING, "110 at once, backlog 100, no accept: connected, queued", (110, 101))
def _(make):
    machines = make()
    servers = []

    async def serve():
        with listener() as sock:
            servers.append(sock)
            await asyncio.sleep(1000)

    async def main():
        await asyncio.sleep(1)
        socks = await asyncio.gather(*(connect() for _ in range(110)))
        await asyncio.sleep(0.5)
        return len(socks), len(servers[0].file.queue)

    machines.start(serve)
    return machines.run(main)


@row(
    CONNECTING,
    "500 at once, backlog 100, live loop: connected, accepted",
    (500, 500, 0.1),
    absolute=0.055,
)
def _(make):
    machines = make()

    kept = []

    async def serve():
        await asyncio.start_server(lambda *ends: kept.append(ends), "0.0.0.0", PORT)  # noqa: S104
        await asyncio.sleep(1000)

    async def main():
        await asyncio.sleep(1)
        clock = Clock(machines)
        socks = await asyncio.gather(*(connect() for _ in range(500)))
        took = clock()
        await asyncio.sleep(0.05)
        return len(socks), len(kept), took

    machines.start(serve)
    return machines.run(main)


@row(CONNECTING, "listener closed with us in its queue: first read", ("ECONNRESET", 0.025))
def _(make):
    machines = make()
    closed = []

    async def serve():
        sock = listener()
        await asyncio.sleep(2)
        sock.close()
        closed.append(machines.now)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        result = await outcome(asyncio.get_running_loop().sock_recv(sock, 100))
        return result, machines.now - closed[0]

    machines.start(serve)
    return machines.run(main)


@row(
    CONNECTING,
    "peer aborted before accept: getpeername, recv, recv, recv, send",
    ("ENOTCONN", b"hi", "ECONNRESET", b"", "EPIPE"),
)
def _(make):
    machines = make()

    async def serve():
        loop = asyncio.get_running_loop()
        with listener() as sock:
            await asyncio.sleep(3)
            child, _ = await loop.sock_accept(sock)
            results = []
            try:
                child.getpeername()
            except OSError as error:
                results.append(errno.errorcode[error.errno])
            results += [await outcome(loop.sock_recv(child, 100)) for _ in range(3)]
            results.append(await outcome(loop.sock_sendall(child, b"x")))
            return tuple(results)

    served = machines.start(serve)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        await asyncio.get_running_loop().sock_sendall(sock, b"hi")
        await asyncio.sleep(0.5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        sock.close()
        while not served.done():
            await asyncio.sleep(0.1)
        return served.result()

    return machines.run(main)


@row(CONNECTING, "connect cancelled: what the server accepts", 0)
def _(make):
    machines = make()
    listening(machines)

    async def main():
        await asyncio.sleep(1)
        try:
            async with asyncio.timeout(0.01):
                await connect()
        except TimeoutError:
            pass
        await asyncio.sleep(5)
        return len(machines.accepted)

    return machines.run(main)


@row(CONNECTING, "host that boots while we connect", ("ECONNREFUSED", 3.1))
def _(make):
    machines = make()
    machines.power_off()

    async def boot():
        await asyncio.sleep(2.5)
        machines.server_host.power_on()

    machines.start(boot, on="localhost")
    return timed_connect(machines)
