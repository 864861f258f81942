"""What the standard library makes of files, on the real file system and on a virtual disk.

One body for both: it works in an empty folder and returns what it saw. Afterwards the real folder
below the disk is empty still.
"""

from __future__ import annotations

import contextlib
import csv
import dbm.dumb
import fcntl
import filecmp
import fileinput
import glob
import gzip
import io
import json
import linecache
import logging
import logging.handlers
import os
import pathlib
import pickle
import py_compile
import runpy
import select
import shelve
import shutil
import socket
import struct
import tarfile
import tempfile
import threading
import warnings
import zipfile
import zipimport
from concurrent.futures import ThreadPoolExecutor

import pytest

import simloop

BODIES = {}


def body(function):
    BODIES[function.__name__] = function
    return function


def failing(call, *args, **kwargs):
    """What a call raises."""
    try:
        return call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error), str(error)


def refused(call, *args, **kwargs):
    """What a call raises; whether it gives a file, which is closed."""
    result = failing(call, *args, **kwargs)
    if hasattr(result, "close"):
        result.close()
        return "a file"
    return result


@body
def text_files():
    """Modes of open, and what the files say of themselves."""
    told = []
    for mode in ("w", "a", "r", "r+", "w+", "a+", "rb", "wb", "ab", "rb+", "x"):
        told.append(failing(open, "missing/f", mode))
        with contextlib.suppress(FileExistsError), open("f", mode) as file:
            raw = file.buffer.raw if "b" not in mode else file.raw
            told += [file.mode, file.name, raw.mode, file.readable(), file.writable(), file.tell()]
            told += [
                file.seekable(),
                type(file),
                raw.closefd,
                raw.isatty(),
                isinstance(raw, io.FileIO),
            ]
            if file.writable():
                told.append(file.write("line\n" if "b" not in mode else b"bytes\n"))
                told.append(file.seek(0))
            if file.readable():
                told.append(file.read())
        told.append(file.closed)
    return told


@body
def wrong_arguments():
    """Errors of open are those of Python's own."""
    (pathlib.Path("d")).mkdir()
    return [
        refused(open, "f", mode, **options)
        for mode, options in (
            ("q", {}), ("rw", {}), ("rbt", {}), ("", {}), ("r+w", {}), (3, {}),
            ("rb", {"encoding": "utf-8"}), ("wb", {"newline": ""}), ("wb", {"errors": "strict"}),
            ("w", {"buffering": 0}), ("r", {"closefd": False}),
            ("w", {"encoding": "none such"}), ("w", {"newline": "x"}), ("r", {}),
        )
    ] + [
        refused(open, path)
        for path in ("d", "", "a\0b", None, 1.5, b"missing", pathlib.Path("missing"), 10**6 + 77)
    ]  # fmt: skip


@body
def raw_files():
    """Unbuffered files, file objects of descriptors, and the class FileIO itself."""
    told = []
    with open("f", "wb", buffering=0) as file:
        told += [file.write(b"12345"), file.tell(), file.seek(-2, 2), repr(file)]
        told += [
            failing(file.read),
            failing(file.readinto, bytearray(2)),
            file.truncate(),
            file.tell(),
        ]
    told += [failing(file.write, b""), failing(file.fileno), repr(file)]
    fd = os.open("f", os.O_RDWR)
    with os.fdopen(fd, "r+b") as file:
        told += [file.read(2), file.write(b"!!"), file.seek(0), file.read(), file.fileno() == fd]
    told.append(failing(os.read, fd, 1)[0])
    with io.FileIO("f", "a") as file:
        told += [file.tell(), file.write(b"end"), file.mode, isinstance(file, io.RawIOBase)]
    with open("f", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW)) as file:
        told.append(file.read())
    first = os.open("f", os.O_RDONLY)
    with open(first, "rb", closefd=False) as file:
        buffer = bytearray(3)
        told += [file.readinto(buffer), bytes(buffer)]
    os.close(first)
    return told


@body
def paths():
    """pathlib, os.path and glob find what was made."""
    top = pathlib.Path("top")
    (top / "a/b").mkdir(parents=True)
    (top / "a/one.txt").write_text("one")
    (top / "a/b/two.txt").write_bytes(b"two")
    (top / "link").symlink_to("a")
    (top / "hard").hardlink_to(top / "a/one.txt")
    told = [sorted(map(str, top.rglob("*"))), sorted(glob.glob("top/**/*.txt", recursive=True))]
    told += [
        (path.exists(), path.is_dir(), path.is_symlink()) for path in (top / "link", top / "none")
    ]
    told += [
        os.path.samefile(top / "hard", top / "a/one.txt"),
        os.path.relpath((top / "link").resolve()),
    ]
    told += [(top / "a/one.txt").stat().st_nlink, os.path.getsize("top/a/b/two.txt")]
    told.append([(root, sorted(dirs), sorted(files)) for root, dirs, files in os.walk("top")])
    (top / "a/one.txt").rename(top / "a/b/three.txt")
    (top / "a/b/two.txt").unlink()
    told += [sorted(os.listdir("top/a/b")), failing((top / "a").rmdir)]
    os.chdir("top")
    told += [os.path.basename(os.getcwd()), os.path.exists("a/b"), sorted(os.listdir())]
    os.chdir("..")
    (top / "a/b/three.txt").touch()
    os.replace("top/a/b/three.txt", "moved")
    return [*told, pathlib.Path("moved").read_text(), os.path.ismount("top")]


@body
def trees():
    """Shutil copies, moves, measures and removes trees."""
    os.makedirs("one/two")
    for name in ("one/f", "one/two/g"):
        pathlib.Path(name).write_text(name * 1000)
    os.chmod("one/f", 0o640)
    shutil.copytree("one", "copy")
    same = filecmp.dircmp("one", "copy")
    told = [same.left_list, same.diff_files, oct(os.stat("copy/f").st_mode)]
    shutil.move("copy/two", "moved")
    told += [sorted(os.listdir("copy")), sorted(os.listdir("moved"))]
    told.append(os.path.basename(shutil.make_archive("packed", "zip", "one")))
    shutil.unpack_archive("packed.zip", "unpacked")
    told.append(sorted(os.listdir("unpacked")))
    shutil.rmtree("one")
    return [*told, sorted(os.listdir()), shutil.disk_usage(".").total > 0]


@body
def archives():
    """zipfile, tarfile and gzip write and read."""
    pathlib.Path("f").write_text("content")
    with zipfile.ZipFile("z.zip", "w") as packed:
        packed.write("f")
        packed.writestr("g", "more")
    with zipfile.ZipFile("z.zip", "a") as packed:
        packed.writestr("h", "third")
    with zipfile.ZipFile("z.zip") as packed:
        told = [packed.namelist(), packed.read("f"), packed.testzip()]
    with tarfile.open("t.tar.gz", "w:gz") as packed:
        packed.add("f")
    with tarfile.open("t.tar.gz") as packed:
        told += [packed.getnames(), packed.extractfile("f").read()]
    with gzip.open("g.gz", "wt") as file:
        file.write("text")
    with gzip.open("g.gz", "rt") as file:
        return [*told, file.read()]


@body
def stores():
    """dbm.dumb, shelve, pickle, json and csv keep what is written."""
    with dbm.dumb.open("d", "c") as store:
        store[b"k"] = b"v"
    with dbm.dumb.open("d", "r") as store:
        told = [dict(store.items())]
    with shelve.Shelf(dbm.dumb.open("s")) as store:
        store["k"] = [1, 2]
    with shelve.Shelf(dbm.dumb.open("s")) as store:
        told.append(dict(store))
    with open("p", "wb") as file:
        pickle.dump({"a": 1}, file)
    with open("p", "rb") as file:
        told.append(pickle.load(file))
    with open("j", "w") as file:
        json.dump([1], file)
    with open("c", "w", newline="") as file:
        csv.writer(file).writerows([[1, "a,b"], [2, "c"]])
    with open("j") as one, open("c", newline="") as other:
        told += [json.load(one), list(csv.reader(other))]
    with fileinput.input("c", inplace=True) as lines:
        for _line in lines:
            pass
    return [*told, pathlib.Path("c").read_text()]


@body
def temporary_files():
    """Tempfile makes and removes files and folders."""
    told = []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            told += [os.path.getsize(file.name), len(os.listdir(folder))]
        told.append(os.listdir(folder))
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"abc")
            file.seek(1)
            told += [file.read(), os.listdir(folder)]
        with tempfile.SpooledTemporaryFile(max_size=2, dir=folder) as file:
            file.write(b"rolled")
            file.seek(0)
            told.append(file.read())
        fd, path = tempfile.mkstemp(dir=folder)
        os.close(fd)
        told.append(oct(os.stat(path).st_mode))
    return [*told, os.path.exists(folder)]


@body
def logs():
    """Handlers of logging write, and rotate their files."""
    log = logging.getLogger("test")
    handler = logging.handlers.RotatingFileHandler("log", maxBytes=50, backupCount=2)
    log.addHandler(handler)
    for number in range(12):
        log.warning("message %d", number)
    handler.close()
    return {path: pathlib.Path(path).read_text() for path in sorted(os.listdir())}


@body
def locks():
    """Flock is of open files, lockf of the process."""
    told = []
    with open("f", "w") as one, open("f") as other, open("f", "a") as third:
        fcntl.flock(one, fcntl.LOCK_EX)
        told.append(failing(fcntl.flock, other, fcntl.LOCK_SH | fcntl.LOCK_NB))
        fcntl.flock(one, fcntl.LOCK_SH)
        told.append(failing(fcntl.flock, other, fcntl.LOCK_SH | fcntl.LOCK_NB))
        told.append(failing(fcntl.flock, third, fcntl.LOCK_EX | fcntl.LOCK_NB))
        fcntl.flock(one, fcntl.LOCK_UN)
        fcntl.flock(other, fcntl.LOCK_UN)
        told.append(failing(fcntl.flock, third, fcntl.LOCK_EX | fcntl.LOCK_NB))
        told.append(failing(fcntl.lockf, one, fcntl.LOCK_EX, 10, 0))
        told.append(failing(fcntl.lockf, third, fcntl.LOCK_EX | fcntl.LOCK_NB))
        told.append(failing(fcntl.lockf, other, fcntl.LOCK_EX))
        told.append(failing(fcntl.flock, other, 77))
        commands = (os.F_TEST, os.F_TLOCK, os.F_LOCK, os.F_ULOCK, 99)
        told += [failing(os.lockf, third.fileno(), command, 5) for command in commands]
        told.append(fcntl.fcntl(third, fcntl.F_GETFL) & (os.O_APPEND | os.O_ACCMODE))
        fcntl.fcntl(one, fcntl.F_SETFL, os.O_APPEND)
        told.append(fcntl.fcntl(one, fcntl.F_GETFL) & os.O_APPEND)
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        told.append(struct.unpack("hhqqi4x", fcntl.fcntl(one, fcntl.F_GETLK, asked))[0])
        told.append(failing(fcntl.ioctl, one, 0x5401, bytes(64))[0])
    return told


@body
def vectors_and_copies():
    """readv, preadv, pwritev, sendfile and copy_file_range move bytes."""
    one = os.open("one", os.O_RDWR | os.O_CREAT)
    two = os.open("two", os.O_RDWR | os.O_CREAT)
    told = [os.writev(one, [b"abc", b"defgh"]), os.pwritev(one, [b"X"], 1), os.lseek(one, 0, 0)]
    buffers = [bytearray(2), bytearray(3)]
    told += [os.readv(one, buffers), bytes(buffers[0]), bytes(buffers[1])]
    told += [os.preadv(one, buffers, 4), bytes(buffers[0]), bytes(buffers[1])]
    told += [os.sendfile(two, one, 0, 4), os.copy_file_range(one, two, 3, 0), os.pread(two, 20, 0)]
    left, right = socket.socketpair()
    told += [os.sendfile(left.fileno(), one, None, 100), right.recv(100), os.lseek(one, 0, 1)]
    left.close()
    right.close()
    told += [os.fstat(one).st_size, os.path.getsize("two")]
    told += [
        os.get_inheritable(one),
        os.isatty(one),
        os.get_blocking(one),
        failing(os.ttyname, one),
    ]
    told += [failing(os.ftruncate, one, 3), os.pread(one, 9, 0), failing(os.pread, one, 1, -1)]
    os.close(one)
    os.close(two)
    return told


@body
def times_and_modes():
    """utime, chmod, umask and access do what they say."""
    pathlib.Path("f").touch()
    os.utime("f", (10, 20.5))
    before = os.umask(0o077)
    pathlib.Path("g").touch()
    os.umask(before)
    status = os.stat("f")
    told = [status.st_atime, status.st_mtime_ns, oct(os.stat("g").st_mode)]
    os.chmod("f", 0o400)
    return [*told, oct(os.stat("f").st_mode), os.access("f", os.R_OK), os.access("g", os.X_OK)]


@body
def threads():
    """Threads write one file, each through its own."""
    lock = threading.Lock()

    def add(number):
        with lock, open("f", "a") as file:
            file.write(f"{number}\n")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, range(20)))
    return sorted(pathlib.Path("f").read_text().split())


@body
def folders_by_descriptor():
    """Paths relative to a folder's descriptor, and the folder itself through it."""
    os.mkdir("d")
    folder = os.open("d", os.O_RDONLY | os.O_DIRECTORY)
    fd = os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
    os.write(fd, b"12")
    os.close(fd)
    os.mkdir("sub", dir_fd=folder)
    os.symlink("f", "s", dir_fd=folder)
    os.link("f", "h", src_dir_fd=folder, dst_dir_fd=folder)
    told = [
        sorted(os.listdir(folder)),
        os.stat("f", dir_fd=folder).st_size,
        os.readlink("s", dir_fd=folder),
    ]
    os.rename("h", "k", src_dir_fd=folder, dst_dir_fd=folder)
    os.unlink("s", dir_fd=folder)
    with os.scandir(folder) as entries:
        told.append(sorted((each.name, each.path) for each in entries))
    told.append([(root, sorted(d), sorted(f)) for root, d, f, _ in os.fwalk("d")])
    os.fchdir(folder)
    told.append(sorted(os.listdir()))
    os.fsync(folder)
    os.close(folder)
    return [*told, failing(os.stat, "f", dir_fd=folder)[0]]


@body
def second_numbers():
    """dup2 replaces what a number names, with the position of the first; its locks are gone."""
    for name in ("one", "two"):
        pathlib.Path(name).write_text(f"content of {name}")
    one, two = os.open("one", os.O_RDWR), os.open("two", os.O_RDWR)
    fcntl.lockf(two, fcntl.LOCK_EX)
    told = [os.read(one, 3), os.dup2(one, two) == two, os.read(two, 3), os.read(one, 3)]
    told += [os.get_inheritable(two), os.dup2(two, two) == two, failing(os.dup2, two, two, False)]
    os.close(two)
    told += [os.dup2(one, two, inheritable=False) == two, os.get_inheritable(two)]
    told += [failing(os.dup2, 10**6 + 99, two), os.read(two, 3)]
    with open("one", "r+b", buffering=0) as file:
        os.dup2(os.open("two", os.O_RDONLY), file.fileno())
        told.append(file.read(7))
        os.close(file.fileno())
        told += [failing(file.read, 1), failing(file.seek, 0), failing(file.truncate)]
        told.append(failing(file.close))
    reader, writer = os.pipe()
    told += [os.dup2(writer, one) == one, os.write(one, b"piped"), os.read(reader, 9)]
    for fd in (one, two, reader, writer):
        os.close(fd)
    return told


@body
def splices():
    """Splice moves bytes between files and pipes, and nothing else."""
    pathlib.Path("f").write_text("0123456789")
    fd, reader_writer = os.open("f", os.O_RDWR), os.pipe()
    reader, writer = reader_writer
    told = [os.splice(fd, writer, 4), os.read(reader, 9), os.lseek(fd, 0, os.SEEK_CUR)]
    told += [os.splice(fd, writer, 2, offset_src=8), os.read(reader, 9)]
    told += [os.write(writer, b"abcdef"), os.splice(reader, fd, 3), os.pread(fd, 20, 0)]
    told += [os.splice(reader, fd, 9, offset_dst=0), os.pread(fd, 20, 0)]
    told += [failing(os.splice, fd, writer, -1), failing(os.splice, fd, fd, 1)]
    told.append(failing(os.splice, fd, writer, 1, offset_dst=1))
    appending = os.open("f", os.O_WRONLY | os.O_APPEND)
    os.write(writer, b"x")
    told.append(failing(os.splice, reader, appending, 1))
    for each in (fd, reader, writer, appending):
        os.close(each)
    return told


@body
def locks_of_open_files():
    """F_OFD_SETLK locks for an open file, against those of processes, until that is closed."""
    with open("f", "w+") as one, open("f", "r+") as other:
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2, 3, 0)
        of_pid = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2, 3, 77)
        told = [fcntl.fcntl(one, 37, lock) == lock, failing(fcntl.fcntl, other, 37, lock)]
        told += [failing(fcntl.fcntl, one, 37, of_pid)]
        told += [failing(fcntl.lockf, one, fcntl.LOCK_EX | fcntl.LOCK_NB)]
        told += [struct.unpack("hhqqi4x", fcntl.fcntl(each, 36, lock)) for each in (one, other)]
        told.append(struct.unpack("hhqqi4x", fcntl.fcntl(one, fcntl.F_GETLK, lock)))
        one.close()
        return [*told, fcntl.fcntl(other, 37, lock) == lock]


@body
def wrong_calls():
    """Errors of os are those of Python's own: wrong types, too large numbers, wrong flags."""
    pathlib.Path("f").write_text("0123456789")
    os.mkdir("d")
    fd, folder = os.open("f", os.O_RDWR), os.open("d", os.O_RDONLY)
    calls = [
        (os.read, fd, 1 << 70), (os.pread, fd, 1, 1 << 70), (os.lseek, fd, 1 << 70, 0),
        (os.lseek, fd, 1 << 60, 0), (os.open, "f", 1 << 40), (os.read, fd, -1),
        (os.open, "f", os.O_CREAT | os.O_DIRECTORY), (os.posix_fadvise, fd, 0, 0, 99),
        (os.pwritev, fd, [b"x"], 0, 1 << 20), (os.preadv, fd, [bytearray(1)], 0, 0x10),
        (os.mknod, "f"), (os.mknod, "d/"), (os.mknod, "n", 0o600 | 0o100000),
    ]  # fmt: skip
    told = [failing(*call) for call in calls]
    calls = [
        (os.write, fd, 5), (os.writev, fd, [1]), (os.pwrite, fd, None, 0), (os.access, fd, 4),
        (os.lstat, fd), (os.lchown, fd, -1, -1), (os.stat, None), (os.mkdir, 3), (os.rename, "f"),
        (os.read, "f", 1), (os.open, "f"),
    ]  # fmt: skip
    told += [failing(*call)[0] for call in calls]
    told.append(failing(os.stat, "f", dir_fd="x")[0])
    told += [failing(os.stat, fd, dir_fd=folder)[0], failing(os.stat, fd, follow_symlinks=False)[0]]
    told += [failing(select.epoll().register, each) for each in (fd, folder)]
    told += [os.pwritev(fd, [b"end"], 0, 0x10), os.pread(fd, 20, 0), oct(os.stat("n").st_mode)]
    told += [os.fstat(fd=fd).st_size, os.stat(path="f").st_size, os.listdir(path="d")]
    os.rename(src="n", dst="m")
    os.symlink(src="m", dst="s")
    told += [failing(os.unlink, path="n"), os.readlink(path="s"), os.mkdir(path="d", dir_fd=folder)]
    os.close(fd)
    os.close(folder)
    return told


@body
def compiled_files():
    """py_compile writes where it is told to; a module is found where it lies."""
    pathlib.Path("m.py").write_text("VALUE = 1\n")
    told = [py_compile.compile("m.py", "m.pyc"), os.path.getsize("m.pyc") > 16]
    with zipfile.ZipFile("z.zip", "w") as packed:
        packed.writestr("in_a_zip.py", "VALUE = 2\n")
    code = zipimport.zipimporter(os.path.abspath("z.zip")).get_code("in_a_zip")
    told += [code.co_names, runpy.run_path("m.py")["VALUE"], linecache.getline("m.py", 1)]
    linecache.clearcache()
    return told


@body
def unclosed_files():
    """A file that is dropped is closed, flushed, and warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = open("f", "w")
        file.write("kept")
        del file
    return [(each.category, str(each.message).partition(" name")[0]) for each in caught], open(
        "f"
    ).read()


@body
def attributes_of_links():
    """A link has no permissions of its own, and what is sent goes to no file that appends."""
    pathlib.Path("f").write_text("abc")
    os.symlink("f", "s")
    told = [failing(os.chmod, each, 0o600, follow_symlinks=False) for each in "fs"]
    with open("f", "rb") as source, open("g", "ab") as target, open("h", "wb") as other:
        told.append(failing(os.sendfile, target.fileno(), source.fileno(), 0, 3)[0])
        told.append(os.sendfile(other.fileno(), source.fileno(), 0, 3))
    return told


@body
def arrays():
    """Files of plain bytes and of text, whole and in parts, by paths and by files: numpy."""
    numpy = pytest.importorskip("numpy")
    numbers = numpy.array([[1.5, 2], [3, 4]])
    numbers.T.tofile("b")
    numbers.tofile(pathlib.Path("t"), ",", "%.2f")
    numbers.tofile("plain", sep=" ")
    told = [pathlib.Path(name).read_bytes() for name in ("b", "t", "plain")]
    with open("f", "wb") as file:
        file.write(b"abc")
        numpy.arange(3, dtype="i2").tofile(file)
        told.append(file.tell())
        file.write(b"d")
    with open("f", "rb") as file:
        told.append(file.read(3))
        told += [numpy.fromfile(file, "i2", 1).tolist(), file.tell()]
        told += [numpy.fromfile(file, "i1", offset=1).tolist(), file.tell()]
    made = numpy.fromfile("b")
    made[0] = 9  # It may be written to.
    told += [made.tolist(), numpy.fromfile("t", sep=",").tolist()]
    told += [numpy.fromfile("plain", "f8", 2, " ").tolist(), numpy.fromfile("f", "i8").tolist()]
    for call in (
        lambda: numpy.fromfile("none"),
        lambda: numpy.fromfile("b", object),
        lambda: numpy.fromfile("t", sep=",", offset=1),
        lambda: numpy.array([object()]).tofile("o"),
        lambda: numbers.tofile("none/b"),
    ):
        told.append(failing(call))
    numpy.savetxt("s", numbers)
    return [*told, numpy.loadtxt("s").tolist(), os.path.getsize("o")]


@body
def images():
    """Pillow writes and reads pictures of each kind."""
    image = pytest.importorskip("PIL.Image")
    drawn = image.new("RGB", (40, 30), (200, 30, 60))
    drawn.putpixel((3, 4), (1, 2, 3))
    told = []
    for kind in ("png", "jpg", "gif", "bmp", "tif", "ppm", "ico", "tga"):
        drawn.save(f"x.{kind}")
        told.append(pathlib.Path(f"x.{kind}").read_bytes())
        with image.open(f"x.{kind}") as opened:
            told.append((opened.format, opened.size, opened.convert("RGB").getpixel((3, 4))))
    return told


def in_folder(folder, function):
    """Run a body in a folder, and come back."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        return function()
    finally:
        os.chdir(here)


@pytest.mark.parametrize("name", list(BODIES))
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_a_library_does_on_a_disk_what_it_does_on_linux(name, tmp_path):
    """The body gives the same on both, and on a disk nothing becomes real."""
    function = BODIES[name]
    real, below = tmp_path / "real", tmp_path / "below"
    real.mkdir()
    below.mkdir()

    async def main():
        return in_folder(below, function)

    expected = in_folder(real, function)
    found = simloop.run(main(), world=simloop.World(disk=True))
    assert found == expected
    assert os.listdir(below) == []
