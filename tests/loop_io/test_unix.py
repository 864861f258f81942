"""UNIX streams and pipes, on both loops."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import pytest

from .protocols import Noting


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "socket")


def test_a_path_leads_to_its_server(arm, path):
    """A client reaches the server on a path, and a path without a server is an error."""

    async def main():
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(path)
        server = await asyncio.start_unix_server(echo, path)
        reader, writer = await asyncio.open_unix_connection(path)
        assert writer.get_extra_info("peername") == path
        writer.write(bytes(1_000_000))
        assert len(await reader.readexactly(1_000_000)) == 1_000_000
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    arm.run(main)


def test_an_abstract_name_leads_to_its_server(arm):
    """A name that begins with NUL needs no path."""

    async def main():
        name = "\0simloop-tests-unix"
        server = await asyncio.start_unix_server(echo, name)
        with pytest.raises(OSError, match="already in use"):
            await asyncio.start_unix_server(echo, name)
        reader, writer = await asyncio.open_unix_connection(name)
        writer.write(b"hi")
        assert await reader.readexactly(2) == b"hi"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_unix_connection(name)

    arm.run(main)


def test_a_stale_path_is_taken_over(arm, path):
    """A server may start on the path that another one left behind."""

    async def main():
        loop = asyncio.get_running_loop()
        old = socket.socket(socket.AF_UNIX)
        old.bind(path)
        old.close()
        server = await loop.create_unix_server(Noting, path)
        transport, protocol = await loop.create_unix_connection(Noting, path)
        transport.close()
        await protocol.lost
        server.close()
        await server.wait_closed()

    arm.run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="cleanup_socket came with Python 3.13")
def test_a_server_removes_its_path(arm, path):
    """With cleanup_socket a closed server's path is gone; without, it stays and refuses."""

    async def main():
        server = await asyncio.start_unix_server(echo, path)
        server.close()
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(path)
        server = await asyncio.start_unix_server(echo, path, cleanup_socket=False)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_unix_connection(path)

    arm.run(main)


def test_arguments_that_make_no_sense_are_refused(arm, path):
    """UNIX calls refuse no path, two, and sockets of other kinds, in asyncio's words."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            for call in (loop.create_unix_connection, loop.create_unix_server):
                with pytest.raises(ValueError, match="UNIX Domain Stream Socket was expected"):
                    await call(Noting, sock=sock)
                with pytest.raises(ValueError, match="can not be specified at the same time"):
                    await call(Noting, path, sock=sock)
                with pytest.raises(ValueError, match=r"no.* sock"):
                    await call(Noting)
        with pytest.raises(ValueError, match="server_hostname is only meaningful with ssl"):
            await loop.create_unix_connection(Noting, path, server_hostname="x")
        with pytest.raises(ValueError, match="you have to pass server_hostname"):
            await loop.create_unix_connection(Noting, path, ssl=True)

    arm.run(main)


def test_what_is_written_into_a_pipe_comes_out(arm):
    """connect_write_pipe and connect_read_pipe carry bytes, and the end."""

    async def main():
        loop = asyncio.get_running_loop()
        read_fd, write_fd = os.pipe()
        source, sink = os.fdopen(read_fd, "rb", 0), os.fdopen(write_fd, "wb", 0)
        reading, protocol = await loop.connect_read_pipe(Noting, source)
        writing, _ = await loop.connect_write_pipe(Noting, sink)
        assert reading.get_extra_info("pipe") is source
        data = bytes(range(256)) * 2000
        writing.write(data)
        await protocol.has_received(len(data))
        assert protocol.received == data
        writing.close()
        await protocol.ended
        assert await protocol.lost is None

    arm.run(main)


def test_a_full_pipe_pauses_its_writer(arm):
    """A pipe that nobody reads fills up, and the protocol is paused until somebody does."""

    async def main():
        loop = asyncio.get_running_loop()
        read_fd, write_fd = os.pipe()
        reading, taker = await loop.connect_read_pipe(Noting, os.fdopen(read_fd, "rb", 0))
        reading.pause_reading()
        writing, giver = await loop.connect_write_pipe(Noting, os.fdopen(write_fd, "wb", 0))
        writing.write(bytes(1_000_000))
        assert giver.paused == 1
        reading.resume_reading()
        await taker.has_received(1_000_000)
        assert giver.resumed == 1
        writing.abort()
        await giver.lost
        reading.close()
        await taker.lost

    arm.run(main)


def test_a_pipe_that_lost_its_reader_loses_its_writer(arm):
    """The writing side hears when the reading side is closed."""

    async def main():
        loop = asyncio.get_running_loop()
        read_fd, write_fd = os.pipe()
        _, giver = await loop.connect_write_pipe(Noting, os.fdopen(write_fd, "wb", 0))
        os.close(read_fd)
        await giver.lost

    arm.run(main)


def test_a_real_pipe_is_refused_with_the_way_out(virtual):
    """A pipe of the real process is an UnsupportedError that says what to do."""
    import simloop

    read_fd, write_fd = os.pipe()

    async def main():
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(read_fd, "rb", 0, closefd=False)
        with pipe, pytest.raises(simloop.UnsupportedError, match=r"os\.pipe"):
            await loop.connect_read_pipe(Noting, pipe)

    virtual.run(main)
    os.close(read_fd)
    os.close(write_fd)


def test_a_file_is_no_pipe(arm, tmp_path):
    """A regular file is refused as on a real loop: it is always ready."""
    (tmp_path / "file").touch()

    async def main():
        loop = asyncio.get_running_loop()
        with (tmp_path / "file").open("r+b", 0) as file:
            with pytest.raises(ValueError, match="Pipe transport is "):
                await loop.connect_read_pipe(Noting, file)
            with pytest.raises(ValueError, match="Pipe transport is only for pipes"):
                await loop.connect_write_pipe(Noting, file)

    arm.run(main)
