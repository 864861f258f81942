"""Files that a program opened travel over UNIX sockets, on both loops."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "letter"
    path.write_text("Hello")
    return path


def test_a_received_descriptor_reads_on_where_the_file_stands(arm, path):
    """It names the same open file, which stays open when the sender has closed it."""

    async def main():
        sender, receiver = socket.socketpair()
        with path.open(encoding="utf-8") as file:
            os.lseek(file.fileno(), 2, os.SEEK_SET)
            socket.send_fds(sender, [b"take"], [file.fileno(), file.fileno()])
        data, fds, _, _ = socket.recv_fds(receiver, 10, 4)
        assert data == b"take"
        with os.fdopen(fds[0]) as first, os.fdopen(fds[1]) as second:
            assert (first.read(), second.read()) == ("llo", "")
        sender.close()
        receiver.close()

    arm.run(main)


def test_files_and_sockets_travel_together(arm, path):
    """One message may carry descriptors of both kinds; what is read from them arrives."""

    async def main():
        loop = asyncio.get_running_loop()
        sender, receiver = socket.socketpair()
        near, far = socket.socketpair()
        with path.open(encoding="utf-8") as file:
            socket.send_fds(sender, [b"x"], [file.fileno(), far.fileno()])
        far.close()
        _, fds, _, _ = socket.recv_fds(receiver, 10, 4)
        with os.fdopen(fds[0]) as letter, socket.socket(fileno=fds[1]) as got:
            got.setblocking(False)
            near.send(letter.read().encode())
            assert await loop.sock_recv(got, 10) == b"Hello"
        for each in (sender, receiver, near):
            each.close()

    arm.run(main)


def test_what_nobody_takes_is_closed(arm, path):
    """A read without room for descriptors, or the end of the socket, leaves none behind."""

    async def main():
        before = len(list(Path("/proc/self/fd").iterdir()))
        sender, receiver = socket.socketpair()
        for _ in range(3):
            with path.open(encoding="utf-8") as file:
                socket.send_fds(sender, [b"x"], [file.fileno()])
        assert receiver.recv(1) == b"x"
        sender.close()
        receiver.close()
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    arm.run(main)


def test_what_is_not_open_can_t_be_passed(arm):
    """EBADF, and nothing is sent."""

    async def main():
        sender, receiver = socket.socketpair()
        for number in (777, -1):
            with pytest.raises(OSError, match="Bad file") as caught:
                socket.send_fds(sender, [b"x"], [number])
            assert caught.value.errno == errno.EBADF
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(1)
        sender.close()
        receiver.close()

    arm.run(main)
