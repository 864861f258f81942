"""The rest of ``os`` on descriptors: what few programs call on a socket or a pipe.

Owns: sending those functions to the world for a virtual descriptor, be it the first argument or the
second, and refusing by name what the world has no answer for. ``os.sendfile`` from a real file to a
virtual descriptor reads the one and writes the other.

Invariant: a virtual number never reaches the operating system, which would say that nothing is open
under it.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import entry, redirect
from simloop._sandbox.process import effects
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UnsupportedError
from simloop.net.linux import platform_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_SENT_MAX = 0x7FFF_F000  # What Linux sends at most in one call.

_ANSWERED = ("device_encoding", "dup2", "readinto", "readv", "writev")
"""What the world's sockets do; the rest is an error on each socket and pipe, or refused."""

_WRITES = ("pwrite", "pwritev", "writev")
"""What a watched run is told to have written, where it goes to real files."""

_WAYS_OUT = {
    "copy_file_range": "read the one and write the other",
    "eventfd_read": "read it by os.read",
    "eventfd_write": "write to it by os.write",
    "fchmod": "set the mode of a socket's path by os.chmod(path, mode)",
    "fchown": "everything belongs to the one user of the host",
    "flock": "lock a file, or use asyncio.Lock",
    "fpathconf": "these are limits of files",
    "fstatvfs": "a socket lies on no disk",
    "lockf": "lock a file, or use asyncio.Lock",
    "login_tty": "there are no terminals in a world",
    "posix_fadvise": "advice is for files",
    "posix_fallocate": "space is for files",
    "splice": "read the one and write the other",
}


def _redirect_call(module: ModuleType, name: str) -> None:
    """Send ``name(fd, ...)`` to the world, or refuse it, where a descriptor is virtual."""
    target = getattr(module, name, None)
    if target is None:  # Not in this version.
        return
    shown = f"{module.__name__}.{name}()"

    def call(*args: Any, **kwargs: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is not None and run.sockets is not None:
            for thing in (*args[:2], *kwargs.values()):
                fd = thing if type(thing) is int else _number(thing)
                if fd is not None and run.sockets.owns(fd):
                    return _answer(run, name, shown, fd, args, kwargs)
        if name in _WRITES and len(args) > 1:
            return effects.write(real, *args, **kwargs)
        return real(*args, **kwargs)

    real = redirect(target, call)


def _number(thing: Any) -> int | None:
    """Return the descriptor of an object that has one, which some calls take."""
    fileno = getattr(thing, "fileno", None)
    return fileno() if callable(fileno) else None


def _answer(
    run: RunContext, name: str, shown: str, fd: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Make the call in the world, give the error of Linux, or refuse."""
    if name == "sendfile":
        return _sendfile(run, *args, **kwargs)
    sockets = run.sockets
    assert sockets is not None
    if name in _ANSWERED:
        return getattr(sockets, name)(*args, **kwargs)
    if error := sockets.fault_of(name):
        raise error
    way_out = _WAYS_OUT.get(name, "use the calls of os and socket that read and write")
    raise UnsupportedError(f"{shown} on the virtual descriptor {fd}: {way_out}")


def _sendfile(run: RunContext, out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
    """Send a part of a real file; from where it stands if ``offset`` is None."""
    sockets = run.sockets
    assert sockets is not None
    if sockets.owns(in_fd):
        raise UnsupportedError(
            f"os.sendfile() from the virtual descriptor {in_fd}: it sends files; read it by os.read"
        )
    start = os.lseek(in_fd, 0, os.SEEK_CUR) if offset is None else offset
    sent = sockets.write(out_fd, os.pread(in_fd, min(count, _SENT_MAX), start))
    if offset is None:
        os.lseek(in_fd, start + sent, os.SEEK_SET)
    return sent


for _name in (
    *("copy_file_range", "device_encoding", "dup2", "eventfd_read", "eventfd_write", "fchdir"),
    *("fchmod", "fchown", "fdatasync", "fpathconf", "fstatvfs", "fsync", "ftruncate"),
    *("get_terminal_size", "grantpt", "lockf", "login_tty", "lseek", "posix_fadvise"),
    *("posix_fallocate", "pread", "preadv", "ptsname", "pwrite", "pwritev", "readinto", "readv"),
    *("sendfile", "setns", "splice", "tcgetpgrp", "tcsetpgrp", "timerfd_gettime"),
    *("timerfd_gettime_ns", "timerfd_settime", "timerfd_settime_ns", "ttyname", "unlockpt"),
    "writev",
):
    _redirect_call(os, _name)
_fcntl = platform_module("fcntl")
_redirect_call(_fcntl, "flock")
_redirect_call(_fcntl, "lockf")


class _Supported(AbstractSet[Any]):
    """Functions of ``os``, found by which they are.

    A builtin function hashes by the C function that it calls, so one that is redirected is not
    where a real set keeps it: ``shutil.copystat`` would find that none knows ``follow_symlinks``.
    """

    def __init__(self, functions: Iterable[Any]) -> None:
        self._functions = sorted(functions, key=lambda each: str(each.__name__))

    def __contains__(self, function: object) -> bool:
        return any(function is each for each in self._functions)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


for _name in (
    "supports_dir_fd",
    "supports_effective_ids",
    "supports_fd",
    "supports_follow_symlinks",
):
    entry(os, _name, _Supported(getattr(os, _name)))
