"""Flags of descriptors: ``fcntl``, ``ioctl`` and their kin in ``os``, on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import termios

import pytest

import simloop
from simloop.errors import UnsupportedError


def flags_of(fd):
    return fcntl.fcntl(fd, fcntl.F_GETFL) & ~0o100000  # Some kernels show O_LARGEFILE.


def test_the_blocking_flag_is_one_whoever_sets_it(same):
    """O_NONBLOCK is told and set alike by ``fcntl``, ``ioctl``, ``os`` and the socket."""

    async def body(record):
        sock = socket.socket()
        record.note("new", flags_of(sock.fileno()))
        sock.setblocking(False)
        record.note("setblocking", flags_of(sock))
        fcntl.fcntl(sock, fcntl.F_SETFL, os.O_RDWR)
        record.note("F_SETFL", (os.get_blocking(sock.fileno()), flags_of(sock)))
        os.set_blocking(sock.fileno(), False)
        record.note("set_blocking", flags_of(sock))
        fcntl.ioctl(sock, termios.FIONBIO, b"\0\0\0\0")
        record.note("FIONBIO", flags_of(sock))
        fcntl.ioctl(sock.fileno(), termios.FIONBIO, b"\1\0\0\0")
        record.note("FIONBIO again", flags_of(sock))
        sock.settimeout(5)
        record.note("settimeout", flags_of(sock))
        sock.close()

    same(body)


def test_the_bytes_that_can_be_read_are_told(same):
    """FIONREAD answers in a buffer that can change, else by bytes; EFAULT where it has none."""

    async def body(record):
        one, other = socket.socketpair()
        one.send(b"five!")
        room = bytearray(b"....after")
        record.note("changed", (fcntl.ioctl(other, termios.FIONREAD, room), bytes(room)))
        kept = bytearray(4)
        record.note("told", (fcntl.ioctl(other, termios.FIONREAD, kept, False), bytes(kept)))
        record.note("bytes", fcntl.ioctl(other.fileno(), termios.FIONREAD, b"....."))
        await record.do("number", fcntl.ioctl, other, termios.FIONREAD, 0)
        one.close()
        other.close()

    same(body)


def test_the_bytes_that_are_not_acknowledged_are_told(same):
    """TIOCOUTQ (SIOCOUTQ) counts what the peer has not taken, and the end of stream with it."""

    async def body(record):
        def count(sock):
            room = bytearray(4)
            fcntl.ioctl(sock, termios.TIOCOUTQ, room)
            return int.from_bytes(room, "little")

        listener = socket.create_server(("127.0.0.1", 0))
        await record.do("listening", count, listener)
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.setblocking(False)
        record.note("new", count(client))
        client.send(b"taken")
        record.note("taken", count(client))
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += client.send(bytes(1 << 20))
        before = count(client)
        record.note("full", 0 < before < sent)
        client.shutdown(socket.SHUT_WR)
        record.note("with the end", count(client) - before)
        while server.recv(1 << 20):
            pass
        while count(client):
            await asyncio.sleep(0.01)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            one, other = socket.socketpair(socket.AF_UNIX, kind)
            one.send(b"five!")
            one.send(bytes(1000))
            record.note("unix", (count(one), count(other)))
            other.recv(5)
            record.note("unix, read", count(one))
            one.close()
            other.close()
        udp = socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        udp.sendto(b"five!", udp.getsockname())
        record.note("udp", count(udp))
        reader, writer = os.pipe()
        await record.do("pipe", count, writer)
        for each in (reader, writer):
            os.close(each)
        for each in (listener, client, server, udp):
            each.close()

    same(body)


def test_between_hosts_an_acknowledgement_takes_a_round_trip():
    """TIOCOUTQ counts what travels, and the end of stream, until it is acknowledged."""
    kept = []  # Since Python 3.13 a writer that is let go closes.

    async def serve():
        server = await asyncio.start_server(lambda *ends: kept.append(ends), "0.0.0.0", 80)  # noqa: S104 - its host
        await server.serve_forever()

    async def main():
        simloop.current_world().add_host("db", serve)
        await asyncio.sleep(0.001)
        _, writer = await asyncio.open_connection("db", 80)
        fd = writer.get_extra_info("socket").fileno()
        seen = []

        def look():
            seen.append(int.from_bytes(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)), "little"))

        writer.write(b"five!")
        writer.write_eof()
        look()
        await asyncio.sleep(0.001)
        look()
        await asyncio.sleep(0.1)
        look()
        writer.close()
        kept.pop()[1].close()
        return seen

    assert simloop.run(main()) == [6, 6, 0]


def test_pipes_tell_which_end_they_are(same):
    """F_GETFL of a pipe's ends is O_RDONLY and O_WRONLY, and pipe2 sets flags at once."""

    async def body(record):
        for ends in (os.pipe(), os.pipe2(os.O_NONBLOCK), os.pipe2(os.O_CLOEXEC)):
            record.note("flags", [flags_of(fd) for fd in ends])
            record.note("inherited", [os.get_inheritable(fd) for fd in ends])
            for fd in ends:
                os.close(fd)

    same(body)


def test_close_on_exec(same):
    """FD_CLOEXEC is the opposite of inheritable, belongs to the number, and goes with it."""

    async def body(record):
        sock = socket.socket()
        tell = lambda fd: (fcntl.fcntl(fd, fcntl.F_GETFD), os.get_inheritable(fd))  # noqa: E731
        record.note("new", tell(sock.fileno()))
        sock.set_inheritable(True)
        record.note("inheritable", (tell(sock.fileno()), sock.get_inheritable()))
        twin = fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 0)
        record.note("twin", (tell(twin), flags_of(twin)))
        fcntl.ioctl(twin, termios.FIONCLEX)
        record.note("FIONCLEX", tell(twin))
        os.close(twin)
        twin = fcntl.fcntl(sock, fcntl.F_DUPFD, 0)
        record.note("other twin", tell(twin))
        fcntl.fcntl(twin, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        record.note("F_SETFD", (tell(twin), tell(sock.fileno())))
        os.set_inheritable(sock.fileno(), False)
        record.note("reset", tell(sock.fileno()))
        os.close(twin)
        sock.close()

    same(body)


def test_a_number_that_is_not_open(same):
    """EBADF for a closed descriptor, TypeError and ValueError for what is none."""

    async def body(record):
        sock = socket.socket()
        fd = sock.fileno()
        sock.close()
        await record.do("fcntl", fcntl.fcntl, fd, fcntl.F_GETFL)
        await record.do("ioctl", fcntl.ioctl, fd, termios.FIONBIO, b"\0\0\0\0")
        await record.do("inheritable", os.get_inheritable, fd)
        await record.do("closed", fcntl.fcntl, sock, fcntl.F_GETFL)
        await record.do("text", fcntl.fcntl, "0", fcntl.F_GETFL)
        await record.do("none", fcntl.fcntl, None, fcntl.F_GETFL)

    same(body)


def test_real_descriptors_stay_real(virtual):
    """A real file's flags are asked of the system."""

    async def main():
        with open(__file__, "rb") as file:  # noqa: PTH123
            return (
                fcntl.fcntl(file, fcntl.F_GETFD),
                flags_of(file),
                os.get_inheritable(file.fileno()),
            )

    assert virtual.run(main) == (fcntl.FD_CLOEXEC, 0, False)


def test_other_commands_are_refused(virtual):
    """What means nothing here is an error that lists what there is."""

    async def main():
        with socket.socket() as sock:
            with pytest.raises(UnsupportedError, match=r"F_GETFL and F_SETFL"):
                fcntl.fcntl(sock, fcntl.F_GETLK)
            with pytest.raises(UnsupportedError, match=r"FIONBIO"):
                fcntl.ioctl(sock, 0x8912)

    virtual.run(main)


def test_copies_share_the_blocking_flag(same):
    """A copy of a descriptor leaves O_NONBLOCK as it is, and sees who changes it."""

    async def body(record):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        copies = {
            "dup": ours.dup(),
            "fromfd": socket.fromfd(ours.fileno(), ours.family, ours.type),
            "fileno": socket.socket(fileno=os.dup(ours.fileno())),
        }
        record.note("timeouts", {name: sock.gettimeout() for name, sock in copies.items()})
        record.note("blocking", os.get_blocking(ours.fileno()))
        for name, sock in copies.items():
            # Without a timeout the kernel decides, by the flag: nothing waits here.
            await record.do(f"recv of {name}", lambda sock=sock: sock.recv(1))
            await record.do(f"read of {name}", lambda sock=sock: os.read(sock.fileno(), 1))
        copies["dup"].settimeout(None)
        record.note("blocking again", os.get_blocking(ours.fileno()))
        theirs.send(b"x")
        record.note("received", ours.recv(1))
        for sock in (ours, theirs, *copies.values()):
            sock.close()

    same(body)


def test_an_accepted_socket_has_a_flag_of_its_own(same):
    """accept(2) on Linux does not hand on O_NONBLOCK of the listener."""

    async def body(record):
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        listener.setblocking(False)
        accepted, _ = listener.accept()
        record.note("flags", [os.get_blocking(sock.fileno()) for sock in (listener, accepted)])
        for sock in (listener, client, accepted):
            sock.close()

    same(body)
