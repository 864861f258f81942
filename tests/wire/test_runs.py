"""The wire in a run: one seed is one run, real libraries, IPv6, power."""

from __future__ import annotations

import asyncio
import socket

import pytest

import simloop
from simloop.trace import Digest

from .machines import Machines, connect, outcome, serve_echo
from .rows_ends import recv, send
from .rows_ports import udp

BAD = {"latency": (0.001, 0.05), "loss": 0.1, "duplicate": 0.1, "reorder": 0.1}


def digest_of(seed):
    """Return the digest of a run over a bad wire, and when it ended."""
    machines = Machines(seed=seed, **BAD)
    digest = Digest()
    machines.world.watch(digest)
    machines.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        with await connect(TCP_NODELAY=1) as sock:
            for _ in range(10):
                await send(sock, bytes(3000))
                got = 0
                while got < 3000:
                    got += len(await recv(sock))

    machines.run(main)
    result = digest.hexdigest(), machines.now
    machines.world.unwatch(digest)
    machines.close()
    return result


def test_one_seed_is_one_run():
    """The same seed gives the same steps over the worst wire, and another seed gives others."""
    assert digest_of(1) == digest_of(1)
    assert digest_of(1) != digest_of(2)


async def two_machines():
    """Make a second machine in the middle of a run, and speak to it over a bad wire."""
    world = simloop.current_world()
    world.network.add_address(world.main_host, "10.0.0.1")
    host = world.make_host("server", "10.0.0.2")
    loop = world.make_loop(world.add_process(host, ["server"]))
    LOOPS.append(loop)
    world.network.configure(latency=(0.001, 0.02), loss=0.05)
    task = loop.create_task(serve_echo())
    await asyncio.sleep(1)
    with await connect() as sock:
        for _ in range(5):
            await send(sock, b"hello")
            assert await recv(sock) == b"hello"
    task.cancel()
    await asyncio.sleep(1)


LOOPS: list[asyncio.AbstractEventLoop] = []


def close_loops():
    while LOOPS:
        LOOPS.pop().close()


def test_explored_runs_go_over_the_wire():
    """Schedules disturb both machines, and the undisturbed one is the plain run."""
    try:
        plain = simloop.simulate(two_machines)
        assert plain.error is None
        assert simloop.simulate(two_machines).digest == plain.digest
        found = simloop.explore(two_machines, schedules=5)
        assert not found.failures, str(found)
    finally:
        close_loops()


def test_ipv6_is_the_same():
    """Two hosts speak IPv6 with each other, by TCP and UDP."""
    world = simloop.World(seed=1)
    world.make_host("localhost", "10.0.0.1", "fd00::1").warns_of_unclosed = False
    host = world.make_host("server", "10.0.0.2", "fd00::2")
    host.warns_of_unclosed = False
    loops = [simloop.SimLoop(world=world), world.make_loop(world.add_process(host, ["server"]))]
    heard = []

    async def serve():
        server = await asyncio.start_server(echo_once, "fd00::2", 80)
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("::", 9))
        heard.append(await asyncio.get_running_loop().sock_recv(sock, 100))
        server.close()

    async def echo_once(reader, writer):
        writer.write(await reader.read(100))
        writer.close()
        await writer.wait_closed()

    async def main():
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("fd00::2", 80)
        assert writer.get_extra_info("peername")[0] == "fd00::2"
        writer.write(b"six")
        answer = await reader.read()
        writer.close()
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"datagram", ("fd00::2", 9))
        await asyncio.sleep(1)
        return answer

    task = loops[1].create_task(serve())
    assert loops[0].run_until_complete(main()) == b"six"
    assert heard == [b"datagram"]
    assert task.done()
    for loop in loops:
        loop.close()


def test_a_host_without_power_sends_nothing(machines):
    """What programs of a machine without power still do goes nowhere, and nothing reaches it."""
    made = machines()
    made.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        assert await send(sock, b"x") is None
        await recv(sock)
        made.power_off()
        made.world.network.hosts["server"].power_on()
        assert await outcome(connect()) == "ECONNREFUSED"
        made.power_off()
        udp().sendto(b"x", ("10.0.0.2", 9))
        await asyncio.sleep(1)
        return made.net.in_flight(), made.net.sockets("server")

    assert made.run(main) == ((), ())


def test_aiohttp_rides_out_a_partition(machines):
    """An unmodified client and server go on after five seconds without a network."""
    web = pytest.importorskip("aiohttp.web")
    client = pytest.importorskip("aiohttp")
    made = machines()

    async def serve():
        async def answer(request):
            return web.Response(text=(await request.text())[::-1])

        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 80).start()  # noqa: S104
        try:
            await asyncio.sleep(1000)
        finally:
            await runner.cleanup()

    async def main():
        await asyncio.sleep(1)
        times = []
        async with client.ClientSession() as session:
            for number in range(2):
                if number:
                    made.net.partition("localhost", "server")
                    asyncio.get_running_loop().call_later(5, made.net.heal)
                began = made.now
                async with session.post("http://server/", data="abc") as response:
                    assert await response.text() == "cba"
                times.append(made.now - began)
        return times

    made.start(serve)
    first, second = made.run(main)
    assert first == pytest.approx(0.1, abs=0.01)
    assert second == pytest.approx(8.3, rel=0.1)


def test_websockets_gives_up_a_host_without_power(machines):
    """An unmodified client hears nothing, and its own pings tell it so."""
    websockets = pytest.importorskip("websockets")
    made = machines()

    async def serve():
        async def answer(connection):
            async for message in connection:
                await connection.send(message[::-1])

        async with websockets.serve(answer, "0.0.0.0", 80):  # noqa: S104
            await asyncio.sleep(1000)

    async def main():
        await asyncio.sleep(1)
        async with websockets.connect("ws://server:80") as connection:
            await connection.send("abc")
            assert await connection.recv() == "cba"
            made.power_off()
            began = made.now
            with pytest.raises(websockets.ConnectionClosedError):
                await connection.recv()
            return made.now - began

    made.start(serve)
    assert made.run(main) == pytest.approx(
        50, abs=1
    )  # A ping each 20 s, 20 s for its answer, 10 s to close.
