"""Every function of the modules that work on files: on a disk, refused, or not about files.

The tables below name each one. A Python that adds a function fails the first test until somebody
has looked what the new one does on a disk.
"""

from __future__ import annotations

import fcntl
import glob
import io
import os
import pathlib
import re
import shutil
import stat
import struct
import tempfile
from pathlib import Path

import pytest

import simloop

LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)


def piped(move):
    """What is in a pipe after something was moved into it."""
    reader, writer = os.pipe()
    try:
        moved = move(writer)
        return moved, os.read(reader, 100)
    finally:
        os.close(reader)
        os.close(writer)


def into(name, write):
    """What is in a file after something was written to its descriptor."""
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    try:
        return write(fd), Path(name).read_bytes()
    finally:
        os.close(fd)


def used(fd, use):
    """What a call on a new descriptor gives, which is closed then."""
    try:
        return use(fd)
    finally:
        os.close(fd)


def written(file):
    """What writing to a new file object gives, which is closed then."""
    with file:
        return file.write(b"xy")


def replaced(fd):
    """What a number reads that another file was put under."""
    other = os.open("d/x", os.O_RDONLY)
    try:
        return os.dup2(fd, other) == other, os.read(other, 3)
    finally:
        os.close(other)


def shown(status):
    """What of a status is the same on both arms."""
    kind = stat.S_IFMT(status.st_mode)
    return kind, status.st_nlink, status.st_size if kind == stat.S_IFREG else None


def listed(entries):
    """What scandir gives."""
    with entries:
        return sorted((each.name, each.is_dir(), each.is_symlink()) for each in entries)


def tried(path):
    """Whether a path is there, and what it holds."""
    return os.path.lexists(path) and Path(path).read_text()


# Called with a descriptor of the file f, which is open for reading and writing, and one of the
# folder d, in a folder that has f, d/x, d/e, and l, which leads to f.
OS_ON_DISK = {
    "access": lambda fd, d: (os.access("f", os.R_OK), os.access("x", os.R_OK, dir_fd=d)),
    "chdir": lambda fd, d: (os.chdir("d"), sorted(os.listdir(".")), os.chdir("..")),
    "chmod": lambda fd, d: (os.chmod("f", 0o600), os.chmod(fd, 0o640), os.stat("f").st_mode),
    "chown": lambda fd, d: (os.chown("f", -1, -1), os.chown(fd, -1, -1)),
    "close": lambda fd, d: os.close(os.dup(fd)),
    "copy_file_range": lambda fd, d: into("g", lambda to: os.copy_file_range(fd, to, 4, 1)),
    "device_encoding": lambda fd, d: os.device_encoding(fd),
    "dup": lambda fd, d: into("g", lambda to: used(os.dup(to), lambda twin: os.write(twin, b"x"))),
    "dup2": lambda fd, d: replaced(fd),
    "fchdir": lambda fd, d: (os.fchdir(d), sorted(os.listdir(".")), os.chdir("..")),
    "fchmod": lambda fd, d: (os.fchmod(fd, 0o600), os.stat("f").st_mode),
    "fchown": lambda fd, d: os.fchown(fd, -1, -1),
    "fdatasync": lambda fd, d: os.fdatasync(fd),
    "fdopen": lambda fd, d: os.fdopen(os.dup(fd), "rb").read(3),
    "fpathconf": lambda fd, d: os.fpathconf(fd, "PC_NAME_MAX"),
    "fstat": lambda fd, d: (shown(os.fstat(fd)), shown(os.fstat(fd=fd))),
    "fstatvfs": lambda fd, d: os.fstatvfs(fd).f_namemax,
    "fsync": lambda fd, d: (os.fsync(fd), os.fsync(d)),
    "ftruncate": lambda fd, d: (os.ftruncate(fd, 3), tried("f")),
    "fwalk": lambda fd, d: [(a, sorted(b), c) for a, b, c, _ in os.fwalk("d")],
    "get_blocking": lambda fd, d: os.get_blocking(fd),
    "get_inheritable": lambda fd, d: os.get_inheritable(fd),
    "getcwd": lambda fd, d: os.path.isabs(os.getcwd()),
    "getcwdb": lambda fd, d: os.path.isabs(os.getcwdb()),
    "getxattr": lambda fd, d: os.getxattr("f", "user.none"),
    "isatty": lambda fd, d: os.isatty(fd),
    "lchown": lambda fd, d: os.lchown("l", -1, -1),
    "link": lambda fd, d: (os.link("f", "d/g"), shown(os.stat("f"))),
    "listdir": lambda fd, d: (sorted(os.listdir()), sorted(os.listdir(d))),
    "listxattr": lambda fd, d: os.listxattr("f"),
    "lockf": lambda fd, d: os.lockf(fd, os.F_TLOCK, 5),
    "lseek": lambda fd, d: (os.lseek(fd, 4, os.SEEK_SET), os.lseek(fd, 0, os.SEEK_END)),
    "lstat": lambda fd, d: stat.S_ISLNK(os.lstat("l").st_mode),
    "makedirs": lambda fd, d: (os.makedirs("p/q"), os.listdir("p")),
    "mkdir": lambda fd, d: (os.mkdir("p"), os.mkdir("q", dir_fd=d), sorted(os.listdir("d"))),
    "mknod": lambda fd, d: (os.mknod("g", 0o600), shown(os.stat("g"))),
    "open": lambda fd, d: used(os.open("x", os.O_RDONLY, dir_fd=d), lambda new: os.read(new, 3)),
    "pathconf": lambda fd, d: os.pathconf("f", "PC_NAME_MAX"),
    "posix_fadvise": lambda fd, d: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL),
    "posix_fallocate": lambda fd, d: (os.posix_fallocate(fd, 0, 20), shown(os.fstat(fd))),
    "pread": lambda fd, d: os.pread(fd, 3, 2),
    "preadv": lambda fd, d: os.preadv(fd, [bytearray(3)], 2),
    "pwrite": lambda fd, d: (os.pwrite(fd, b"AB", 2), tried("f")),
    "pwritev": lambda fd, d: (os.pwritev(fd, [b"A", b"B"], 2, os.RWF_DSYNC), tried("f")),
    "read": lambda fd, d: os.read(fd, 3),
    "readinto": lambda fd, d: os.readinto(fd, bytearray(3)),
    "readlink": lambda fd, d: os.readlink("l"),
    "readv": lambda fd, d: os.readv(fd, [bytearray(3), bytearray(2)]),
    "remove": lambda fd, d: (os.remove("f"), tried("f")),
    "removedirs": lambda fd, d: (os.removedirs("d/e"), sorted(os.listdir("d"))),
    "removexattr": lambda fd, d: os.removexattr("f", "user.none"),
    "rename": lambda fd, d: (os.rename("f", "g", dst_dir_fd=d), tried("d/g")),
    "renames": lambda fd, d: (os.renames("f", "p/q/f"), tried("p/q/f")),
    "replace": lambda fd, d: (os.replace(src="f", dst="d/x"), tried("d/x")),
    "rmdir": lambda fd, d: (os.rmdir("e", dir_fd=d), os.listdir("d")),
    "scandir": lambda fd, d: (listed(os.scandir()), listed(os.scandir(d))),
    "sendfile": lambda fd, d: into("g", lambda to: os.sendfile(to, fd, 2, 3)),
    "set_blocking": lambda fd, d: (os.set_blocking(fd, False), os.get_blocking(fd)),
    "set_inheritable": lambda fd, d: (os.set_inheritable(fd, True), os.get_inheritable(fd)),
    "splice": lambda fd, d: piped(lambda to: os.splice(fd, to, 4)),
    "stat": lambda fd, d: (shown(os.stat("f")), shown(os.stat(fd)), shown(os.stat("x", dir_fd=d))),
    "statvfs": lambda fd, d: os.statvfs("f").f_namemax,
    "symlink": lambda fd, d: (os.symlink("f", "m"), os.readlink("m")),
    "sync": lambda fd, d: os.sync(),
    "truncate": lambda fd, d: (os.truncate("f", 5), os.truncate(fd, 3), tried("f")),
    "ttyname": lambda fd, d: os.ttyname(fd),
    "umask": lambda fd, d: os.umask(os.umask(0o22)),
    "unlink": lambda fd, d: (os.unlink("x", dir_fd=d), os.listdir("d")),
    "utime": lambda fd, d: (os.utime("f", (1, 2)), os.stat("f").st_mtime),
    "walk": lambda fd, d: [(a, sorted(b), sorted(c)) for a, b, c in os.walk(".")],
    "write": lambda fd, d: (os.write(fd, b"ABC"), tried("f")),
    "writev": lambda fd, d: (os.writev(fd, [b"A", b"BC"]), tried("f")),
}  # fmt: skip
OS_REFUSED = {
    "chroot": lambda fd, d: os.chroot("d"),
    "mkfifo": lambda fd, d: os.mkfifo("p"),
    "setxattr": lambda fd, d: os.setxattr("f", "user.a", b""),  # As where there are none: ENOTSUP.
}
OS_OF_NO_FILES = """
    WCOREDUMP WEXITSTATUS WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WSTOPSIG WTERMSIG abort
    confstr cpu_count ctermid eventfd eventfd_read eventfd_write fsdecode fsencode fspath
    get_exec_path get_terminal_size getegid getenv getenvb geteuid getgid getgrouplist getgroups
    getloadavg getlogin getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid
    getsid getuid grantpt initgroups kill killpg login_tty major makedev memfd_create minor nice
    openpty pidfd_open pipe pipe2 posix_openpt process_cpu_count ptsname putenv register_at_fork
    reload_environ sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getparam
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setparam sched_setscheduler
    sched_yield setegid seteuid setgid setgroups setns setpgid setpgrp setpriority setregid
    setresgid setresuid setreuid setsid setuid strerror sysconf tcgetpgrp tcsetpgrp timerfd_create
    timerfd_gettime timerfd_gettime_ns timerfd_settime timerfd_settime_ns times uname unlockpt
    unsetenv unshare urandom wait wait3 wait4 waitid waitpid waitstatus_to_exitcode
""".split()  # noqa: SIM905 - a table
OS_OF_REAL_PROCESSES = """
    closerange execl execle execlp execlpe execv execve execvp execvpe fork forkpty popen
    posix_spawn posix_spawnp spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe system
""".split()  # noqa: SIM905 - a table
"""Which start real processes: refused in each run, with a disk or without; and closerange, which
closes numbers of the real process alone."""


def copied(source, target):
    """What copying from one file object to another one leaves."""
    with open(source, "rb") as one, open(target, "wb") as other:
        shutil.copyfileobj(one, other)
    return tried(target)


def unpacked(folder):
    """What a folder has that was packed and unpacked."""
    shutil.unpack_archive(shutil.make_archive("a", "zip", folder), "u")
    return sorted(os.listdir("u"))


def listed_by(function, *args, **kwargs):
    return sorted(map(str, function(*args, **kwargs)))


OTHERS_ON_DISK = {
    "io.open": lambda fd, d: io.open("f").read(),  # noqa: UP020 - it is the one that is tried
    "io.open_code": lambda fd, d: io.open_code(os.path.abspath("f")).read(),
    "io.FileIO": lambda fd, d: (io.FileIO("f").read(), io.FileIO(fd, closefd=False).read(2)),
    "glob.glob": lambda fd, d: [listed_by(glob.glob, "*", dir_fd=each) for each in (None, d)],
    "glob.iglob": lambda fd, d: listed_by(glob.iglob, "**/*", recursive=True),
    "glob.glob0": lambda fd, d: glob.glob0(".", "f"),
    "glob.glob1": lambda fd, d: sorted(glob.glob1(".", "*")),
    "fcntl.fcntl": lambda fd, d: [fcntl.fcntl(fd, each, LOCK) == LOCK for each in (6, 37)],
    "fcntl.flock": lambda fd, d: fcntl.flock(fd, fcntl.LOCK_EX),
    "fcntl.lockf": lambda fd, d: fcntl.lockf(fd, fcntl.LOCK_EX),
    "fcntl.ioctl": lambda fd, d: fcntl.ioctl(fd, 0x541B, bytes(4)),
    "shutil.chown": lambda fd, d: shutil.chown("f", os.getuid()),
    "shutil.copy": lambda fd, d: (shutil.copy("f", "g"), tried("g")),
    "shutil.copy2": lambda fd, d: (shutil.copy2("f", "d"), tried("d/f")),
    "shutil.copyfile": lambda fd, d: (shutil.copyfile("f", "g"), tried("g")),
    "shutil.copyfileobj": lambda fd, d: copied("f", "g"),
    "shutil.copymode": lambda fd, d: shutil.copymode("f", "d/x"),
    "shutil.copystat": lambda fd, d: shutil.copystat("f", "d/x"),
    "shutil.copytree": lambda fd, d: (shutil.copytree("d", "c"), sorted(os.listdir("c"))),
    "shutil.disk_usage": lambda fd, d: shutil.disk_usage(".").total > 0,
    "shutil.make_archive": lambda fd, d: os.path.basename(shutil.make_archive("a", "zip", "d")),
    "shutil.move": lambda fd, d: (shutil.move("f", "d"), tried("d/f")),
    "shutil.rmtree": lambda fd, d: (shutil.rmtree("d"), sorted(os.listdir())),
    "shutil.unpack_archive": lambda fd, d: unpacked("d"),
    "shutil.which": lambda fd, d: (os.chmod("f", 0o700), shutil.which("f", path=".")),
    "tempfile.NamedTemporaryFile": lambda fd, d: written(tempfile.NamedTemporaryFile(dir=".")),
    "tempfile.SpooledTemporaryFile": lambda fd, d: written(tempfile.SpooledTemporaryFile(1)),
    "tempfile.TemporaryDirectory": lambda fd, d: tempfile.TemporaryDirectory(dir=".").cleanup(),
    "tempfile.TemporaryFile": lambda fd, d: written(tempfile.TemporaryFile(dir=".")),
    "tempfile.mkdtemp": lambda fd, d: os.listdir(tempfile.mkdtemp(dir=".")),
    "tempfile.mkstemp": lambda fd, d: used(tempfile.mkstemp(dir=".")[0], os.isatty),
    "tempfile.mktemp": lambda fd, d: tried(tempfile.mktemp(dir=".")),  # noqa: S306 - as UP020
}  # fmt: skip
OF_NO_FILES = {
    "shutil": "get_archive_formats get_terminal_size get_unpack_formats ignore_patterns"
    " register_archive_format register_unpack_format unregister_archive_format"
    " unregister_unpack_format",
    "tempfile": "gettempdir gettempdirb gettempprefix gettempprefixb",
    "io": "text_encoding",
    "glob": "has_magic escape translate",
    "fcntl": "",
}
PATH_ON_DISK = {
    "chmod": lambda p: (p.chmod(0o600), p.stat().st_mode),
    "copy": lambda p: (p.copy("g"), tried("g")),
    "copy_into": lambda p: (p.copy_into("d"), tried("d/f")),
    "exists": lambda p: p.exists(),
    "glob": lambda p: listed_by(p.parent.glob, "**/*"),
    "group": lambda p: p.group() == Path(os.curdir).group(),
    "hardlink_to": lambda p: (Path("g").hardlink_to(p), tried("g")),
    "info": lambda p: p.info.is_file(),
    "is_block_device": lambda p: p.is_block_device(),
    "is_char_device": lambda p: p.is_char_device(),
    "is_dir": lambda p: p.is_dir(),
    "is_fifo": lambda p: p.is_fifo(),
    "is_file": lambda p: p.is_file(),
    "is_junction": lambda p: p.is_junction(),
    "is_mount": lambda p: p.is_mount(),
    "is_socket": lambda p: p.is_socket(),
    "is_symlink": lambda p: Path("l").is_symlink(),
    "iterdir": lambda p: listed_by(Path("d").iterdir),
    "lchmod": lambda p: p.lchmod(0o600),
    "link_to": lambda p: p.link_to("g"),
    "lstat": lambda p: shown(p.lstat()),
    "mkdir": lambda p: (Path("p/q").mkdir(parents=True), os.listdir("p")),
    "move": lambda p: (p.move("g"), tried("g"), tried("f")),
    "move_into": lambda p: (p.move_into("d"), tried("d/f"), tried("f")),
    "open": lambda p: p.open().read(),
    "owner": lambda p: p.owner() == Path(os.curdir).owner(),
    "read_bytes": lambda p: p.read_bytes(),
    "read_text": lambda p: p.read_text(),
    "readlink": lambda p: Path("l").readlink(),
    "rename": lambda p: (p.rename("g"), tried("g")),
    "replace": lambda p: (p.replace("d/x"), tried("d/x")),
    "resolve": lambda p: Path("l").resolve(strict=True).name,
    "rglob": lambda p: listed_by(Path().rglob, "x"),
    "rmdir": lambda p: (Path("d/e").rmdir(), os.listdir("d")),
    "samefile": lambda p: p.samefile("l"),
    "stat": lambda p: shown(p.stat()),
    "symlink_to": lambda p: (Path("m").symlink_to(p), tried("m")),
    "touch": lambda p: (Path("g").touch(), tried("g")),
    "unlink": lambda p: (p.unlink(), tried("f")),
    "walk": lambda p: [(str(a), sorted(b), sorted(c)) for a, b, c in Path("d").walk()],
    "write_bytes": lambda p: (p.write_bytes(b"AB"), tried("f")),
    "write_text": lambda p: (p.write_text("AB"), tried("f")),
}
PATH_OF_NO_FILES = """
    absolute anchor as_posix as_uri cwd drive expanduser from_uri full_match home is_absolute
    is_relative_to is_reserved joinpath match name parent parents parser parts relative_to root stem
    suffix suffixes with_name with_segments with_stem with_suffix
""".split()  # noqa: SIM905 - a table


def public(module):
    """The functions of a module, and its classes that are called to make a file."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", module.__name__)
        in (module.__name__, "posix", "_io", "io", "_fcntl", "os", "builtins")
        and (not isinstance(value, type) or name.endswith(("FileIO", "File", "Directory")))
        and not (isinstance(value, type) and issubclass(value, BaseException))
    ]


def test_every_function_has_its_place():
    """No function of these modules is missing in the tables, whatever Python it is."""
    known = {*OS_ON_DISK, *OS_REFUSED, *OS_OF_NO_FILES, *OS_OF_REAL_PROCESSES}
    missing = [f"os.{name}" for name in public(os) if name not in known]
    for module in (io, glob, fcntl, shutil, tempfile):
        of_none = OF_NO_FILES[module.__name__].split()
        for name in public(module):
            whole = f"{module.__name__}.{name}"
            if whole not in OTHERS_ON_DISK and name not in of_none:
                missing.append(whole)
    in_pathlib = {*PATH_ON_DISK, *PATH_OF_NO_FILES}
    missing += [
        f"Path.{name}"
        for name in dir(pathlib.Path)
        if not name.startswith("_") and name not in in_pathlib
    ]
    assert missing == []


def populate(folder):
    (folder / "d/e").mkdir(parents=True)
    (folder / "f").write_text("0123456789")
    (folder / "d/x").write_text("content of x")
    (folder / "l").symlink_to("f")


def snapshot(folder):
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
    }


def result_of(call, folder, *, has_fds):
    """What a call gives, or its error, in a folder that is the working one meanwhile."""
    here = os.getcwd()
    os.chdir(folder)
    fds = [os.open("f", os.O_RDWR), os.open("d", os.O_RDONLY)]
    try:
        return call(*fds) if has_fds else call(Path("f"))
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error), re.sub(r"\S+/", "", str(error))
    finally:
        for fd in fds:
            os.close(fd)
        os.chdir(here)


CALLS = {
    **{f"os.{name}": (call, True) for name, call in OS_ON_DISK.items()},
    **{name: (call, True) for name, call in OTHERS_ON_DISK.items()},
    **{f"Path.{name}": (call, False) for name, call in PATH_ON_DISK.items()},
}


def is_there(name):
    """Whether this Python has it."""
    owner, _, attribute = name.rpartition(".")
    modules = {"os": os, "io": io, "glob": glob, "fcntl": fcntl, "shutil": shutil}
    return hasattr({**modules, "tempfile": tempfile, "Path": Path}[owner], attribute)


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in CALLS if is_there(name)])
def test_a_call_does_on_a_disk_what_it_does_on_linux(name, tmp_path):
    """It gives the same on both, and the real files are as they were, byte for byte."""
    call, has_fds = CALLS[name]
    real, below = tmp_path / "real/w", tmp_path / "disk/w"
    for each in (real, below):
        populate(each)
    before = snapshot(tmp_path / "disk")

    async def main():
        return result_of(call, below, has_fds=has_fds)

    found = simloop.run(main(), disk=True)
    assert snapshot(tmp_path / "disk") == before
    assert found == result_of(call, real, has_fds=has_fds)


@pytest.mark.parametrize("name", OS_REFUSED)
def test_a_call_that_is_refused_says_why(name, tmp_path):
    """It is refused by name, or as a file system refuses what it does not have."""
    populate(tmp_path / "w")
    before = snapshot(tmp_path / "w")

    async def main():
        return result_of(OS_REFUSED[name], tmp_path / "w", has_fds=True)

    kind, told = simloop.run(main(), disk=True)
    assert (kind, "not supported" in told) == (OSError, True) or (
        kind is simloop.UnsupportedError and f"os.{name}(" in told
    )
    assert snapshot(tmp_path / "w") == before
