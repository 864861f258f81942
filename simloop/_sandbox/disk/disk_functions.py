"""The functions of ``os`` and ``fcntl`` in a run with a disk.

Owns: sending each to the method of that name of the process's calls. What a descriptor or a path
leads to that is on no disk (a socket, a pipe, ``/proc``, a device) goes on to what stood there
before.

Must not know: what the calls do.

Invariants: a call that names a path never reaches the real file system, unless the path leads to
what is on no disk, or the block of code was allowed ``files``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING, Any

from simloop._presence import call_hearers
from simloop._sandbox.patching.registry import redirect, redirect_present
from simloop._sandbox.process import effects
from simloop._sandbox.process.effects import _listeners
from simloop._sandbox.process.lock_calls import _take, wake_lock_waiters
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.disk.disk_errors import NotOnDiskError

from .callers import calls_of_descriptors, calls_of_paths, is_compiling, is_left_alone, is_socket
from .refusing import refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

# Paths -----------------------------------------------------------------------------------------

_TOLD = {
    "mkdir": "os.mkdir",
    "rmdir": "os.rmdir",
    "unlink": "os.remove",
    "remove": "os.remove",
    "rename": "os.rename",
    "replace": "os.rename",
    "link": "os.link",
    "symlink": "os.symlink",
    "truncate": "os.truncate",
    "chmod": "os.chmod",
    "chown": "os.chown",
    "lchown": "os.chown",
    "utime": "os.utime",
    "setxattr": "os.setxattr",
    "removexattr": "os.removexattr",
}
"""Functions that change files, and the audit events by which watchers of a run hear of them."""

_UNTOLD = ("mkfifo", "mknod")
"""Functions that change files, and that Python announces to none."""

_OF_IMPORTS = ("stat", "lstat", "listdir", "scandir", "open")


def _redirect_path(name: str) -> None:  # noqa: C901 - one function, flat, for all calls
    """Send ``os.name(path, ...)`` to the disk."""
    event = _TOLD.get(name)
    asks_imports, makes = name in _OF_IMPORTS, name in ("open", "mkdir")

    changes = event is not None or name in _UNTOLD
    first = ("src", "dst") if name in _WITH_TWO else ("path",)

    def function(*args: Any, **kwargs: Any) -> Any:
        calls = calls_of_paths()
        if calls is None:
            return real(*args, **kwargs)
        if call_hearers:
            call_hearers[0]()
        if kwargs and len(args) < len(first):
            args = _with_paths(args, kwargs, first)
        paths = args[:2] or (None,)
        if makes and is_compiling(2) and (name == "mkdir" or args[1] & os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), *paths[:1])
        if asks_imports and is_left_alone(calls, paths[0], 2):
            return real(*args, **kwargs)
        if _is_any_socket(paths, kwargs):
            return real(*args, **kwargs)
        if event is not None and effects.is_heard():
            effects.changed(event, args)
        try:
            return getattr(calls, name)(*args, **kwargs)
        except NotOnDiskError:
            if not changes or type(paths[0]) is int:
                return real(*args, **kwargs)
        raise _not_changed(name, paths)

    function.__name__ = function.__qualname__ = name
    real = redirect_present(os, name, function)


def _is_any_socket(paths: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether one of the paths is the name of a virtual UNIX socket."""
    sockets = by_thread[get_ident()].sockets
    assert sockets is not None
    if sockets.paths.names is None:
        return False
    return any(is_socket(sockets, path, kwargs.get("dir_fd")) for path in paths)


def _with_paths(args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...]) -> Any:
    """Return the arguments with the paths among them that were given by name."""
    given = []
    for name in names[len(args) :]:
        if name not in kwargs:
            break
        given.append(kwargs.pop(name))
    return (*args, *given)


_WITH_TWO = ("rename", "replace", "link", "symlink")


def _not_changed(name: str, paths: tuple[Any, ...]) -> OSError:
    """Return the error of a change to the system's own files, which lie on no disk."""
    if name in _WITH_TWO and name != "symlink":
        source, target = paths
        return OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)
    return OSError(errno.EROFS, os.strerror(errno.EROFS), paths[-1 if name == "symlink" else 0])


def _redirect_other(name: str) -> None:
    """Send ``os.name(...)`` to the disk, which has no path and no descriptor in it."""

    def function(*args: Any) -> Any:
        calls = calls_of_paths()
        if calls is None:
            return real(*args)
        if name == "umask":
            by_thread[get_ident()].sockets.paths.umask(*args)  # type: ignore[union-attr]  # there are calls
        return getattr(calls, name)(*args)

    real = redirect(getattr(os, name), function)


for _name in (
    *("access", "chdir", "chmod", "chown", "getxattr", "lchown", "link", "listdir", "listxattr"),
    *("lstat", "mkdir", "mkfifo", "mknod", "open", "pathconf", "readlink", "remove"),
    *("removexattr", "rename", "replace", "rmdir", "scandir", "setxattr", "stat", "statvfs"),
    *("symlink", "truncate", "unlink", "utime"),
):
    _redirect_path(_name)
for _name in ("getcwd", "getcwdb", "sync", "umask"):
    _redirect_other(_name)


# Descriptors -----------------------------------------------------------------------------------


def _redirect_descriptor(name: str) -> None:
    """Send ``os.name(fd, ...)`` to the disk where the descriptor is of a file on it."""
    target = getattr(os, name, None)
    if target is None:
        return
    method = "ftruncate" if name == "truncate" else name

    def function(*args: Any, **kwargs: Any) -> Any:
        calls = calls_of_descriptors()
        if calls is None or calls.look_up(args[0] if args else kwargs.get("fd")) is None:
            return real(*args, **kwargs)
        result = getattr(calls, method)(*args, **kwargs)
        if name == "close":
            wake_lock_waiters()  # It may have had one.
        return result

    function.__name__ = function.__qualname__ = name
    real = redirect(target, function)


for _name in (
    *("close", "device_encoding", "fchdir", "fchmod", "fchown", "fdatasync", "fpathconf"),
    *("fstat", "fstatvfs", "fsync", "ftruncate", "isatty", "posix_fadvise"),
    *("posix_fallocate", "preadv", "readinto", "readv"),
):
    _redirect_descriptor(_name)


# The five that programs call most: as the others, with fewer frames between --------------------


def _read(fd: Any, length: Any, /) -> Any:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None and (files := run.sockets.files) is not None:
        opened = files.look_up(fd)
        if opened is not None:
            if call_hearers:
                call_hearers[0]()
            return opened.read(length)
    return _real_read(fd, length)


def _pread(fd: Any, length: Any, offset: Any, /) -> Any:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None and (files := run.sockets.files) is not None:
        opened = files.look_up(fd)
        if opened is not None:
            if call_hearers:
                call_hearers[0]()
            return opened.pread(length, offset)
    return _real_pread(fd, length, offset)


def _write(fd: Any, data: Any, /) -> Any:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None and (files := run.sockets.files) is not None:
        opened = files.look_up(fd)
        if opened is not None and type(data) is bytes and not _listeners:
            if call_hearers:
                call_hearers[0]()
            return opened.write(data)
    return _any_write(fd, data)


def _pwrite(fd: Any, data: Any, offset: Any, /) -> Any:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None and (files := run.sockets.files) is not None:
        opened = files.look_up(fd)
        if opened is not None and type(data) is bytes and not _listeners:
            if call_hearers:
                call_hearers[0]()
            return opened.pwrite(data, offset)
    return _any_pwrite(fd, data, offset)


def _lseek(fd: Any, position: Any, whence: Any, /) -> Any:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None and (files := run.sockets.files) is not None:
        opened = files.look_up(fd)
        if opened is not None:
            return opened.seek(position, whence)
    return _real_lseek(fd, position, whence)


_real_read, _real_pread = redirect(os.read, _read), redirect(os.pread, _pread)
_real_lseek = redirect(os.lseek, _lseek)


def _redirect_write(name: str) -> Any:
    """Send a function that writes to the disk, and tell watchers of the run what it wrote."""

    def function(fd: Any, data: Any, *args: Any) -> Any:
        calls = calls_of_descriptors()
        if calls is None or calls.look_up(fd) is None:
            return real(fd, data, *args)
        if call_hearers:
            call_hearers[0]()
        if effects.is_heard():
            return effects.write(getattr(calls, name), fd, data, *args, fstat=calls.fstat)
        return getattr(calls, name)(fd, data, *args)

    function.__name__ = function.__qualname__ = name
    real = redirect(getattr(os, name), function)
    return function


_any_write, _any_pwrite = _redirect_write("write"), _redirect_write("pwrite")
redirect(os.write, _write)
redirect(os.pwrite, _pwrite)
_redirect_write("writev")
_redirect_write("pwritev")


def _sendfile(out_fd: Any, in_fd: Any, offset: Any, count: Any, *args: Any, **kwargs: Any) -> Any:
    calls = calls_of_descriptors()
    if calls is None or (calls.look_up(in_fd) is None and calls.look_up(out_fd) is None):
        return _real_sendfile(out_fd, in_fd, offset, count, *args, **kwargs)
    if calls.look_up(in_fd) is not None:
        return calls.sendfile(out_fd, in_fd, offset, count, os.write)
    start = os.lseek(in_fd, 0, os.SEEK_CUR) if offset is None else offset
    sent = os.write(out_fd, os.pread(in_fd, min(count, 1 << 20), start))
    if offset is None:
        os.lseek(in_fd, start + sent, os.SEEK_SET)
    return sent


def _copy_file_range(src: Any, dst: Any, count: int, *args: Any, **kwargs: Any) -> Any:
    calls = calls_of_descriptors()
    if calls is None or (calls.look_up(src) is None and calls.look_up(dst) is None):
        return _real_copy_file_range(src, dst, count, *args, **kwargs)
    if calls.look_up(src) is None or calls.look_up(dst) is None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))  # One is real.
    return calls.copy_file_range(src, dst, count, *args, **kwargs)


def _is_pipe(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode)


def _splice(src: Any, dst: Any, count: int, *args: Any, **kwargs: Any) -> Any:
    calls = calls_of_descriptors()
    if calls is None or (calls.look_up(src) is None and calls.look_up(dst) is None):
        return _real_splice(src, dst, count, *args, **kwargs)
    ways = {"read": os.read, "write": os.write, "is_pipe": _is_pipe}
    return calls.splice(src, dst, count, *args, **kwargs, **ways)


def _dup2(fd: Any, fd2: Any, *args: Any, **kwargs: Any) -> Any:
    calls = calls_of_descriptors()
    if calls is not None:
        calls.replaces(fd, fd2)
    return _real_dup2(fd, fd2, *args, **kwargs)


def _chroot(path: Any) -> Any:
    if calls_of_paths() is None:
        return _real_chroot(path)
    reason = "the real process would have another root, and the disk its own"
    raise refused(f"os.chroot({path!r})", reason, "give the program its paths")


_real_splice = redirect(os.splice, _splice)
_real_dup2 = redirect(os.dup2, _dup2)
_real_chroot = redirect(os.chroot, _chroot)
_real_sendfile = redirect(os.sendfile, _sendfile)
_real_copy_file_range = redirect(os.copy_file_range, _copy_file_range)


# Flags and locks -------------------------------------------------------------------------------


def _flock(fd: Any, operation: int, /) -> Any:
    calls = calls_of_descriptors()
    if calls is None or calls.look_up(fd) is None:
        return _real_flock(fd, operation)
    return _locked(
        f"fcntl.flock({fd!r})",
        fd,
        lambda: calls.try_flock(fd, operation),
        waits=not operation & (fcntl.LOCK_NB | fcntl.LOCK_UN),
    )


def _lockf(fd: Any, cmd: int, *args: Any) -> Any:
    calls = calls_of_descriptors()
    if calls is None or calls.look_up(fd) is None:
        return _real_lockf(fd, cmd, *args)
    return _locked(
        f"fcntl.lockf({fd!r})",
        fd,
        lambda: calls.try_lockf(fd, cmd, *args),
        waits=not cmd & (fcntl.LOCK_NB | fcntl.LOCK_UN),
    )


def _os_lockf(fd: Any, command: int, length: int, /) -> Any:
    calls = calls_of_descriptors()
    if calls is None or calls.look_up(fd) is None:
        return _real_os_lockf(fd, command, length)
    call = f"os.lockf({fd!r})"
    attempt = lambda: calls.try_os_lockf(fd, command, length)  # noqa: E731 - one line, used once
    return _locked(call, fd, attempt, waits=command == os.F_LOCK)


_OF_NUMBERS = (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)
"""What is of a descriptor's number, whatever it names."""


def _fcntl(fd: Any, cmd: int, *args: Any) -> Any:
    calls = calls_of_descriptors()
    if calls is None or cmd in _OF_NUMBERS or calls.look_up(fd) is None:
        return _real_fcntl(fd, cmd, *args)
    call = f"fcntl.fcntl({fd!r}, {cmd})"
    attempt = lambda: calls.try_fcntl(fd, cmd, *args)  # noqa: E731 - one line, used once
    return _locked(call, fd, attempt, waits=cmd == fcntl.F_SETLKW)


_GROWTH = 100  # Nearly all that unlocks is heard of.


def _locked(call: str, fd: Any, attempt: Callable[[], Any], *, waits: bool) -> Any:
    """Try a lock, again and again where it may wait; whoever waits for one may go on after it."""
    result = _take(call, fd, attempt, _GROWTH) if waits else attempt()
    wake_lock_waiters()
    return result


def _ioctl(fd: Any, *args: Any) -> Any:
    calls = calls_of_descriptors()
    if calls is None or calls.look_up(fd) is None:
        return _real_ioctl(fd, *args)
    return calls.ioctl(fd, *args)


_real_flock = redirect(fcntl.flock, _flock)
_real_lockf = redirect(fcntl.lockf, _lockf)
_real_os_lockf = redirect(os.lockf, _os_lockf)
_real_fcntl = redirect(fcntl.fcntl, _fcntl)
_real_ioctl = redirect(fcntl.ioctl, _ioctl)
