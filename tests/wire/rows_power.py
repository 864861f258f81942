"""Chapter 4 of what Linux shows: power, partitions, pauses."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

from .machines import Clock, connect, echo, listener, outcome, serve_echo
from .rows import row
from .rows_data import warm
from .rows_ends import meet, recv, send

POWER = "Power, partitions, pauses"


def echoing(make, ask, *, switched=False, **options):
    """Connect to an echo, warm up, and go on with a function of machines and socket."""
    machines = make(switched=switched)
    machines.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1, **options)
        await warm(sock, 1)
        await asyncio.sleep(0.5)
        return await ask(machines, sock)

    return machines.run(main)


@row(POWER, "peer loses power, we only read: for an hour", "nothing")
def _(make):
    async def ask(machines, sock):
        machines.power_off()
        try:
            async with asyncio.timeout(3600):
                return await recv(sock)
        except TimeoutError:
            return "nothing"

    return echoing(make, ask)


KEEPALIVE = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3}

for switched in (False, True):

    @row(POWER, f"keep-alive 1/1/3, {'one switch' if switched else 'silent'}", ("ETIMEDOUT", 4.06))
    def _(make, switched=switched):
        async def ask(machines, sock):
            machines.power_off()
            clock = Clock(machines)
            return await recv(sock), clock() + 0.5

        return echoing(make, ask, switched=switched, **KEEPALIVE)


def write_to_nobody(make, *, retries=None, switched=False, refuse=False, **options):
    """Write to a peer without power; return how that ends and when."""

    async def ask(machines, sock):
        if retries is not None:
            machines.client_host.sysctl["net.ipv4.tcp_retries2"] = retries
        if refuse:
            machines.net.partition("localhost", "server", refuse=True)
        else:
            machines.power_off()
        clock = Clock(machines)
        await send(sock)
        return await recv(sock), clock()

    return echoing(make, ask, switched=switched, **options)


for retries, took in ((3, 4.1), (5, 16.5), (8, 132.6), (None, 978.0)):

    @row(POWER, f"peer off, then write, tcp_retries2 = {retries or 15}", ("ETIMEDOUT", took))
    def _(make, retries=retries):
        return write_to_nobody(make, retries=retries)


@row(POWER, "the same on one switch, tcp_retries2 = 5", ("EHOSTUNREACH", 14.3), relative=0.2)
def _(make):
    return write_to_nobody(make, retries=5, switched=True)


@row(POWER, "the same on one switch, tcp_retries2 = 8", ("EHOSTUNREACH", 114.6))
def _(make):
    return write_to_nobody(make, retries=8, switched=True)


@row(POWER, "router says unreachable, tcp_retries2 = 5", ("EHOSTUNREACH", 13.2))
def _(make):
    return write_to_nobody(make, retries=5, refuse=True)


@row(POWER, "TCP_USER_TIMEOUT 2 s, peer off, then write", ("ETIMEDOUT", 2.53))
def _(make):
    return write_to_nobody(make, TCP_USER_TIMEOUT=2000)


@row(POWER, "TCP_USER_TIMEOUT 2 s, idle with keep-alive", ("ETIMEDOUT", 2.0))
def _(make):
    async def ask(machines, sock):
        machines.power_off()
        clock = Clock(machines)
        return await recv(sock), clock() + 0.5

    return echoing(make, ask, TCP_USER_TIMEOUT=2000, **KEEPALIVE)


@row(
    POWER,
    "peer off and on again, then write: write, read, so much later",
    (None, "ECONNRESET", 0.05),
)
def _(make):
    async def ask(machines, sock):
        machines.power_off()
        machines.server_host.power_on()
        clock = Clock(machines)
        return await send(sock), await recv(sock), clock()

    return echoing(make, ask)


@row(POWER, "peer off and on again, keep-alive 1/1/3", ("ECONNRESET", 1.05))
def _(make):
    async def ask(machines, sock):
        clock = Clock(machines)
        machines.power_off()
        machines.server_host.power_on()
        return await recv(sock), clock() + 0.5

    return echoing(make, ask, **KEEPALIVE)


@row(POWER, "unacknowledged data, peer off for 3 s", ("ECONNRESET", 4.16))
def _(make):
    async def ask(machines, sock):
        machines.power_off()
        clock = Clock(machines)
        await send(sock)
        asyncio.get_running_loop().call_later(3, machines.server_host.power_on)
        return await recv(sock), clock()

    return echoing(make, ask)


@row(POWER, "peer off and on again: a new connect", ("ECONNREFUSED", 0.05))
def _(make):
    async def ask(machines, _):
        machines.power_off()
        machines.server_host.power_on()
        clock = Clock(machines)
        return await outcome(connect()), clock()

    return echoing(make, ask)


for seconds, arrives, echoes in (
    (1, 1.06, 0.08),
    (2, 2.09, 0.12),
    (5, 8.3, 3.4),
    (15, 16.5, 1.5),
):

    @row(POWER, f"partition of {seconds} s, one write in it: it arrives after the write", arrives)
    def _(make, seconds=seconds):
        machines = make()
        arrivals = []

        async def serve(sock):
            loop = asyncio.get_running_loop()
            while data := await loop.sock_recv(sock, 100):
                arrivals.append(machines.now)
                await loop.sock_sendall(sock, data)

        async def main():
            loop = asyncio.get_running_loop()
            await asyncio.sleep(1)
            sock = await connect(TCP_NODELAY=1)
            await warm(sock, 1)
            machines.net.partition("localhost", "server")
            loop.call_later(seconds, machines.net.heal)
            clock = Clock(machines)
            await send(sock)
            await recv(sock)
            return arrivals[-1] - clock.began

        meet(machines, serve)
        return machines.run(main)

    @row(POWER, f"the same: echo after the heal of {seconds} s", echoes, absolute=0.3)
    def _(make, seconds=seconds):
        async def ask(machines, sock):
            machines.net.partition("localhost", "server")
            asyncio.get_running_loop().call_later(seconds, machines.net.heal)
            clock = Clock(machines)
            await send(sock)
            await recv(sock)
            return clock() - seconds

        return echoing(make, ask)


@row(POWER, "ICMP unreachable for 5 s: echo after the heal", 0.12, absolute=0.2)
def _(make):
    async def ask(machines, sock):
        machines.net.partition("localhost", "server", refuse=True)
        asyncio.get_running_loop().call_later(5, machines.net.heal)
        clock = Clock(machines)
        await send(sock)
        await recv(sock)
        return clock() - 5

    return echoing(make, ask)


@row(POWER, "held 5 s, then released: the write arrives after", 5.0)
def _(make):
    machines = make()
    arrivals = []

    async def serve(sock):
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 100):
            arrivals.append((machines.now, data))
            await loop.sock_sendall(sock, data)

    async def main():
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1)
        await warm(sock, 1)
        machines.net.hold("localhost", "server")
        asyncio.get_running_loop().call_later(5, machines.net.release)
        clock = Clock(machines)
        await send(sock, b"once")
        await recv(sock)
        await asyncio.sleep(60)
        assert [data for _, data in arrivals] == [b"warm", b"once"]
        return arrivals[-1][0] - clock.began

    meet(machines, serve)
    return machines.run(main)


@row(POWER, "one way, ACKs cut for 5 s: the peer has it after, we hear after", (0.025, 8.7))
def _(make):
    machines = make()
    arrivals = []

    async def serve(sock):
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 100):
            arrivals.append(machines.now)
            await loop.sock_sendall(sock, data)

    async def main():
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1)
        await warm(sock, 1)
        machines.net.partition("server", "localhost", one_way=True)
        asyncio.get_running_loop().call_later(5, machines.net.heal)
        clock = Clock(machines)
        await send(sock)
        await recv(sock)
        return arrivals[-1] - clock.began, clock()

    meet(machines, serve)
    return machines.run(main)


@row(POWER, "1 kB each 50 ms, partition of 2 s: the longest silence, all in order", (2.16, True))
def _(make):
    machines = make()
    got = []

    async def serve(sock):
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 1 << 20):
            got.append((machines.now, data))

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1)
        sent = b""
        for number in range(120):
            if number == 20:
                machines.net.partition("localhost", "server")
                loop.call_later(2, machines.net.heal)
            data = bytes([number]) * 1000
            sent += data
            await loop.sock_sendall(sock, data)
            await asyncio.sleep(0.05)
        await asyncio.sleep(10)
        times = [when for when, _ in got]
        silence = max(later - earlier for earlier, later in itertools.pairwise(times))
        return silence, b"".join(data for _, data in got) == sent

    meet(machines, serve)
    return machines.run(main)


@row(
    POWER,
    "the peer's program reads nothing for 5 s: connect, write; then the echo",
    (0.05, 0.0, 5.0),
)
def _(make):
    machines = make()

    async def serve():
        loop = asyncio.get_running_loop()
        with listener() as server:
            await asyncio.sleep(6 - machines.now)
            sock, _ = await loop.sock_accept(server)
            await echo(sock)

    async def main():
        await asyncio.sleep(1)
        clock = Clock(machines)
        sock = await connect()
        connected = clock()
        await send(sock)
        wrote = clock() - connected
        await recv(sock)
        return connected, wrote, clock()

    machines.start(serve)
    return machines.run(main)


@row(
    POWER,
    "service killed and started again: old connection, listen at once, new connect",
    (b"", "ok", "ok"),
)
def _(make):
    machines = make()

    async def serve():
        loop = asyncio.get_running_loop()
        server = listener()
        sock, _ = await loop.sock_accept(server)
        await asyncio.sleep(1)
        sock.close()
        server.close()
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(listener())
            machines.listens = "ok"
            await loop.sock_accept(server)
            await asyncio.sleep(100)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        end = await recv(sock)
        result = await outcome(connect())
        return end, machines.listens, result if isinstance(result, str) else "ok"

    machines.start(serve)
    return machines.run(main)
