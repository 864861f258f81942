"""sendfile and names, on both loops."""

from __future__ import annotations

import asyncio
import io
import socket
import sys
from asyncio import constants

import pytest

import simloop

from .certificates import client_context, server_context
from .protocols import Noting, connected

DATA = bytes(range(256)) * 20_000


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with path.open("rb") as opened:
        yield opened


def test_a_file_is_sent_over_a_transport(arm, file):
    """loop.sendfile sends a file, or a part of it, and leaves its position behind it."""

    async def main():
        loop = asyncio.get_running_loop()
        pair = await connected()
        pair.client.transport.write(b"begin ")
        assert await loop.sendfile(pair.client.transport, file) == len(DATA)
        assert file.tell() == len(DATA)
        assert await loop.sendfile(pair.client.transport, file, 10, 100, fallback=False) == 100
        assert file.tell() == 110
        pair.client.transport.write(b" end")
        size = 6 + len(DATA) + 100 + 4
        await pair.peer.has_received(size)
        assert pair.peer.received == b"begin " + DATA + DATA[10:110] + b" end"
        assert pair.client.transport.is_reading()
        await pair.close()

    arm.run(main)


def test_sending_from_the_end_of_a_file_sends_nothing(arm, file, tmp_path):
    """A transfer that begins at the end sends nothing; from 3.14 on it leaves the file there."""

    async def main():
        loop = asyncio.get_running_loop()
        pair = await connected()
        file.seek(7)
        options = {"offset": len(DATA), "fallback": False}
        assert await loop.sendfile(pair.client.transport, file, **options) == 0
        assert file.tell() == (len(DATA) if sys.version_info >= (3, 14) else 7)
        (tmp_path / "empty").touch()
        with (tmp_path / "empty").open("rb") as empty:
            assert await loop.sendfile(pair.client.transport, empty, 5, fallback=False) == 0
            assert empty.tell() == 0
        await pair.close()

    arm.run(main)


@pytest.mark.parametrize("native", [True, False])
def test_a_broken_connection_leaves_the_position_behind_what_was_taken(arm, file, native):
    """Where a transfer ends early, the file stands somewhere in the middle, not at its start."""

    async def main():
        loop = asyncio.get_running_loop()
        pair = await connected()
        pair.client.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )
        if not native:
            pair.client.transport._sendfile_compatible = constants._SendfileMode.FALLBACK
        pair.peer.transport.pause_reading()
        loop.call_later(0.05, pair.peer.transport.abort)
        with pytest.raises(ConnectionError):
            await loop.sendfile(pair.client.transport, file)
        assert 0 < file.tell() < len(DATA)
        await pair.close()

    arm.run(main)


class Odd(asyncio.Transport):
    """A transport that can send no files."""

    def is_closing(self):
        return False


def test_what_is_no_file_falls_back(arm):
    """A file in memory cannot be sent natively; the fallback sends it unless it is forbidden."""

    async def main():
        loop = asyncio.get_running_loop()
        pair = await connected()
        with pytest.raises(asyncio.SendfileNotAvailableError, match="not a regular file"):
            await loop.sendfile(pair.client.transport, io.BytesIO(DATA), fallback=False)
        source = io.BytesIO(DATA)
        assert await loop.sendfile(pair.client.transport, source, 5, len(DATA)) == len(DATA) - 5
        await pair.peer.has_received(len(DATA) - 5)
        assert pair.peer.received == DATA[5:]
        pair.client.transport.close()
        with pytest.raises(RuntimeError, match="Transport is closing"):
            await loop.sendfile(pair.client.transport, source)
        with pytest.raises(RuntimeError, match="sendfile is not supported for transport"):
            await loop.sendfile(Odd(), source)
        await pair.close()

    arm.run(main)


def test_a_file_is_sent_over_a_bare_socket(arm, file):
    """loop.sock_sendfile sends regular files natively and others by reading."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        sending = asyncio.ensure_future(loop.sock_sendfile(ours, file, 100, fallback=False))
        received = bytearray()
        while len(received) < len(DATA) - 100:
            received += await loop.sock_recv(theirs, 1 << 16)
        assert await sending == len(DATA) - 100
        assert received == DATA[100:]
        assert await loop.sock_sendfile(ours, io.BytesIO(b"small")) == 5
        assert await loop.sock_recv(theirs, 10) == b"small"
        ours.close()
        theirs.close()

    arm.run(main)


def test_a_file_without_an_offset_is_sent_from_where_it_stands(arm):
    """Read by blocks, it goes on from its position before Python 3.14, and from its start since."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        file = io.BytesIO(b"header and body")
        file.seek(11)
        await loop.sock_sendfile(ours, file)
        sent = await loop.sock_recv(theirs, 100)
        assert sent == (b"header and body" if sys.version_info >= (3, 14) else b"body")
        ours.close()
        theirs.close()

    arm.run(main)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"count": 0}, ValueError),
        ({"count": "x"}, TypeError),
        ({"offset": -1}, ValueError),
        ({"offset": 1.5}, TypeError),
    ],
)
def test_ranges_that_make_no_sense_are_refused(arm, file, options, error):
    """Offsets and counts have to be integers in range."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with pytest.raises(error, match="must be a"):
            await loop.sock_sendfile(ours, file, **options)
        ours.close()
        theirs.close()

    arm.run(main)


def test_a_file_is_sent_over_tls_by_reading_it(arm, file):
    """Over TLS there is no native sendfile; the fallback does it."""

    async def main():
        loop = asyncio.get_running_loop()
        result = loop.create_future()

        async def collect(reader, writer):
            result.set_result(await reader.read())
            writer.close()

        pair_server = await asyncio.start_server(collect, "127.0.0.1", 0, ssl=server_context())
        port = pair_server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("localhost", port, ssl=client_context())
        with pytest.raises(RuntimeError, match="fallback is disabled"):
            await loop.sendfile(writer.transport, file, fallback=False)
        assert await loop.sendfile(writer.transport, file) == len(DATA)
        writer.close()
        assert await result == DATA
        pair_server.close()

    arm.run(main)


def test_numbers_and_localhost_are_always_known(arm):
    """Getaddrinfo and getnameinfo answer for numeric addresses and localhost."""

    async def main():
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        assert infos == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
        infos = await loop.getaddrinfo("localhost", "http", family=socket.AF_INET)
        assert ("127.0.0.1", 80) in [info[4] for info in infos]
        flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        assert await loop.getnameinfo(("127.0.0.1", 80), flags) == ("127.0.0.1", "80")

    arm.run(main)


def test_names_come_from_the_world():
    """A name leads where the world says, after the delay that it says, or fails as it says."""
    world = simloop.World()
    world.names.add("db.internal", "127.0.0.1")
    world.names.delay("db.internal", 2.5)
    world.names.fail("gone.internal", socket.EAI_AGAIN)

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 5432)
        transport, protocol = await loop.create_connection(Noting, "db.internal", 5432)
        assert loop.time() == 2.5
        with pytest.raises(socket.gaierror) as caught:
            await loop.create_connection(Noting, "gone.internal", 5432)
        assert caught.value.errno == socket.EAI_AGAIN
        with pytest.raises(socket.gaierror):
            await loop.create_connection(Noting, "unknown.internal", 5432)
        transport.abort()
        await protocol.lost
        server.close()

    simloop.run(main(), world=world)


def test_a_lookup_that_blocks_takes_its_time():
    """socket.getaddrinfo and its kin take as long as the world says, wherever they are called."""
    world = simloop.World()
    world.names.add("slow.internal", "10.0.0.5", "10.0.0.6")
    world.names.delay("slow.internal", 3)

    async def main():
        loop = asyncio.get_running_loop()
        found = socket.getaddrinfo("slow.internal", 80, type=socket.SOCK_STREAM)
        assert [info[4] for info in found] == [("10.0.0.5", 80), ("10.0.0.6", 80)]
        assert loop.time() == 3  # Like time.sleep on the loop's thread, it kept the world waiting.
        ticks = []
        timer = loop.call_later(1, ticks.append, "the loop went on")
        assert await asyncio.to_thread(socket.gethostbyname, "slow.internal") == "10.0.0.5"
        assert (loop.time(), ticks) == (6, ["the loop went on"])
        timer.cancel()
        assert socket.gethostbyname_ex("10.0.0.9")[2] == ["10.0.0.9"]
        return loop.time()

    assert simloop.run(main(), world=world) == 6


def test_a_patched_resolver_is_asked(arm, monkeypatch):
    """A test that replaces socket.getaddrinfo is heard."""
    asked = []

    def getaddrinfo(host, port, family=0, *_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def main():
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, protocol = await loop.create_connection(Noting, "anything", port)
        transport.abort()
        await protocol.lost
        server.close()
        monkeypatch.undo()

    arm.run(main)
    assert "anything" in asked
