"""Chapter 2 of what Linux shows: data."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket

import simloop

from .machines import PORT, SERVER, Clock, connect, listener, outcome, serve_echo
from .rows import row

DATA = "Data"
MSS = 1448


async def warm(sock, rounds=3):
    """Echo a few times, so that both ends know the round trip and answer."""
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        await loop.sock_sendall(sock, b"warm")
        await loop.sock_recv(sock, 100)


async def accepted(port=PORT):
    """Return the first connection to this machine."""
    with listener(port) as server:
        return (await asyncio.get_running_loop().sock_accept(server))[0]


async def collect(machines, sizes, **options):
    """Accept one connection and note when which sizes arrive, until its end."""
    del options
    loop = asyncio.get_running_loop()
    sock = await accepted()
    while data := await loop.sock_recv(sock, 1 << 22):
        sizes.append((machines.now, len(data)))
    sizes.append((machines.now, 0))


def losing(*numbers, kind="data", above=0):
    """Return a rule that loses packets of a kind by their number, counted from 1."""
    count = [0]

    def rule(packet):
        if packet.kind == kind and len(packet.data) >= above:
            count[0] += 1
            if count[0] in numbers:
                return simloop.Drop()
        return None

    return rule


@row(DATA, "echo", 0.0507)
def _(make):
    machines = make()
    machines.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1)
        await warm(sock)
        clock = Clock(machines)
        await warm(sock, 1)
        return clock()

    return machines.run(main)


for nodelay, latency, took in (
    (1, 0.025, 0.05),
    (0, 0.025, 0.142),
    (0, 0.0005, 0.046),
):

    @row(
        DATA,
        f"two small writes, then read: TCP_NODELAY = {nodelay}, RTT {2e3 * latency:g} ms",
        took,
    )
    def _(make, nodelay=nodelay, latency=latency):
        machines = make(latency=latency)

        async def serve():
            loop = asyncio.get_running_loop()
            sock = await accepted()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            got = b""
            while data := await loop.sock_recv(sock, 100):
                got += data
                while len(got) >= 8:
                    got = got[8:]
                    await loop.sock_sendall(sock, b"answered")

        async def main():
            loop = asyncio.get_running_loop()
            await asyncio.sleep(1)
            sock = await connect(TCP_NODELAY=nodelay)
            for _ in range(3):
                clock = Clock(machines)
                await loop.sock_sendall(sock, b"half")
                await loop.sock_sendall(sock, b"half")
                await loop.sock_recv(sock, 100)
            return clock()

        machines.start(serve)
        return machines.run(main)


def delay_of_last(make, rule, *, writes=(b"x",), rounds=1):
    """Send after a warm-up, with packets lost; return how much later than half the last arrives."""
    machines = make()
    arrivals = []

    async def serve():
        loop = asyncio.get_running_loop()
        sock = await accepted()
        while data := await loop.sock_recv(sock, 1 << 20):
            if data.startswith(b"warm"):
                await loop.sock_sendall(sock, data)
            else:
                arrivals.append((machines.now, len(data)))

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1)
        await warm(sock, rounds)
        await asyncio.sleep(1)
        with machines.net.rule(rule):
            clock = Clock(machines)
            for data in writes:
                await loop.sock_sendall(sock, data)
            await asyncio.sleep(60)
        return clock.began

    machines.start(serve)
    began = machines.run(main)
    return arrivals[-1][0] - began - 0.025, arrivals


for lost, later in ((1, 0.27), (2, 0.53), (4, 2.06), (6, 8.26)):

    @row(DATA, f"lone segment lost {lost} times: so much later", later)
    def _(make, lost=lost):
        return delay_of_last(make, losing(*range(1, lost + 1)))[0]


EIGHT = tuple(bytes([65 + number]) * MSS for number in range(8))

for what, lost, later in (("first of 8 lost", (1,), 0.05), ("last of 8 lost", (8,), 0.31)):

    @row(DATA, f"{what}: so much later", later)
    def _(make, lost=lost):
        return delay_of_last(make, losing(*lost), writes=EIGHT, rounds=0)[0]


for what, lost, later in (("last 2", (7, 8), 0.157), ("all", range(1, 9), 0.106)):

    @row(DATA, f"{what} of 8 lost: when the probe is sent", later)
    def _(make, lost=lost):
        times = []
        lose = losing(*lost)

        def rule(packet):
            if packet.kind == "data":
                times.append(packet.sent_at)
            return lose(packet)

        delay_of_last(make, rule, writes=EIGHT, rounds=0)
        return times[8] - times[0]


@row(DATA, "what waits behind a hole: sizes of the reads", [1448, 13032])
def _(make):
    machines = make()
    sizes = []
    machines.start(collect, machines, sizes)

    async def main():
        await asyncio.sleep(1)
        sock = await connect(TCP_NODELAY=1)
        with machines.net.rule(losing(2)):
            await asyncio.get_running_loop().sock_sendall(sock, bytes(10 * MSS))
            await asyncio.sleep(5)
        return [size for _, size in sizes]

    return machines.run(main)


@row(DATA, "an acknowledgement lost, duplicates, reordering: the stream is exact", True)
def _(make):
    machines = make(duplicate=0.3, reorder=0.3)
    machines.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection(SERVER, PORT)
        data = b"".join(number.to_bytes(4, "big") for number in range(20_000))
        with machines.net.rule(losing(2, 5, 9, kind="ack")):
            writer.write(data)
            same = await reader.readexactly(len(data)) == data
        writer.close()
        return same

    return machines.run(main)


@row(DATA, "slow start: bytes in successive round trips", [14480, 28960, 57920, 115840])
def _(make):
    machines = make()
    sizes = []
    machines.start(collect, machines, sizes)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        await asyncio.get_running_loop().sock_sendall(sock, bytes(400_000))
        await asyncio.sleep(2)
        rounds = {}
        for when, size in sizes:
            rounds[round(when, 2)] = rounds.get(round(when, 2), 0) + size
        return list(rounds.values())[:4]

    return machines.run(main)


def transfer(make, size, **conditions):
    """Send so many bytes; return how long it takes until all have arrived."""
    machines = make(**conditions)
    sizes = []
    machines.start(collect, machines, sizes)

    async def main():
        await asyncio.sleep(1)
        clock = Clock(machines)
        _, writer = await asyncio.open_connection(SERVER, PORT)
        writer.write(bytes(size))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        while not sizes or sizes[-1][1]:
            await asyncio.sleep(0.5)
        assert sum(each for _, each in sizes) == size
        return sizes[-1][0] - clock.began

    return machines.run(main)


TEN = 10 * 1024 * 1024
RATE = 1_250_000  # 10 Mbit/s


@row(DATA, "10 MiB, no limit of rate", 0.77, slow=True)
def _(make):
    return transfer(make, TEN)


@row(DATA, "10 MiB at 10 Mbit/s", 8.9, slow=True)
def _(make):
    return transfer(make, TEN, bandwidth=RATE)


@row(DATA, "10 MiB at 10 Mbit/s and 1 % loss", 28.1, relative=0.3, slow=True)
def _(make):
    return transfer(make, TEN, bandwidth=RATE, loss=0.01)


@row(DATA, "2 MiB with 1 % loss, RTT 50 ms", 2.0, relative=0.4, slow=True)
def _(make):
    return transfer(make, 2 * 1024 * 1024, loss=0.01)


@row(DATA, "2 MiB with 1 % loss, RTT 1 ms", 0.09, relative=0.4, slow=True)
def _(make):
    return transfer(make, 2 * 1024 * 1024, latency=0.0005, loss=0.01)


@row(DATA, "100 kB in one write, MTU 1500: reads of k segments, but for the last", True)
def _(make):
    machines = make()
    sizes = []
    machines.start(collect, machines, sizes)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        await asyncio.get_running_loop().sock_sendall(sock, bytes(100_000))
        sock.close()
        await asyncio.sleep(2)
        reads = [size for _, size in sizes if size]
        return len(reads) > 1 and not any(size % MSS for size in reads[:-1])

    return machines.run(main)


@row(DATA, "100 kB at 10 Mbit/s: number of reads", 60, relative=0.2)
def _(make):
    machines = make(bandwidth=RATE)
    sizes = []
    machines.start(collect, machines, sizes)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        await asyncio.get_running_loop().sock_sendall(sock, bytes(100_000))
        sock.close()
        await asyncio.sleep(2)
        return 60 if 51 <= len(sizes) - 1 <= 70 else len(sizes) - 1

    return machines.run(main)


@row(DATA, "100 kB in one write over loopback: reads", [100000])
def _(make):
    machines = make()
    sizes = []
    machines.start(collect, machines, sizes, on="localhost")

    async def main():
        await asyncio.sleep(1)
        sock = await connect("127.0.0.1")
        await asyncio.get_running_loop().sock_sendall(sock, bytes(100_000))
        await asyncio.sleep(2)
        return [size for _, size in sizes]

    return machines.run(main)


for pause, reads in ((0, [200]), (0.005, [100, 100])):

    @row(DATA, f"two writes {1000 * pause:g} ms apart: reads", reads)
    def _(make, pause=pause):
        machines = make()
        sizes = []
        machines.start(collect, machines, sizes)

        async def main():
            await asyncio.sleep(1)
            _, writer = await asyncio.open_connection(SERVER, PORT)
            writer.write(bytes(100))
            await asyncio.sleep(pause) if pause else None
            writer.write(bytes(100))
            await asyncio.sleep(2)
            writer.transport.abort()
            return [size for _, size in sizes]

        return machines.run(main)


@row(DATA, "writelines: segments", 1)
def _(make):
    machines = make()
    sizes = []
    seen = []
    machines.start(collect, machines, sizes)

    async def main():
        await asyncio.sleep(1)
        _, writer = await asyncio.open_connection(SERVER, PORT)
        with machines.net.rule(lambda packet: seen.append(packet.kind)):
            writer.writelines([b"one", b"two", b"three"])
            await asyncio.sleep(2)
        writer.transport.abort()
        return seen.count("data")

    return machines.run(main)


def unread(make, *, address=SERVER, on="server", reader=False, **options):
    """Write while nothing reads; return how many bytes the kernels took, and the transport."""
    machines = make()

    async def serve():
        loop = asyncio.get_running_loop()
        if reader:
            readers = []
            await asyncio.start_server(lambda *ends: readers.append(ends), "0.0.0.0", PORT)  # noqa: S104
            await asyncio.sleep(1000)
        with listener() as server:
            for name, value in options.items():
                server.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
            kept = await loop.sock_accept(server)
            await asyncio.sleep(1000)
            del kept

    async def main():
        await asyncio.sleep(1)
        sock = await connect(address, **options)
        _, writer = await asyncio.open_connection(sock=sock)
        sent = 0
        try:
            async with asyncio.timeout(30):
                while True:
                    writer.write(bytes(16_384))
                    sent += 16_384
                    await writer.drain()
        except TimeoutError:
            pass
        waiting = writer.transport.get_write_buffer_size()
        writer.transport.abort()
        return float(sent - waiting), 49_152 <= waiting <= 81_920

    machines.start(serve, on=on)
    return machines.run(main)


@row(DATA, "nobody reads: bytes in the kernels, 64 to 80 kB in the transport", (515e3, True))
def _(make):
    return unread(make)


@row(DATA, "nobody reads, loopback", (3.94e6, True))
def _(make):
    return unread(make, address="127.0.0.1", on="localhost")


@row(DATA, "a StreamReader that nobody reads", (1.83e6, True))
def _(make):
    return unread(make, reader=True)


for size, taken in ((8192, 25e3), (65_536, 227e3)):

    @row(DATA, f"nobody reads, SO_SNDBUF = SO_RCVBUF = {size}", (taken, True))
    def _(make, size=size):
        return unread(make, SO_SNDBUF=size, SO_RCVBUF=size)


@row(DATA, "first send() on a new connection; SO_RCVBUF, SO_SNDBUF", (46e3, 131072, 69120))
def _(make):
    machines = make()
    machines.start(accepted)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        sizes = [
            sock.getsockopt(socket.SOL_SOCKET, name)
            for name in (socket.SO_RCVBUF, socket.SO_SNDBUF)
        ]
        return float(sock.send(bytes(1_000_000))), *sizes

    return machines.run(main)


@row(DATA, "SO_SNDBUF after nobody has read", 539_136.0)
def _(make):
    machines = make()
    machines.start(accepted)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        for _ in range(100):
            await asyncio.sleep(0.1)
            with contextlib.suppress(BlockingIOError):
                sock.send(bytes(1_000_000))
        return float(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))

    return machines.run(main)


@row(DATA, "drain() returns when the transport holds at most", True)
def _(make):
    machines = make()
    sizes = []
    machines.start(collect, machines, sizes)

    async def main():
        await asyncio.sleep(1)
        _, writer = await asyncio.open_connection(SERVER, PORT)
        writer.write(bytes(1_000_000))
        before = writer.transport.get_write_buffer_size()
        await writer.drain()
        after = writer.transport.get_write_buffer_size()
        writer.transport.abort()
        return before > 65_536 and after <= 16_384

    return machines.run(main)


@row(DATA, "closed window, reading begins: more arrives after", 0.05)
def _(make):
    machines = make()

    async def serve():
        loop = asyncio.get_running_loop()
        sock = await accepted()
        await asyncio.sleep(5)
        began = machines.now
        await loop.sock_recv(sock, 1 << 20)
        await loop.sock_recv(sock, 1 << 20)
        return machines.now - began

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        sock = await connect()
        try:
            async with asyncio.timeout(10):
                await loop.sock_sendall(sock, bytes(10_000_000))
        except (TimeoutError, OSError):
            pass
        return served.result()

    served = machines.start(serve)
    return machines.run(main)


@row(DATA, "closed window on a wire that may lose: times between probes", [0.6, 1.2, 2.4])
def _(make):
    machines = make(latency=0.05)
    probes = []

    async def serve():
        kept = await accepted()
        await asyncio.sleep(1000)
        del kept

    def rule(packet):
        if packet.kind == "ack" and packet.source[0] == "localhost" and machines.now > 1.3:
            probes.append(machines.now)

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        with machines.net.rule(rule):
            sock = await connect()
            loop.create_task(outcome(loop.sock_sendall(sock, bytes(10_000_000))))  # noqa: RUF006
            await asyncio.sleep(15)
        return [later - earlier for earlier, later in itertools.pairwise(probes[:4])]

    machines.start(serve)
    return machines.run(main)


@row(DATA, "a window update lost, all lost for 1 s: the writer goes on after", 1.9, relative=0.8)
def _(make):
    machines = make()
    began = []

    async def serve():
        loop = asyncio.get_running_loop()
        sock = await accepted()
        await asyncio.sleep(5)
        began.append(machines.now)
        machines.net.partition("server", "localhost")
        loop.call_later(1, machines.net.heal)
        while await loop.sock_recv(sock, 1 << 20):
            pass

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        sock = await connect()
        with machines.net.rule(lambda _: None):
            try:
                async with asyncio.timeout(3):
                    await loop.sock_sendall(sock, bytes(10_000_000))
            except TimeoutError:
                pass
            gone = asyncio.Event()
            loop.add_writer(sock, gone.set)
            await gone.wait()
            loop.remove_writer(sock)
        return machines.now - began[0]

    machines.start(serve)
    return machines.run(main)
