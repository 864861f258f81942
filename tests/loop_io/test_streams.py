"""asyncio's streams over TCP, on both loops."""

from __future__ import annotations

import asyncio
import socket

import pytest


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(handler=echo, host="127.0.0.1", **options):
    server = await asyncio.start_server(handler, host, 0, **options)
    return server, server.sockets[0].getsockname()[1]


async def close(*writers):
    for writer in writers:
        writer.close()
        await writer.wait_closed()


def test_bytes_come_back_from_an_echo_server(arm):
    """What a client writes to an echo server comes back, in order."""

    async def main():
        server, port = await serve()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(50):
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
        await close(writer)
        server.close()
        await server.wait_closed()

    arm.run(main)


EVERYWHERE = "0.0.0.0"  # noqa: S104 - in memory, or for a moment


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", EVERYWHERE, "::"])
def test_every_loopback_address_reaches_its_server(arm, host):
    """A server on any address of this machine is reached by that address."""

    async def main():
        server, port = await serve(host=host)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert writer.get_extra_info("peername")[1] == port
        await close(writer)
        server.close()
        await server.wait_closed()

    arm.run(main)


def test_five_megabytes_arrive_whole(arm):
    """A body that is far larger than every buffer arrives whole and unchanged."""
    body = bytes(range(256)) * (5_000_000 // 256)

    async def main():
        received = bytearray()
        done = asyncio.get_running_loop().create_future()

        async def sink(reader, writer):
            while data := await reader.read(65536):
                received.extend(data)
            await close(writer)
            done.set_result(None)

        server, port = await serve(sink)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(body)
        await writer.drain()
        await close(writer)
        await done
        server.close()
        assert received == body

    arm.run(main)


def test_drain_blocks_until_the_reader_reads(arm):
    """A writer whose peer does not read waits in drain, and goes on when it does."""

    async def main():
        go = asyncio.Event()
        total = 0

        async def lazy(reader, writer):
            nonlocal total
            await go.wait()
            while data := await reader.read(1 << 16):
                total += len(data)
            await close(writer)

        server, port = await serve(lazy)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        size = 16_000_000
        writer.write(bytes(size))
        drained = asyncio.ensure_future(writer.drain())
        await asyncio.sleep(0.01)
        assert not drained.done()
        go.set()
        await drained
        await close(writer)
        while total < size:
            await asyncio.sleep(0.001)
        server.close()

    arm.run(main)


def test_a_half_closed_connection_still_answers(arm):
    """After write_eof the other direction stays open until the peer closes it."""

    async def main():
        async def answer(reader, writer):
            question = await reader.read()
            writer.write(b"you said " + question)
            await close(writer)

        server, port = await serve(answer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hi")
        writer.write_eof()
        assert await reader.read() == b"you said hi"
        await close(writer)
        server.close()

    arm.run(main)


def test_nobody_listening_means_connection_refused(arm):
    """A port without a listener refuses, with asyncio's own words."""

    async def main():
        server, port = await serve()
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError) as caught:
            await asyncio.open_connection("127.0.0.1", port)
        assert str(caught.value) == f"[Errno 111] Connect call failed ('127.0.0.1', {port})"

    arm.run(main)


def test_a_taken_port_is_an_error_that_names_it(arm):
    """Two servers on one port: the second one fails, and the error shows the address."""

    async def main():
        server, port = await serve()
        with pytest.raises(OSError, match="error while attempting to bind on address") as caught:
            await asyncio.start_server(echo, "127.0.0.1", port)
        assert str(port) in str(caught.value)
        server.close()

    arm.run(main)


def test_a_port_can_be_bound_again_at_once(arm):
    """A server that restarts gets its port back while old connections are just gone."""

    async def main():
        server, port = await serve()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        await reader.read(1)
        server.close()
        await close(writer)
        again = await asyncio.start_server(echo, "127.0.0.1", port)
        again.close()
        await again.wait_closed()

    arm.run(main)


def test_a_connection_reset_reaches_the_reader(arm):
    """A peer that aborts with unread bytes gives ConnectionResetError to whoever reads."""

    async def main():
        async def rude(reader, writer):
            await reader.readexactly(1)
            writer.transport.abort()

        server, port = await serve(rude)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sock = writer.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        writer.write(bytes(200_000))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionError):
            await writer.wait_closed()
        server.close()

    arm.run(main)


def test_thousand_connections_at_once(arm):
    """A burst of connections is served, one task each."""
    count = 1000 if arm.is_virtual else 100

    async def main():
        server, port = await serve(backlog=2000)

        async def ask(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"%06d" % number)
            assert await reader.readexactly(6) == b"%06d" % number
            await close(writer)

        await asyncio.gather(*[ask(number) for number in range(count)])
        server.close()
        await server.wait_closed()

    arm.run(main)


def test_a_connection_beyond_the_backlog_waits_for_room(arm):
    """Clients beyond the backlog are served in the end, not refused."""

    async def main():
        server, port = await serve(backlog=1)
        pairs = await asyncio.gather(
            *[asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        )
        for reader, writer in pairs:
            writer.write(b"!")
            assert await reader.read(1) == b"!"
            await close(writer)
        server.close()
        await asyncio.sleep(1)  # The server's ends hear of it, and close.

    # The real kernel answers a lost SYN after a second; one arm is proof enough.
    if arm.is_virtual:
        arm.run(main)


def test_minutes_of_silence_pass_at_once(virtual):
    """A timeout of minutes costs no real time."""

    async def main():
        async def silent(reader, writer):
            await reader.read()
            await close(writer)

        server, port = await serve(silent)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        loop = asyncio.get_running_loop()
        before = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await reader.read(1)
        assert loop.time() - before == 5
        await close(writer)
        server.close()

    virtual.run(main)
