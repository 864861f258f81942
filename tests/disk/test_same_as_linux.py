"""Random programs of calls on files: on the real file system of this Linux, and on a virtual disk.

A program is a list of calls of ``os``. Both arms begin with the same few real files; what lies
below the disk must be as it was afterwards. What is compared is each call's result or error: its
class, errno and the paths in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import stat
import tempfile
from pathlib import Path

import pytest

import simloop

CALLS = 30
USER = 1000

PATHS = (
    *("a", "a", "b", "b", "c", "d", "d/x", "d/x", "d/y", "e", "e/z", "e/z", "d/e", "h", "s", "s"),
    *("t", "loop", "d/", "a/", "b/", "s/", "t/", "new/", "d/..", "d/../a", ".", "..", "./b", "e/."),
    *(
        "a/x",
        "missing/q",
        "t/x",
        "t/y",
        "t/../b",
        "n" * 255,
        "n" * 256,
        "",
        "d//x",
        "s2",
        "dangling",
    ),
    *("dangling/", "d/x/", "e/../d/y", "up"),
)
FLAGS = (
    *(os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT),
    *(os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDWR | os.O_CREAT | os.O_TRUNC),
    *(os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDONLY | os.O_DIRECTORY, os.O_RDWR | os.O_TRUNC),
    *(
        os.O_RDONLY | os.O_NOFOLLOW,
        os.O_RDWR | os.O_APPEND,
        os.O_WRONLY | os.O_NOFOLLOW | os.O_CREAT,
    ),
    *(os.O_RDONLY | os.O_TRUNC, os.O_PATH, os.O_RDWR | os.O_TMPFILE),
)
MODES = (0o644, 0o600, 0o755, 0o444, 0o200, 0o000, 0o777)
SIZES = (0, 1, 3, 10, 5000, -1)
WHENCE = (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END, 9)


def populate(folder):
    """Make the files that lie there before a program begins."""
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"0123456789")
    (folder / "h").hardlink_to(folder / "a")
    (folder / "d").mkdir()
    (folder / "d/x").write_bytes(b"x" * 5000)
    for name, target in (
        ("s", "a"),
        ("t", "d"),
        ("loop", "loop"),
        ("dangling", "none"),
        ("up", ".."),
    ):
        (folder / name).symlink_to(target)
    for path in (folder.parent.parent, folder.parent, folder, *folder.rglob("*")):
        if os.getuid() == 0:
            os.chown(path, USER, USER, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def snapshot(folder):
    """All that lies in a folder: kinds, modes, bytes, times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        found[path.name] = status.st_mode, status.st_nlink, status.st_mtime_ns, data
    return found


def shown(status):
    """What of a status is the program's: numbers and times of both arms differ."""
    if stat.S_ISDIR(status.st_mode):
        return status.st_mode, status.st_uid
    return status.st_mode, status.st_uid, status.st_nlink, status.st_size


def kinds(entry):
    """What an entry says that it is: a loop of links is an error."""
    try:
        return str((entry.is_dir(), entry.is_file(), entry.is_symlink()))
    except OSError as error:
        return str((error.errno, error.filename))


class Program:
    """One run of a program: the descriptors that it has open, and what its calls gave."""

    def __init__(self):
        self.fds = []
        self.told = []

    def fd(self, index):
        return self.fds[index % len(self.fds)] if self.fds else 10**9

    def open(self, path, flags, mode):
        self.fds.append(os.open(path, flags, mode))
        return "opened"

    def dup(self, index):
        self.fds.append(os.dup(self.fd(index)))
        return "another"

    def close(self, index):
        os.close(self.fd(index))
        if self.fds:
            self.fds.pop(index % len(self.fds))

    def listdir(self, path):
        return sorted(os.listdir(path))

    def scandir(self, path):
        with os.scandir(path) as entries:
            return sorted((each.name, each.path, kinds(each)) for each in entries)

    def stat(self, path):
        return shown(os.stat(path))

    def lstat(self, path):
        return shown(os.lstat(path))

    def lseek(self, index, offset, whence):
        fd = self.fd(index)
        if whence == os.SEEK_END and stat.S_ISDIR(os.fstat(fd).st_mode):
            return "where a folder ends, each file system says for itself"
        return os.lseek(fd, offset, whence)

    def fstat(self, index):
        return shown(os.fstat(self.fd(index)))

    def utime(self, path):
        os.utime(path, ns=(10**18, 10**18 + 5))
        return os.stat(path).st_mtime_ns

    def access(self, path, mode):
        return os.access(path, mode, effective_ids=True)

    def copy(self, one, other):
        with contextlib.suppress(ValueError):
            return os.copy_file_range(self.fd(one), self.fd(other), 100, 0, 7)

    def run(self, calls):
        for name, *args in calls:
            function = getattr(self, name, None) or getattr(os, name)
            if name in OF_FDS:
                args[0] = self.fd(args[0])
            try:
                result = function(*args)
            except OSError as error:
                result = type(error).__name__, error.errno, error.filename, error.filename2
            except (ValueError, OverflowError) as error:
                result = type(error).__name__, str(error)
            self.told.append((name, args if name not in OF_FDS else args[1:], result))
        for fd in self.fds:
            os.close(fd)
        return self.told


OF_FDS = (
    *("read", "write", "pread", "pwrite", "ftruncate", "fsync", "fdatasync", "fchmod"),
    *("writev", "posix_fallocate"),
)


def draw(rng):
    """Draw one call."""
    path, other = rng.choice(PATHS), rng.choice(PATHS)
    index, size = rng.randrange(8), rng.choice(SIZES)
    data = bytes([rng.randrange(65, 90)]) * rng.choice((0, 1, 7, 4096))
    calls = {
        "open": (path, rng.choice(FLAGS), rng.choice(MODES[:3])),
        "read": (index, abs(size)),
        "write": (index, data),
        "pread": (index, abs(size), abs(rng.choice(SIZES))),
        "pwrite": (index, data, abs(rng.choice(SIZES))),
        "writev": (index, [data, b"!"]),
        "lseek": (index, size, rng.choice(WHENCE)),
        "ftruncate": (index, size),
        "posix_fallocate": (index, abs(size), rng.choice((-1, 0, 20))),
        "fsync": (index,),
        "fdatasync": (index,),
        "fstat": (index,),
        "fchmod": (index, rng.choice(MODES)),
        "close": (index,),
        "dup": (index,),
        "copy": (index, rng.randrange(8)),
        "stat": (path,),
        "lstat": (path,),
        "mkdir": (path, rng.choice(MODES[2:])),
        "rmdir": (path,),
        "unlink": (path,),
        "rename": (path, other),
        "link": (path, other),
        "symlink": (path, other),
        "readlink": (path,),
        "listdir": (path,),
        "scandir": (path,),
        "chmod": (path, rng.choice(MODES)),
        "truncate": (path, size),
        "access": (path, rng.choice((os.F_OK, os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.X_OK))),
        "utime": (path,),
    }
    names = [
        *calls,
        "open",
        "open",
        "open",
        "write",
        "write",
        "rename",
        "rename",
        "mkdir",
        "unlink",
    ]
    name = rng.choice(names)
    return (name, *calls[name])


@contextlib.contextmanager
def as_user():
    """Let the real system see an ordinary user, since the superuser may do all."""
    if os.getuid():
        yield
        return
    os.setegid(USER)
    os.seteuid(USER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def on_linux(calls, folder):
    """Run a program on the real file system."""
    here, mask = Path.cwd(), os.umask(0o022)
    try:
        with as_user():
            os.chdir(folder)
            return Program().run(calls)
    finally:
        # As oneself again: an ordinary user may not be let into the folder that we came from.
        os.umask(mask)
        os.chdir(here)


def on_a_disk(calls, folder):
    """Run a program on a virtual disk over the real file system."""

    async def main():
        os.chdir(folder)
        told = Program().run(calls)
        simloop.current_world().disk.check()
        return told

    world = simloop.World(disk=True)
    with as_user():
        return simloop.run(main(), world=world)


def compare(seed):
    """Run one program on both arms."""
    rng = random.Random(seed)
    calls = [draw(rng) for _ in range(CALLS)]
    with tempfile.TemporaryDirectory() as whole:
        real, below = (Path(whole, name, "within") for name in ("real", "below"))
        for folder in (real, below):
            populate(folder)
        before = snapshot(below)
        expected = on_linux(calls, real)
        found = on_a_disk(calls, below)
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            history = "\n".join(f"{each}" for each in expected[: number + 1])
            assert one[2] == other[2], f"seed {seed}, call {number}: {one}\nLinux:\n{history}"
        assert snapshot(below) == before


@pytest.mark.parametrize("seed", range(25))
def test_a_program_on_a_disk_is_the_program_on_linux(seed):
    """Thirty random calls give the same results and errors, and leave the real files alone."""
    compare(seed)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_a_thousand_programs(hundred):
    """The same for a thousand programs."""
    for seed in range(hundred * 100, hundred * 100 + 100):
        compare(f"slow {seed}")


@pytest.mark.skipif(os.getuid() != 0, reason="only the superuser gets into such a folder")
def test_a_program_begins_where_its_user_may_not_look(tmp_path):
    """Whoever started it was let into the folder; the program has the root then, and all else."""

    async def main():
        assert os.getcwd() == "/"
        os.chdir(tempfile.gettempdir())
        Path("simloop-made").write_text("here")
        return os.path.abspath("simloop-made"), Path("simloop-made").read_text()

    made = os.path.join(tempfile.gettempdir(), "simloop-made")
    here, closed = Path.cwd(), tmp_path / "closed"
    (closed / "within").mkdir(parents=True)
    simloop.run(asyncio.sleep(0))  # It imports what this user may not read, either.
    os.chdir(closed / "within")
    try:
        closed.chmod(0o700)
        with as_user():
            result = simloop.run(main(), world=simloop.World(disk=True))
    finally:
        os.chdir(here)
    assert result == (made, "here")
    assert not Path(made).exists()
