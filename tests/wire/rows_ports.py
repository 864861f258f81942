"""Chapter 5 of what Linux shows: ports, UDP, UNIX sockets, names."""

from __future__ import annotations

import asyncio
import itertools
import socket

from .machines import PORT, SERVER, Clock, connect, name_of, serve_echo, tcp
from .rows import row
from .rows_ends import recv

PORTS = "Ports, UDP, UNIX, names"


def attempt(call, *args):
    """Return "ok", or the name of the errno that a call raises."""
    try:
        call(*args)
    except OSError as error:
        return name_of(error)
    return "ok"


def udp(address=None, **options):
    """Return a non-blocking UDP socket, perhaps bound."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setblocking(False)
    for name, value in options.items():
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    if address is not None:
        sock.bind(address)
    return sock


def on_driver(make, function, **conditions):
    """Run a function of the machines on the driver."""
    machines = make(**conditions)

    async def main():
        return await function(machines)

    return machines.run(main)


@row(
    PORTS, "TCP bind(0) 50 times: all odd, in 32768..60999, none twice in a row", (True, True, True)
)
def _(make):
    async def main(_):
        ports = []
        for _ in range(50):
            with tcp() as sock:
                sock.bind(("0.0.0.0", 0))  # noqa: S104
                ports.append(sock.getsockname()[1])
        pairs = itertools.pairwise(ports)
        return (
            all(port % 2 for port in ports),
            all(32_768 <= port <= 60_999 for port in ports),
            all(first != second for first, second in pairs),
        )

    return on_driver(make, main)


@row(PORTS, "connect: ports of one destination, all even, rising", (True, True))
def _(make):
    machines = make()
    machines.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        ports = [(await connect()).getsockname()[1] for _ in range(20)]
        rising = sum(second > first for first, second in itertools.pairwise(ports))
        return not any(port % 2 for port in ports), rising >= 18

    return machines.run(main)


@row(PORTS, "UDP bind(0) 50 times: both parities", 2)
def _(make):
    async def main(_):
        return len({udp(("0.0.0.0", 0)).getsockname()[1] % 2 for _ in range(50)})  # noqa: S104

    return on_driver(make, main)


@row(PORTS, "no port left: bind(0); connect", ("EADDRINUSE", "EADDRNOTAVAIL"))
def _(make):
    async def main(machines):
        table = machines.client_host.tcp
        table.first, table.last = 40_000, 40_003
        taken = [tcp() for _ in range(4)]
        for port, sock in zip(range(40_000, 40_004), taken, strict=True):
            sock.bind(("0.0.0.0", port))  # noqa: S104
        first = attempt(tcp().bind, ("0.0.0.0", 0))  # noqa: S104
        return first, attempt(tcp().connect, (SERVER, PORT))

    return on_driver(make, main)


@row(PORTS, "one local port, two destinations", True)
def _(make):
    machines = make("other")
    machines.start(serve_echo)
    machines.start(serve_echo, on="other")

    async def main():
        await asyncio.sleep(1)
        machines.client_host.tcp.first = machines.client_host.tcp.last = 40_000
        socks = [await connect(), await connect("10.0.0.3")]
        return [sock.getsockname()[1] for sock in socks] == [40_000, 40_000]

    return machines.run(main)


def closed_first(make, who, *, reuse):
    """Let one end close first; return how the server's port can be listened at again, and when."""
    machines = make()

    async def serve():
        loop = asyncio.get_running_loop()
        server = tcp(SO_REUSEADDR=reuse)
        server.bind(("0.0.0.0", PORT))  # noqa: S104
        server.listen(5)
        sock, _ = await loop.sock_accept(server)
        if who == "server":
            sock.close()
            await asyncio.sleep(1)
        else:
            await recv(sock)
            sock.close()
            await asyncio.sleep(0.1)
        server.close()
        clock = Clock(machines)
        again = tcp(SO_REUSEADDR=reuse)
        first = attempt(again.bind, ("0.0.0.0", PORT))  # noqa: S104
        while attempt(again.bind, ("0.0.0.0", PORT)) == "EADDRINUSE":  # noqa: S104
            await asyncio.sleep(0.1)
        return first, clock()

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        if who == "server":
            await recv(sock)
        sock.close()
        await asyncio.sleep(100)
        return served.result()

    served = machines.start(serve)
    return machines.run(main)


@row(PORTS, "listen again in TIME_WAIT, SO_REUSEADDR", ("ok", 0.0))
def _(make):
    return closed_first(make, "server", reuse=1)


@row(PORTS, "listen again in TIME_WAIT, without: then, until", ("EADDRINUSE", 61.6))
def _(make):
    return closed_first(make, "server", reuse=0)


@row(PORTS, "listen again, the client closed first", ("ok", 0.0))
def _(make):
    return closed_first(make, "client", reuse=0)


@row(
    PORTS,
    "same port: other address, TCP beside UDP, same address, wildcard beside address, "
    "SO_REUSEPORT, foreign address",
    ("ok", "ok", "EADDRINUSE", "EADDRINUSE", "ok", "EADDRNOTAVAIL"),
)
def _(make):
    async def main(_):
        held = tcp()
        held.bind(("10.0.0.1", 7000))
        shared = tcp(SO_REUSEPORT=1)
        shared.bind(("10.0.0.1", 7001))
        return (
            attempt(tcp().bind, ("127.0.0.1", 7000)),
            attempt(udp().bind, ("10.0.0.1", 7000)),
            attempt(tcp().bind, ("10.0.0.1", 7000)),
            attempt(tcp().bind, ("0.0.0.0", 7000)),  # noqa: S104
            attempt(tcp(SO_REUSEPORT=1).bind, ("10.0.0.1", 7001)),
            attempt(tcp().bind, ("10.0.0.77", 7000)),
        )

    return on_driver(make, main)


@row(
    PORTS,
    "UDP to a closed port, connected: first send, 1 RTT later, after that",
    ("ok", "ECONNREFUSED", "ok"),
)
def _(make):
    async def main(_):
        sock = udp()
        sock.connect((SERVER, 9))
        first = attempt(sock.send, b"x")
        await asyncio.sleep(0.051)
        return first, attempt(sock.send, b"x"), attempt(sock.send, b"x")

    return on_driver(make, main)


@row(
    PORTS,
    "the same with asyncio: error_received so much later, transport open",
    ("ECONNREFUSED", 0.05, True),
)
def _(make):
    async def main(machines):
        heard = []

        class Protocol(asyncio.DatagramProtocol):
            def error_received(self, exc):
                heard.append((name_of(exc), machines.now))

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Protocol, remote_addr=(SERVER, 9))
        clock = Clock(machines)
        transport.sendto(b"x")
        await asyncio.sleep(1)
        name, when = heard[0]
        is_open = not transport.is_closing()
        transport.close()
        return name, when - clock.began, is_open

    return on_driver(make, main)


@row(PORTS, "the same over loopback: the very next send", ("ok", "ECONNREFUSED"))
def _(make):
    async def main(_):
        sock = udp()
        sock.connect(("127.0.0.1", 9))
        return attempt(sock.send, b"x"), attempt(sock.send, b"x")

    return on_driver(make, main)


@row(PORTS, "UDP to a closed port, unconnected", ("ok", "ok", "EAGAIN"))
def _(make):
    async def main(_):
        sock = udp()
        first = attempt(sock.sendto, b"x", (SERVER, 9))
        await asyncio.sleep(0.1)
        return first, attempt(sock.sendto, b"x", (SERVER, 9)), attempt(sock.recv, 10)

    return on_driver(make, main)


for how in ("one switch", "router says unreachable"):

    @row(PORTS, f"UDP to a dead host, connected, {how}", ("ok", "ok", "EAGAIN"))
    def _(make, how=how):
        async def main(machines):
            if how == "one switch":
                machines.power_off()
            else:
                machines.net.partition("localhost", "server", refuse=True)
            sock = udp()
            sock.connect((SERVER, 9))
            first = attempt(sock.send, b"x")
            await asyncio.sleep(10)
            return first, attempt(sock.send, b"x"), attempt(sock.recv, 10)

        return on_driver(make, main, switched=how == "one switch")


def receiving(make, send, *, on="server", **conditions):
    """Bind on one machine, send from the driver; return what send gave and what was received."""
    machines = make(**conditions)
    got = []

    async def serve():
        sock = machines.receiver = udp(("0.0.0.0", 9))  # noqa: S104
        await asyncio.sleep(5)
        while attempt(lambda: got.append(sock.recv(100_000))) == "ok":
            pass

    async def main():
        await asyncio.sleep(1)
        result = send(machines)
        await asyncio.sleep(10)
        return result, got

    machines.start(serve, on=on)
    return machines.run(main)


@row(
    PORTS,
    "UDP 65507 bytes; 65508 bytes; an empty datagram; sizes received",
    (["ok", "EMSGSIZE", "ok"], [65507, 0]),
)
def _(make):
    def send(_):
        sock = udp()
        return [attempt(sock.sendto, bytes(size), (SERVER, 9)) for size in (65_507, 65_508, 0)]

    result, got = receiving(make, send)
    return result, [len(data) for data in got]


@row(PORTS, "UDP of 1472 and 1473 bytes at 20 % loss, 500 each: more of the smaller arrive", True)
def _(make):
    machines = make(loss=0.2)
    counts = {1472: 0, 1473: 0}

    async def serve():
        loop = asyncio.get_running_loop()
        sock = udp(("0.0.0.0", 9))  # noqa: S104
        while True:
            counts[len(await loop.sock_recv(sock, 2000))] += 1

    async def main():
        await asyncio.sleep(1)
        sock = udp()
        for _ in range(500):
            for size in counts:
                sock.sendto(bytes(size), (SERVER, 9))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        return 370 < counts[1472] < 430 and 285 < counts[1473] < 355

    machines.start(serve)
    return machines.run(main)


@row(PORTS, "recv(10) of a datagram of 20 bytes cuts it", 10)
def _(make):
    machines = make()

    async def serve():
        return await asyncio.get_running_loop().sock_recv(udp(("0.0.0.0", 9)), 10)  # noqa: S104

    async def main():
        await asyncio.sleep(1)
        udp().sendto(bytes(20), (SERVER, 9))
        await asyncio.sleep(1)
        return len(served.result())

    served = machines.start(serve)
    return machines.run(main)


for size, address, kept in (
    (100, SERVER, 256),
    (1000, SERVER, 123),
    (100, "127.0.0.1", 256),
    (1000, "127.0.0.1", 92),
):

    @row(
        PORTS,
        f"nobody reads 1000 datagrams of {size} bytes, {address}: the first so many are kept",
        kept,
    )
    def _(make, size=size, address=address):
        def send(_):
            sock = udp()
            for number in range(1000):
                sock.sendto(number.to_bytes(2, "big") + bytes(size - 2), (address, 9))

        on = "server" if address == SERVER else "localhost"
        _, got = receiving(make, send, on=on)
        numbers = [int.from_bytes(data[:2], "big") for data in got]
        return len(got) if numbers == list(range(len(got))) else numbers


@row(PORTS, "UDP broadcast: without SO_BROADCAST; who hears it", ("EACCES", ["wild", "own wild"]))
def _(make):
    machines = make()
    heard = []

    async def listen(sock, who):
        await asyncio.get_running_loop().sock_recv(sock, 100)
        heard.append(who)

    async def serve():
        await listen(udp(("0.0.0.0", 9)), "wild")  # noqa: S104

    async def bound():
        await listen(udp((SERVER, 10)), "bound")

    async def main():
        await asyncio.sleep(1)
        own = asyncio.ensure_future(listen(udp(("0.0.0.0", 9)), "own wild"))  # noqa: S104
        refused = attempt(udp().sendto, b"x", ("10.0.0.255", 9))
        for port in (9, 10):
            udp(SO_BROADCAST=1).sendto(b"x", ("10.0.0.255", port))
        await asyncio.sleep(1)
        await own
        return refused, sorted(heard, reverse=True)

    machines.start(serve)
    machines.start(bound)
    return machines.run(main)


@row(
    PORTS,
    "datagram lost, doubled, overtaken: numbers that arrive of 300 are no row",
    (True, True, True),
)
def _(make):
    machines = make(loss=0.1, duplicate=0.1, reorder=0.1)
    got = []

    async def serve():
        loop = asyncio.get_running_loop()
        sock = udp(("0.0.0.0", 9))  # noqa: S104
        while True:
            got.append(int(await loop.sock_recv(sock, 100)))

    async def main():
        await asyncio.sleep(1)
        sock = udp()
        for number in range(300):
            sock.sendto(b"%d" % number, (SERVER, 9))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        return len(set(got)) < 300, len(got) > len(set(got)), got != sorted(got)

    machines.start(serve)
    return machines.run(main)


@row(PORTS, "UNIX: connect without a file; without a listener", ("ENOENT", "ECONNREFUSED"))
def _(make):
    async def main(_):
        sock = socket.socket(socket.AF_UNIX)
        first = attempt(sock.connect, "/tmp/simloop-no-such-file")  # noqa: S108
        bound = socket.socket(socket.AF_UNIX)
        bound.bind("\0wire")
        return first, attempt(sock.connect, "\0wire")

    return on_driver(make, main)


@row(PORTS, "getaddrinfo of no name; of an empty label", ("EAI_NONAME", "UnicodeError"))
def _(make):
    async def main(_):
        loop = asyncio.get_running_loop()
        results = []
        for name in ("no.such.name", "a..b"):
            try:
                await loop.getaddrinfo(name, 80)
            except socket.gaierror as error:
                results.append("EAI_NONAME" if error.errno == socket.EAI_NONAME else str(error))
            except UnicodeError:
                results.append("UnicodeError")
        return tuple(results)

    return on_driver(make, main)
