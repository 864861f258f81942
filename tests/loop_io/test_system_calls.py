"""Calls of ``os``, ``select`` and ``socket`` on descriptors: as on Linux, or refused by name."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import tempfile

import pytest

import simloop


def pairs():
    """Return a pair of sockets and a pipe, each with 20 bytes to read: (read end, write end)s."""
    ours, theirs = socket.socketpair()
    theirs.send(b"0123456789" * 2)
    reading, writing = os.pipe()
    os.write(writing, b"0123456789" * 2)
    return (ours, theirs), (ours.fileno(), theirs.fileno()), (reading, writing)


CALLS = {
    "readv": lambda r, w: os.readv(r, [bytearray(2), bytearray(3)]),
    "writev": lambda r, w: os.writev(w, [b"x", b"yz"]),
    "pread": lambda r, w: os.pread(r, 1, 0),
    "preadv": lambda r, w: os.preadv(r, [bytearray(1)], 0),
    "pwrite": lambda r, w: os.pwrite(w, b"x", 0),
    "pwritev": lambda r, w: os.pwritev(w, [b"x"], 0),
    "lseek": lambda r, w: os.lseek(r, 0, os.SEEK_SET),
    "ftruncate": lambda r, w: os.ftruncate(w, 0),
    "fsync": lambda r, w: os.fsync(w),
    "fdatasync": lambda r, w: os.fdatasync(w),
    "fchdir": lambda r, w: os.fchdir(r),
    "ttyname": lambda r, w: os.ttyname(r),
    "tcgetpgrp": lambda r, w: os.tcgetpgrp(r),
    "tcsetpgrp": lambda r, w: os.tcsetpgrp(r, 1),
    "get_terminal_size": lambda r, w: os.get_terminal_size(r),
    "device_encoding": lambda r, w: os.device_encoding(r),
    "isatty": lambda r, w: os.isatty(r),
    "read": lambda r, w: os.read(r, 3),
    "read nothing": lambda r, w: os.read(r, 0),
    "read less than nothing": lambda r, w: os.read(r, -1),
    "write": lambda r, w: os.write(w, b"abc"),
    "write text": lambda r, w: os.write(w, "abc"),
    "get_blocking": lambda r, w: os.get_blocking(r),
    "get_inheritable": lambda r, w: os.get_inheritable(r),
    "dup and close": lambda r, w: os.close(os.dup(r)),
    "socket.dup and close": lambda r, w: socket.close(socket.dup(r)),
    "select": lambda r, w: [list(map(bool, part)) for part in select.select([r], [w], [], 0)],
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_on_sockets_and_pipes(same, name):
    """A call of ``os`` on a socket and on a pipe gives the value or the errno of Linux."""

    async def body(record):
        socks, *ends = pairs()
        for reading, writing in ends:
            await record.do(name, CALLS[name], reading, writing)
        await record.do("what is left", os.read, ends[0][0], 100)
        await record.do("what is left", os.read, ends[1][0], 100)
        for fd in ends[1]:
            os.close(fd)
        for sock in socks:
            sock.close()
        for fd in (*ends[0], *ends[1]):
            await record.do("closed", CALLS[name], fd, fd)

    same(body)


def test_sendfile_of_the_system(same):
    """``os.sendfile`` from a file, at a place or from where it stands, reaches a socket."""

    async def body(record):
        socks, (_, ours), _ = pairs()
        with tempfile.TemporaryFile() as file:
            file.write(b"abcdefghij")
            file.seek(4)
            await record.do("at", os.sendfile, ours, file.fileno(), 2, 3)
            await record.do("here", os.sendfile, ours, file.fileno(), None, 3)
            record.note("position", file.seek(0, os.SEEK_CUR))
            await record.do("beyond", os.sendfile, ours, file.fileno(), 20, 3)
        await record.do("received", socks[0].recv, 100)
        for sock in socks:
            sock.close()

    same(body)


REFUSED = {
    "os.dup2": lambda fd: os.dup2(fd, 99),
    "os.fchmod": lambda fd: os.fchmod(fd, 0o600),
    "os.fchown": lambda fd: os.fchown(fd, -1, -1),
    "os.fpathconf": lambda fd: os.fpathconf(fd, "PC_NAME_MAX"),
    "os.fstatvfs": os.fstatvfs,
    "os.lockf": lambda fd: os.lockf(fd, os.F_LOCK, 1),
    "os.posix_fadvise": lambda fd: os.posix_fadvise(fd, 0, 0, 0),
    "os.posix_fallocate": lambda fd: os.posix_fallocate(fd, 0, 1),
    "os.splice": lambda fd: os.splice(fd, 1, 1),
    "os.copy_file_range": lambda fd: os.copy_file_range(0, fd, 1),
    "os.eventfd_read": os.eventfd_read,
    "os.eventfd_write": lambda fd: os.eventfd_write(fd, 1),
    "os.login_tty": lambda fd: os.login_tty(fd + 0),
    "os.sendfile": lambda fd: os.sendfile(fd, fd, 0, 1),
    "fcntl.flock": lambda fd: fcntl.flock(fd, fcntl.LOCK_EX),
    "fcntl.lockf": lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX),
    "epoll.fileno": lambda fd: select.epoll().fileno(),
    "epoll.fromfd": lambda fd: select.epoll.fromfd(fd + 0),
    "EPOLLET": lambda fd: select.epoll().register(fd, select.EPOLLIN | select.EPOLLET),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_virtual_descriptor_is_not_for(name):
    """What makes no sense without an operating system is refused by name, with a way out."""
    module, _, last = name.rpartition(".")
    if module == "os" and not hasattr(os, last):
        pytest.skip("not in this version of Python")

    async def main():
        with socket.socket() as sock:
            REFUSED[name](sock.fileno())

    with pytest.raises(simloop.UnsupportedError, match=name.split(".")[-1]) as caught:
        simloop.run(main())
    assert "; " in str(caught.value) or ": " in str(caught.value)


def test_the_machine_is_not_renamed():
    """``socket.sethostname`` is an escape: it would rename the real machine."""

    async def main():
        socket.sethostname("never")

    with pytest.raises(simloop.EscapeError, match="rename the real machine"):
        simloop.run(main())


def test_names_of_services_and_interfaces(same):
    """Services, protocols and the loopback's interface have the names that they have anywhere."""

    async def body(record):
        for name, *args in (
            ("getservbyname", "https"),
            ("getservbyname", "domain", "udp"),
            ("getservbyname", "nonsense"),
            ("getservbyname", "https", "nonsense"),
            ("getservbyport", 443),
            ("getservbyport", 53, "udp"),
            ("getservbyport", 65536),
            ("getservbyport", 1),
            ("getservbyport", "x"),
            ("getprotobyname", "tcp"),
            ("getprotobyname", "nonsense"),
            ("if_nametoindex", "lo"),
            ("if_nametoindex", "nonsense"),
            ("if_indextoname", 1),
            ("if_indextoname", 99_999),
        ):
            if (name, args) == ("getservbyport", [1]):
                continue  # Tables of services differ in it.
            await record.do(f"{name}{args}", getattr(socket, name), *args)

    same(body)


# -- epoll -----------------------------------------------------------------------------------------

IN, OUT, HUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP


def test_epoll(same):
    """Levels, masks, one shots, closed descriptors and errors of an epoll object: as on Linux."""

    async def body(record):
        ours, theirs = socket.socketpair()
        fd = ours.fileno()
        with select.epoll() as poll:

            def masks(*args):
                return [mask for _, mask in poll.poll(*args)]

            await record.do("register", poll.register, ours, IN | OUT)
            await record.do("twice", poll.register, fd, IN)
            await record.do("poll", masks, 0)
            theirs.send(b"x")
            await record.do("readable", masks, 0)
            await record.do("again", masks, 0, 5)
            await record.do("modify", poll.modify, ours, OUT)
            await record.do("writable only", masks, 0)
            await record.do("one shot", poll.modify, fd, IN | select.EPOLLONESHOT)
            await record.do("fires", masks, 0)
            await record.do("once", masks, 0)
            await record.do("armed", poll.modify, fd, IN | select.EPOLLONESHOT)
            await record.do("fires", masks)
            await record.do("unregister", poll.unregister, ours)
            await record.do("twice", poll.unregister, ours)
            await record.do("modify", poll.modify, ours, IN)
            await record.do("no descriptor", poll.register, 1_900_000, IN)
            await record.do("nothing", poll.register, None, IN)
            await record.do("negative", poll.register, -1, IN)
            await record.do("timeout", masks, "x")
            await record.do("events", masks, 0, 0)
            await record.do("events", masks, 0, -2)
            await record.do("short", masks, 0.001)
            poll.register(fd, IN)
            theirs.close()
            await record.do("hup", masks, 0)
            ours.close()
            await record.do("closed", masks, 0)
            record.note("open", poll.closed)
        record.note("closed", poll.closed)
        await record.do("closed", masks, 0)
        await record.do("closed", poll.register, 0, IN)
        await record.do("closed", poll.close)
        await record.do("sizehint", select.epoll, -5)

    same(body)
