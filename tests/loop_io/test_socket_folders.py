"""Paths of UNIX sockets are a part of the file tree: folders, links, names; on both loops."""

# ruff: noqa: PTH101, PTH102, PTH104, PTH105, PTH108, PTH109, PTH110, PTH115, PTH116, PTH119
# ruff: noqa: PTH121, PTH207, PTH208, PTH211
# The functions of os are what is tested.

from __future__ import annotations

import asyncio
import contextlib
import errno
import glob
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

import pytest

import simloop

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def bind(path):
    """A socket that is bound to a path; none is left where it can't be."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(os.fspath(path))
    except BaseException:
        sock.close()
        raise
    return sock


def code(call, *args, **kwargs):
    """What a call gives: its value, or the errno and the names in its error."""
    try:
        value = call(*args, **kwargs)
    except OSError as error:
        names = [each and os.path.basename(os.fsdecode(each)) for each in _names(error)]
        return type(error).__name__, errno.errorcode.get(error.errno), names
    if isinstance(value, socket.socket):
        value.close()
        return "bound"
    return value


def _names(error):
    return error.filename, error.filename2


def reach(path):
    """Connect to a path."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect(os.fspath(path))


def serve(path):
    """Listen on a path."""
    sock = bind(path)
    sock.listen()
    return sock


def test_where_a_socket_cannot_be_bound(same):
    """A missing folder, a file in the way or above, a loop of links: Linux's errors."""

    async def body(record):
        root = Path(record.root)
        (root / "file").touch()
        (root / "folder").mkdir()
        (root / "dangling").symlink_to(root / "nothing")
        (root / "loop").symlink_to(root / "loop")
        bind(root / "sock").close()
        for name in (
            *("no/sock", "file/sock", "sock/sock", "loop/sock", "dangling/sock"),
            *("file", "folder", "dangling", "loop", "sock", "folder/", "new/", "folder/."),
            *("folder/..", "./sock", "folder/../sock", "n" * 300, "n" * 300 + "/sock"),
        ):
            path = str(root / name) if len(name) < 80 else name
            record.note(name, code(bind, path))
            record.note(f"connect {name}", code(reach, path))
        record.note("listed", sorted(os.listdir(root)))

    same(body)


def test_one_path_in_many_spellings(same):
    """Relative, through links, doubled slashes, bytes: all lead to the one that was bound."""

    async def body(record):
        root = Path(record.root)
        (root / "folder").mkdir()
        (root / "link").symlink_to("folder")
        before = os.getcwd()
        os.chdir(root / "folder")
        try:
            server = serve("here.sock")
            record.note("name", server.getsockname())
            record.note("relative", (os.path.exists("here.sock"), code(reach, "./here.sock")))
        finally:
            os.chdir(before)
        for name in (
            "folder/here.sock",
            "link/here.sock",
            "folder//here.sock",
            "link/../link/here.sock",
        ):
            record.note(name, (code(reach, root / name), code(bind, root / name)))
        record.note("bytes", os.path.exists(os.fsencode(root / "link/here.sock")))
        record.note("not here", os.path.exists("here.sock"))
        record.note("slash", code(os.stat, str(root / "folder/here.sock") + "/"))
        server.close()
        os.unlink(root / "link/here.sock")
        record.note("gone", os.listdir(root / "folder"))

    same(body)


def test_links_to_a_socket(same):
    """A symbolic link is followed by stat and connect, and is itself for lstat and unlink."""

    async def body(record):
        root = Path(record.root)
        server = serve(root / "sock")
        os.symlink("sock", root / "soft")
        os.symlink("soft", root / "softer")
        for name in ("soft", "softer"):
            path = root / name
            record.note(name, (path.is_socket(), path.is_symlink(), path.exists()))
            record.note("readlink", os.readlink(path))
            record.note("connect", code(reach, path))
        record.note("real", os.path.realpath(root / "softer") == os.path.realpath(root / "sock"))
        os.chmod(root / "soft", 0o600)
        record.note("mode", stat.S_IMODE(os.lstat(root / "sock").st_mode))
        os.link(root / "sock", root / "hard")
        record.note("links", (os.stat(root / "hard").st_nlink, code(reach, root / "hard")))
        record.note("same", os.path.samefile(root / "hard", root / "sock"))
        os.unlink(root / "sock")
        record.note("left", (os.stat(root / "hard").st_nlink, code(reach, root / "hard")))
        record.note("dangling", (code(reach, root / "soft"), os.path.lexists(root / "soft")))
        os.unlink(root / "soft")
        record.note("listed", sorted(os.listdir(root)))
        server.close()

    same(body)


def test_calls_of_files_at_a_socket(same):
    """No file is made, opened, listed or entered where a socket is."""

    async def body(record):
        root = Path(record.root)
        bind(root / "sock").close()
        path = root / "sock"
        (root / "file").touch()
        for mode in ("r", "w", "a", "x", "rb", "r+"):
            record.note(f"open {mode}", code(open, path, mode))
        for flags in (os.O_RDONLY, os.O_CREAT | os.O_EXCL | os.O_WRONLY, os.O_DIRECTORY):
            record.note("os.open", code(os.open, path, flags))
        for name, args in (
            *(("mkdir", ()), ("rmdir", ()), ("listdir", ()), ("scandir", ()), ("chdir", ())),
            *(("readlink", ()), ("truncate", (0,)), ("mkfifo", ()), ("mknod", ())),
        ):
            record.note(name, code(getattr(os, name), path, *args))
        for name in ("symlink", "link", "rename"):
            record.note(f"{name} missing", code(getattr(os, name), root / "no", root / "sock/x"))
        record.note("symlink", code(os.symlink, "file", path))
        record.note("link", code(os.link, root / "file", path))
        record.note("link of it", code(os.link, path, root / "file"))
        record.note("below", [code(os.stat, path / "x"), code(os.unlink, path / "x")])
        record.note("text", code(path.read_text))
        record.note("makedirs", code(os.makedirs, path, exist_ok=True))
        record.note("still", (path.is_socket(), sorted(os.listdir(root))))

    same(body)


def test_lists_of_a_folder(same):
    """``listdir``, ``scandir``, ``walk``, ``glob`` and pathlib find sockets beside files."""

    async def body(record):
        root = Path(record.root)
        (root / "folder").mkdir()
        (root / "folder/file").touch()
        for name in ("folder/a.sock", "b.sock"):
            bind(root / name).close()
        record.note("listdir", sorted(os.listdir(root)))
        record.note("bytes", sorted(os.listdir(os.fsencode(root / "folder"))))
        record.note("walk", sorted((dirs, sorted(files)) for _, dirs, files in os.walk(root)))
        record.note(
            "glob",
            sorted(os.path.relpath(each, root) for each in glob.glob(f"{root}/**", recursive=True)),
        )
        record.note(
            "exact", [len(glob.glob(f"{root}/{name}")) for name in ("b.sock", "no", "*.sock")]
        )
        record.note("within", sorted(glob.glob("*/*.sock", root_dir=root)))
        record.note("pathlib", sorted(str(each.relative_to(root)) for each in root.rglob("*.sock")))
        record.note("iterdir", sorted((each.name, each.is_socket()) for each in root.iterdir()))
        with os.scandir(root) as entries:
            found = {entry.name: entry for entry in entries}
        entry = found["b.sock"]
        record.note("kinds", (entry.is_file(), entry.is_dir(), entry.is_symlink(), repr(entry)))
        record.note("stat", stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode))
        record.note("paths", (os.path.relpath(entry.path, root), os.fspath(entry) == entry.path))
        record.note("inode", entry.inode() == os.stat(root / "b.sock").st_ino)
        with contextlib.closing(os.scandir(root)) as closed:
            pass
        record.note("closed", list(closed))
        folder = os.open(root, os.O_RDONLY)
        try:
            record.note("by number", sorted(os.listdir(folder)))
            record.note("scan", sorted((each.name, each.path) for each in os.scandir(folder)))
            record.note("fwalk", [sorted(files) for _, _, files, _ in os.fwalk(root)])
        finally:
            os.close(folder)

    same(body)


def test_calls_relative_to_a_folder(same):
    """``dir_fd`` finds, changes and removes a socket, as ``shutil.rmtree`` asks it to."""

    async def body(record):
        root = Path(record.root)
        (root / "folder").mkdir()
        server = serve(root / "folder/sock")
        folder, top = os.open(root / "folder", os.O_RDONLY), os.open(root, os.O_RDONLY)
        record.note("stat", stat.S_ISSOCK(os.stat("sock", dir_fd=folder).st_mode))
        record.note("lstat", stat.S_ISSOCK(os.lstat("folder/sock", dir_fd=top).st_mode))
        record.note("access", os.access("sock", os.W_OK, dir_fd=folder))
        os.chmod("sock", 0o700, dir_fd=folder)
        record.note("mode", stat.S_IMODE(os.stat(root / "folder/sock").st_mode))
        record.note("open", code(os.open, "sock", os.O_RDONLY, dir_fd=folder))
        record.note("mkdir", code(os.mkdir, "sock", dir_fd=folder))
        record.note("rmdir", code(os.rmdir, "folder", dir_fd=top))
        os.rename("sock", "moved", src_dir_fd=folder, dst_dir_fd=top)
        record.note("moved", (code(reach, root / "moved"), os.listdir(folder)))
        os.link("moved", "twin", src_dir_fd=top, dst_dir_fd=folder)
        record.note("twin", code(reach, root / "folder/twin"))
        os.unlink("twin", dir_fd=folder)
        os.unlink("moved", dir_fd=top)
        record.note("missing", code(os.unlink, "moved", dir_fd=top))
        record.note("gone", os.listdir(root / "folder"))
        os.rmdir("folder", dir_fd=top)
        server.close(), os.close(folder), os.close(top)

    same(body)


def test_folders_with_sockets_are_removed_and_renamed(same):
    """Removing one is ENOTEMPTY, rmtree works; a renamed folder takes its sockets along."""

    async def body(record):
        root = Path(record.root)
        (root / "folder/deep").mkdir(parents=True)
        server = serve(root / "folder/deep/sock")
        record.note("rmdir", code(os.rmdir, root / "folder/deep"))
        record.note("pathlib", code((root / "folder/deep").rmdir))
        os.rename(root / "folder", root / "other")
        record.note("renamed", (os.path.exists(root / "folder"), os.listdir(root / "other/deep")))
        record.note("connect", code(reach, root / "other/deep/sock"))
        record.note("old name", code(reach, root / "folder/deep/sock"))
        (root / "empty").mkdir()
        record.note("onto", code(os.rename, root / "empty", root / "other/deep"))
        record.note("onto the socket", code(os.rename, root / "empty", root / "other/deep/sock"))
        shutil.move(root / "other/deep/sock", root / "empty")
        record.note("moved", (os.listdir(root / "empty"), os.listdir(root / "other/deep")))
        shutil.rmtree(root / "empty")
        shutil.rmtree(root / "other")
        record.note("all gone", os.listdir(root))
        with tempfile.TemporaryDirectory(dir=root) as folder:
            bind(f"{folder}/sock").close()
        record.note("temporary", os.path.exists(folder))
        server.close()

    same(body)


def test_renames_between_sockets_and_files(same):
    """What is renamed onto a socket or a file takes its place, and what can't be is told."""

    async def body(record):
        root = Path(record.root)
        (root / "file").write_text("text")
        server = serve(root / "sock")
        record.note("onto a missing", code(os.rename, root / "sock", root / "no/sock"))
        record.note("onto itself", code(os.rename, root / "sock", root / "sock"))
        record.note("with a slash", code(os.rename, root / "sock", f"{root}/new/"))
        record.note("missing", code(os.rename, root / "no", root / "sock"))
        os.rename(root / "sock", root / "file")
        record.note("a file replaced", (code(reach, root / "file"), os.listdir(root)))
        (root / "other").write_text("text")
        os.replace(root / "other", root / "file")
        record.note("a socket replaced", ((root / "file").read_text(), os.listdir(root)))
        record.note("no socket", code(reach, root / "file"))
        server.close()

    same(body)


def test_times_of_a_socket(same):
    """A path has the time at which it was bound, and ``utime`` sets others."""

    async def body(record):
        import time

        path = Path(record.root, "sock")
        bind(path).close()
        status = path.stat()
        record.note("new", abs(time.time() - status.st_mtime) < 2)
        is_own = status.st_uid == os.getuid()
        record.note("all", (status.st_mtime == status.st_ctime, status.st_size, is_own))
        os.utime(path, (5, 6.5))
        record.note("set", (path.stat().st_atime, path.stat().st_mtime, path.stat().st_mtime_ns))
        os.utime(path, ns=(7, 8))
        record.note("in ns", (path.stat().st_atime_ns, path.stat().st_mtime_ns))
        path.touch()
        record.note("touched", path.stat().st_mtime_ns > 8)
        record.note("kind", (path.stat().st_dev == path.parent.stat().st_dev))

    same(body)


def test_servers_of_asyncio_and_their_folders(same):
    """Servers tell a missing folder, and takes over the path that another left behind."""

    async def body(record):
        root = Path(record.root)
        await record.do("missing", asyncio.start_unix_server, print, root / "no/sock")
        await record.do("connect", asyncio.open_unix_connection, root / "no/sock")
        (root / "file").touch()
        await record.do("a file", asyncio.open_unix_connection, root / "file")
        bind(root / "stale").close()
        server = await asyncio.start_unix_server(print, root / "stale")
        record.note("listed", sorted(os.listdir(root)))
        server.close()
        await server.wait_closed()

    same(body)


@ROOT_ONLY
def test_without_permission(arm):
    """In a folder that may not be written or searched all changes are EACCES."""

    async def main():
        found = {}
        with tempfile.TemporaryDirectory() as root, contextlib.ExitStack() as stack:
            stack.enter_context(simloop.allow("machine"))  # For seteuid, which is the process's.
            os.chmod(root, 0o711)  # noqa: S103 - for others to pass
            for name, mode in (("readable", 0o755), ("closed", 0o700), ("open", 0o777)):
                os.mkdir(f"{root}/{name}")
                stack.enter_context(serve(f"{root}/{name}/sock"))
                os.chmod(f"{root}/{name}", mode)
            os.seteuid(65534)
            try:
                for name in ("readable", "closed", "open"):
                    path = f"{root}/{name}/sock"
                    found[name] = [
                        code(bind, f"{root}/{name}/new"),
                        code(os.rename, path, path + "2"),
                        code(os.unlink, path + ("2" if name == "open" else "")),
                    ]
            finally:
                os.seteuid(0)
        return [(name, [_short(each) for each in answers]) for name, answers in found.items()]

    denied = ("PermissionError", "EACCES")
    assert arm.run(main) == [
        ("readable", [denied] * 3),
        ("closed", [denied] * 3),
        ("open", ["bound", None, None]),
    ]


def _short(answer):
    return answer[:2] if isinstance(answer, tuple) else answer
