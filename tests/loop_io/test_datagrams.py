"""Datagram endpoints, on both loops."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest


class Post(asyncio.DatagramProtocol):
    """Keep what arrives, and answer if told to."""

    def __init__(self, *, answers=False):
        self.answers = answers
        loop = asyncio.get_running_loop()
        self.lost = loop.create_future()
        self.mail = asyncio.Queue()
        self.errors = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.mail.put_nowait((data, addr))
        if self.answers:
            self.transport.sendto(data[::-1], addr)

    def error_received(self, exc):
        self.errors.put_nowait(exc)

    def connection_lost(self, exc):
        self.lost.set_result(exc)


async def endpoint(**options):
    answers = options.pop("answers", False)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Post(answers=answers), **options
    )
    return transport, protocol, transport.get_extra_info("sockname")


async def close(*transports):
    for transport in transports:
        protocol = transport.get_protocol()
        transport.close()
        await protocol.lost


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_go_and_come_back(arm, host):
    """An unconnected endpoint hears who sent what and answers; sizes up to 60 KB are kept."""

    async def main():
        server, _, where = await endpoint(local_addr=(host, 0), answers=True)
        client, mine, _ = await endpoint(remote_addr=where[:2])
        for data in (b"ping", bytes(60_000)):
            client.sendto(data)
            assert await mine.mail.get() == (data[::-1], where)
        client.sendto(b"explicit", where if host == "::1" else where[:2])
        assert (await mine.mail.get())[0] == b"ticilpxe"
        with pytest.raises(ValueError, match="Invalid address: must be None or"):
            client.sendto(b"x", ("127.0.0.1", 9))
        await close(client, server)

    arm.run(main)


def test_datagrams_come_after_what_is_ready_when_they_arrive(arm):
    """A callback that is scheduled in the step that sends a datagram runs before its arrival."""

    async def main():
        loop = asyncio.get_running_loop()
        server, post, where = await endpoint(local_addr=("127.0.0.1", 0))
        client, _, _ = await endpoint(remote_addr=where)
        order = []
        post.datagram_received = lambda data, _: order.append(data)
        loop.call_soon(client.sendto, b"sent later")
        loop.call_soon(loop.call_soon, order.append, "a turn later")
        client.sendto(b"sent")
        loop.call_soon(order.append, "soon")
        while len(order) < 4:
            await asyncio.sleep(0.01)
        assert order == ["soon", b"sent", "a turn later", b"sent later"]
        await close(client, server)

    arm.run(main)


def test_a_closed_port_is_told_to_a_connected_endpoint(arm):
    """error_received gets ConnectionRefusedError when nobody is at the other end."""

    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            where = free.getsockname()
        client, mine, _ = await endpoint(remote_addr=where)
        client.sendto(b"anybody?")
        assert isinstance(await mine.errors.get(), ConnectionRefusedError)
        await close(client)

    arm.run(main)


def test_datagrams_keep_their_order_and_their_bounds(arm):
    """Fifty datagrams arrive as fifty, in order."""

    async def main():
        server, theirs, where = await endpoint(local_addr=("127.0.0.1", 0))
        client, _, _ = await endpoint(local_addr=("127.0.0.1", 0))
        for number in range(50):
            client.sendto(b"%d" % number, where)
        for number in range(50):
            assert (await theirs.mail.get())[0] == b"%d" % number
        await close(client, server)

    arm.run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="empty datagrams came with Python 3.13")
def test_empty_datagrams_are_sent(arm):
    """A datagram without bytes is a datagram."""

    async def main():
        server, theirs, where = await endpoint(local_addr=("127.0.0.1", 0))
        client, _, _ = await endpoint(remote_addr=where)
        client.sendto(b"")
        assert (await theirs.mail.get())[0] == b""
        await close(client, server)

    arm.run(main)


@pytest.mark.parametrize("data", ["text", 5, None])
def test_sending_what_is_no_bytes_is_refused(arm, data):
    """sendto() of anything but bytes is a TypeError that names the type."""

    async def main():
        client, _, _ = await endpoint(local_addr=("127.0.0.1", 0))
        with pytest.raises(TypeError, match=type(data).__name__):
            client.sendto(data, ("127.0.0.1", 9))
        await close(client)

    arm.run(main)


def test_a_datagram_that_is_too_long_is_an_error_received(arm):
    """More than a datagram holds is EMSGSIZE, given to error_received."""

    async def main():
        server, _, where = await endpoint(local_addr=("127.0.0.1", 0))
        client, mine, _ = await endpoint(remote_addr=where)
        client.sendto(bytes(70_000))
        error = await mine.errors.get()
        assert error.errno == 90
        await close(client, server)

    arm.run(main)


def test_pausing_keeps_datagrams(arm):
    """What arrives while reading is paused comes when it is resumed."""

    async def main():
        server, theirs, where = await endpoint(local_addr=("127.0.0.1", 0))
        client, _, _ = await endpoint(remote_addr=where)
        server.pause_reading()
        client.sendto(b"wait")
        await asyncio.sleep(0.01)
        assert theirs.mail.empty()
        server.resume_reading()
        assert (await theirs.mail.get())[0] == b"wait"
        await close(client, server)

    arm.run(main)


def test_options_that_make_no_sense_are_refused(arm):
    """Endpoints without an address, and options for a given socket, are refused."""

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="unexpected address family"):
            await loop.create_datagram_endpoint(Post)
        with pytest.raises(TypeError, match="2-tuple is expected"):
            await loop.create_datagram_endpoint(Post, local_addr="127.0.0.1")
        with pytest.raises(ValueError, match="can not get address information"):
            await loop.create_datagram_endpoint(
                Post, local_addr=("127.0.0.1", 0), remote_addr=("::1", 9)
            )
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock, pytest.raises(ValueError, match="socket modifier keyword arguments"):
            await loop.create_datagram_endpoint(Post, sock=sock, reuse_port=True)
        with socket.socket() as sock, pytest.raises(ValueError, match="was expected, got"):
            await loop.create_datagram_endpoint(Post, sock=sock)

    arm.run(main)


def test_a_given_socket_becomes_an_endpoint(arm):
    """create_datagram_endpoint(sock=) takes a bound socket."""

    async def main():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        server, theirs, where = await endpoint(sock=sock)
        client, _, _ = await endpoint(remote_addr=where)
        client.sendto(b"hello")
        assert (await theirs.mail.get())[0] == b"hello"
        await close(client, server)

    arm.run(main)


def test_abstract_unix_datagrams(arm):
    """UNIX datagrams reach an abstract name; a full receiver makes the sender buffer."""

    async def main():
        name = "\0simloop-tests-datagrams"
        server, theirs, _ = await endpoint(local_addr=name, family=socket.AF_UNIX)
        client, mine, _ = await endpoint(remote_addr=name, family=socket.AF_UNIX)
        client.set_write_buffer_limits(high=0)
        server.pause_reading()
        for number in range(2000):
            client.sendto(b"%d" % number)
        assert client.get_write_buffer_size() > 0
        server.resume_reading()
        for number in range(2000):
            assert (await theirs.mail.get())[0] == b"%d" % number
        assert mine.errors.empty()
        await close(client, server)

    arm.run(main)


def test_two_servers_share_a_port(arm):
    """With reuse_port two endpoints may have one port."""

    async def main():
        first, _, where = await endpoint(local_addr=("127.0.0.1", 0), reuse_port=True)
        second, _, again = await endpoint(local_addr=where, reuse_port=True)
        assert where == again
        with pytest.raises(OSError, match="in use"):
            await endpoint(local_addr=where)
        await close(first, second)

    arm.run(main)
