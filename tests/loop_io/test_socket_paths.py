"""Paths of UNIX sockets, as ``os`` and ``pathlib`` see them, on both loops."""

# ruff: noqa: PTH101, PTH102, PTH107, PTH108, PTH110, PTH116, PTH118, PTH121
# The functions of os are what is tested.

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest


def bind(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.fspath(path))
    return sock


def test_a_bound_path_is_there_until_it_is_removed(same):
    """A path appears with ``bind``, stays behind ``close``, and goes by ``unlink``."""

    async def body(record):
        path = Path(record.root, "a.sock")

        def tell(label):
            seen = path.exists(), path.is_socket(), path.is_file(), path.is_dir(), path.is_symlink()
            record.note(label, (seen, os.path.exists(bytes(path)), os.path.lexists(path)))

        tell("before")
        sock = bind(path)
        tell("bound")
        sock.close()
        tell("closed")
        await record.do("again", bind, path)
        path.unlink()
        tell("removed")
        await record.do("removed twice", os.unlink, path)
        await record.do("stat", os.stat, path)
        path.unlink(missing_ok=True)
        bind(path).close()
        os.remove(bytes(path))
        tell("removed by remove")

    same(body)


def test_what_stat_tells(same):
    """``stat`` and ``lstat`` tell a socket, its mode, and a number of its own."""

    async def body(record):
        first, second = Path(record.root, "1"), Path(record.root, "2")
        before = os.umask(0o027)
        socks = [bind(first), bind(second)]
        os.umask(before)
        status = os.stat(first)
        record.note("mode", (status.st_mode, os.lstat(first).st_mode, status.st_nlink))
        record.note("size", (status.st_size, stat.S_ISSOCK(status.st_mode)))
        record.note("by number", stat.S_ISSOCK(os.stat(socks[0].fileno()).st_mode))
        record.note("same", (os.path.samefile(first, second), os.path.samefile(first, first)))
        for sock in socks:
            sock.close()
        first.unlink(), second.unlink()

    same(body)


def test_chmod_and_access(same):
    """The mode is told as it was set."""

    async def body(record):
        path = Path(record.root, "a")
        sock = bind(path)
        for mode in (0o666, 0o700, 0o444):
            path.chmod(mode)
            record.note("mode", stat.S_IMODE(path.stat().st_mode))
        os.chmod(path, mode=0o660)
        record.note("named", stat.S_IMODE(os.stat(path=path).st_mode))
        record.note("access", [os.access(path, each) for each in (os.F_OK, os.R_OK, os.W_OK)])
        os.chown(path, -1, -1)
        os.chown(path, os.getuid(), gid=os.getgid())
        record.note("owner", (path.stat().st_uid == os.getuid(), path.stat().st_gid == os.getgid()))
        await record.do("not there", os.chmod, path.with_name("b"), 0o600)
        sock.close()
        path.unlink()

    same(body)


def test_a_renamed_path_leads_to_the_same_socket(same):
    """A server that is bound elsewhere and renamed into place is found there, and only there."""

    async def body(record):
        old, new = os.path.join(record.root, "new.tmp"), os.path.join(record.root, "new")
        bind(new).close()
        server = bind(old)
        server.listen()
        await record.do("rename", os.rename, old, new)
        record.note("paths", (os.path.exists(old), os.path.exists(new)))
        with socket.socket(socket.AF_UNIX) as client:
            await record.do("old", client.connect, old)
            await record.do("new", client.connect, new)
        record.note("its own name", server.getsockname() == old)
        server.close()
        with socket.socket(socket.AF_UNIX) as client:
            await record.do("closed", client.connect, new)
        await record.do("replace", os.replace, new, old)
        await record.do("gone", os.rename, new, old)
        folder = os.path.join(record.root, "folder")
        os.mkdir(folder)
        await record.do("onto a folder", os.rename, old, folder)
        os.unlink(old)

    same(body)


def test_a_file_is_in_the_way(same):
    """A path of something else than a socket cannot be bound, and asyncio leaves it alone."""

    async def body(record):
        path = Path(record.root, "file")
        path.write_text("text")
        await record.do("bind", bind, path)
        await record.do("server", asyncio.start_unix_server, print, path)
        await record.do("folder", bind, record.root)
        record.note("still there", path.read_text())
        path.unlink()

    same(body)


def test_a_server_takes_over_a_stale_path_and_removes_its_own(same):
    """What a server left behind is replaced; from 3.13 on a server cleans up behind itself."""

    async def body(record):
        path = Path(record.root, "app.sock")
        bind(path).close()
        server = await asyncio.start_unix_server(print, path)
        record.note("serving", path.is_socket())
        path.chmod(0o666)
        server.close()
        await server.wait_closed()
        record.note("closed", path.exists())
        path.unlink(missing_ok=True)

    same(body)


def test_threads_see_the_same_paths(same):
    """A worker thread binds, and the loop's thread sees the path, and the other way round."""

    async def body(record):
        path = Path(record.root, "thread")
        sock = await asyncio.to_thread(bind, path)
        record.note("seen here", path.is_socket())
        record.note("seen there", await asyncio.to_thread(path.is_socket))
        sock.close()
        await asyncio.to_thread(path.unlink)
        record.note("gone", path.exists())

    same(body)


def test_the_real_file_system_is_not_touched(virtual, tmp_path):
    """A virtual path is on no disk, and goes with its world."""
    path = tmp_path / "app.sock"

    async def main():
        with bind(path):
            return path.exists(), [each.name for each in tmp_path.iterdir()]

    assert virtual.run(main) == (True, ["app.sock"])
    assert list(tmp_path.iterdir()) == []


def test_real_paths_stay_real(virtual, tmp_path):
    """Files of the same folder are read, renamed and removed as ever, beside a virtual socket."""
    folder = os.open(tmp_path, os.O_RDONLY)

    async def main():
        with bind(tmp_path / "app.sock"):
            file = tmp_path / "file"
            file.write_text("x")
            file.rename(tmp_path / "other")
            assert os.stat("other", dir_fd=folder).st_size == 1
            assert stat.S_ISSOCK(os.stat("app.sock", dir_fd=folder).st_mode)
            assert os.stat(folder).st_mode == tmp_path.stat().st_mode
            (tmp_path / "other").unlink()
            for wrong in (None, 1.5, "a\0b", b"\0"):
                with pytest.raises((TypeError, ValueError)):
                    os.stat(wrong)
            return file.exists()

    assert virtual.run(main) is False
    os.close(folder)
