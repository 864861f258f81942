"""Calls that write files or ask for their status, inside a run.

Owns: showing the files of the real user as the user's whom a run has (:mod:`..process.machine`), as
a program finds its own files outside, which compares ``st_uid`` with ``os.getuid()``; telling the
world's :class:`.file_times.FileTimes` what the program does to real files, and showing the program
the times that are kept there. What changes a file by its path is announced by Python's audit
events; what is written through a file object or a descriptor is told of where it is written:
``FileIO.write`` is what every buffered file ends in (``_bufferedwriter_raw_write`` in CPython's
Modules/_io/bufferedio.c).

Must not know: what is shown.

Invariants: a run that writes no file pays for none of this; modules that Python compiles, and what
imports ask for to find them, have their real times, by which Python tells whether they are stale.
"""

from __future__ import annotations

import _io
import math
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND
from simloop._presence import call_hearers
from simloop._sandbox.io import descriptors  # noqa: F401 - ours stand in front of theirs
from simloop._sandbox.io.socket_paths import FolderScan
from simloop._sandbox.patching.c_functions import clone_method
from simloop._sandbox.patching.registry import method, redirect, redirect_present
from simloop._sandbox.process import effects
from simloop._sandbox.process.machine import OWN_GID, OWN_UID, UID, run_on_machine
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simloop._sandbox.run_context import RunContext

__all__ = ["noted"]

_WRITES = os.O_CREAT | os.O_TRUNC
_IMPORTS = "importlib._bootstrap_external"


# What is shown ---------------------------------------------------------------------------------


_OWN_UID = _OWN_GID = -1
"""The user and group whose files are shown as the run's; -1 where they have its numbers anyway."""
if (OWN_UID, OWN_GID) != (UID, UID):
    _OWN_UID, _OWN_GID = OWN_UID, OWN_GID


def _shown(run: RunContext, status: os.stat_result) -> os.stat_result:
    if run.files.has_any:
        status = run.files.shown(status, run.start_ns + run.clock.now_ns)
    if _is_own(status) and run_on_machine() is not None:
        return _owned(status)
    return status


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == _OWN_UID or status.st_gid == _OWN_GID


def _owned(status: os.stat_result) -> os.stat_result:
    """Return a copy of a status in which the run's user stands for the real one."""
    parts: Any = status.__reduce__()  # The class, and what it is made of.
    values, further = list(parts[1][0]), parts[1][1]
    for index, own in ((stat.ST_UID, _OWN_UID), (stat.ST_GID, _OWN_GID)):
        if values[index] == own:
            values[index] = UID
    return os.stat_result(values, further)


def _module_of_caller() -> Any:
    """Return the name of the module that asks, past what stands in front where a run has a disk."""
    frame = sys._getframe(2)
    name = frame.f_globals.get("__name__")
    if name == _OF_DISKS and frame.f_back is not None:
        return frame.f_back.f_globals.get("__name__")
    return name


_OF_DISKS = "simloop._sandbox.disk.disk_functions"


def _redirect_status(name: str) -> None:
    """Let a function that returns the status of a file show the run's times."""

    def ask(*args: Any, **kwargs: Any) -> Any:
        if call_hearers:
            call_hearers[0]()
        status = real(*args, **kwargs)
        run = by_thread.get(get_ident())
        if run is None or not (run.files.has_any or _is_own(status)):
            return status
        if name == "stat" and args and type(args[0]) is int:
            return status  # Of fstat, which has shown it so already.
        if _module_of_caller() == _IMPORTS:
            return status
        return _shown(run, status)

    ask.__name__ = ask.__qualname__ = name
    real = redirect_present(os, name, ask)


for _name in ("stat", "lstat", "fstat"):
    _redirect_status(_name)


class _TimedEntry:
    """What ``os.scandir`` gives for a file that the run wrote or owns: as ``os.DirEntry``."""

    __slots__ = ("_real", "_run", "name", "path")

    def __init__(self, real: os.DirEntry[Any], run: RunContext) -> None:
        self._real = real
        self._run = run
        self.name = real.name
        self.path = real.path

    def inode(self) -> int:
        """Return the number of the file."""
        return self._real.inode()

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the status, with the times and the owner of the run."""
        return _shown(self._run, self._real.stat(follow_symlinks=follow_symlinks))

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a folder."""
        return self._real.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a file."""
        return self._real.is_file(follow_symlinks=follow_symlinks)

    def is_symlink(self) -> bool:
        """Return whether it is a symbolic link."""
        return self._real.is_symlink()

    def is_junction(self) -> bool:
        """Return False: those are of Windows."""
        return False

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


def _timed(real: Any, run: RunContext) -> Iterator[Any]:
    for each in real:
        is_real = type(each) is os.DirEntry
        may_know = is_real and (
            _OWN_UID >= 0 or each.is_symlink() or run.files.may_know(each.inode())
        )
        yield _TimedEntry(each, run) if may_know else each


def _scandir(*args: Any, **kwargs: Any) -> Any:
    entries = _real_scandir(*args, **kwargs)
    run = by_thread.get(get_ident())
    if run is None or not (run.files.has_any or _OWN_UID >= 0):
        return entries
    return FolderScan(entries, _timed(entries, run))


_real_scandir = redirect(os.scandir, _scandir)


def _redirect_chown(name: str) -> None:
    """Let a function that sets owners take the run's user for the real one."""

    def chown(*args: Any, **kwargs: Any) -> Any:
        if run_on_machine() is not None:
            for index, (key, own) in enumerate((("uid", _OWN_UID), ("gid", _OWN_GID)), start=1):
                if kwargs.get(key) == UID:
                    kwargs[key] = own
                elif len(args) > index and args[index] == UID:
                    args = (*args[:index], own, *args[index + 1 :])
        return real(*args, **kwargs)

    chown.__name__ = chown.__qualname__ = name
    real = redirect_present(os, name, chown)


if _OWN_UID >= 0:
    for _name in ("chown", "lchown", "fchown"):
        _redirect_chown(_name)


# What is written through a file object ---------------------------------------------------------

_real_write: Any = clone_method(_io.FileIO, "write")
_real_truncate: Any = clone_method(_io.FileIO, "truncate")
_telling_write = effects.telling_raw_write(_real_write)


def _write(self: _io.FileIO, data: Any, /) -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_write(self, data)
    written = _telling_write(self, data) if effects.is_heard() else _real_write(self, data)
    if written:
        run.files.wrote(self.fileno(), run.start_ns + run.clock.now_ns)
    return written


def _truncate(self: _io.FileIO, size: Any = None, /) -> Any:
    result = _real_truncate(self, size)
    run = by_thread.get(get_ident())
    if run is not None:
        run.files.wrote(self.fileno(), run.start_ns + run.clock.now_ns)
    return result


_write.__name__, _write.__qualname__ = "write", "FileIO.write"
_truncate.__name__, _truncate.__qualname__ = "truncate", "FileIO.truncate"
method(_io.FileIO, "write", _write)
method(_io.FileIO, "truncate", _truncate)


# What is done to paths -------------------------------------------------------------------------


def _path_of(thing: Any) -> int | str | None:
    """Return a descriptor or an absolute path; None for what Python compiles."""
    if isinstance(thing, int):
        return thing
    path = os.path.abspath(os.fsdecode(thing))  # noqa: PTH100 - links are not followed
    return None if "__pycache__" in path else path


def _touch_folder(run: RunContext, path: int | str) -> None:
    """Note that the entries of a folder change."""
    if isinstance(path, str):
        folder = os.path.dirname(path)  # noqa: PTH120 - a text
        run.files.wrote(folder, run.start_ns + run.clock.now_ns, is_done=False)


def _note_open(run: RunContext, args: tuple[Any, ...]) -> None:
    flags = args[2]
    if not flags & _WRITES or isinstance(args[0], int):
        return
    path = _path_of(args[0])
    if not isinstance(path, str):
        return
    is_new = not os.path.lexists(path)
    if is_new and not flags & os.O_CREAT:
        return
    if is_new or flags & os.O_TRUNC:
        run.files.creates(path, run.start_ns + run.clock.now_ns, is_new=is_new)
    if is_new:
        _touch_folder(run, path)


def _note_new(run: RunContext, args: tuple[Any, ...]) -> None:
    """Note a new folder, by its first argument, or link, by its second."""
    path = _path_of(args[0])
    if isinstance(path, str):
        run.files.creates(path, run.start_ns + run.clock.now_ns, is_new=True)
        _touch_folder(run, path)


def _note_symlink(run: RunContext, args: tuple[Any, ...]) -> None:
    _note_new(run, args[1:])


def _note_moved(run: RunContext, args: tuple[Any, ...]) -> None:
    """Note that names of a file change: it is renamed, linked or removed."""
    files, now_ns = run.files, run.start_ns + run.clock.now_ns
    files.settle()
    for index, thing in enumerate(args[:2]):
        path = _path_of(thing) if isinstance(thing, str | bytes | os.PathLike) else None
        if isinstance(path, str):
            if not index:
                files.changes(path, now_ns)
            _touch_folder(run, path)


def _note_changed(run: RunContext, args: tuple[Any, ...]) -> None:
    """Note that the mode or the owner of a file changes."""
    run.files.settle()
    path = _path_of(args[0])
    if path is not None:
        run.files.changes(path, run.start_ns + run.clock.now_ns)


def _note_truncated(run: RunContext, args: tuple[Any, ...]) -> None:
    path = _path_of(args[0])
    if path is not None:
        run.files.settle()
        run.files.wrote(path, run.start_ns + run.clock.now_ns, is_done=False)


def _note_utime(run: RunContext, args: tuple[Any, ...]) -> None:
    path, times, ns, _ = args
    now_ns = run.start_ns + run.clock.now_ns
    where = _path_of(path)
    if where is None:
        return
    if isinstance(ns, tuple):
        access_ns, modify_ns = ns
    elif isinstance(times, tuple):
        access_ns, modify_ns = (_floor_ns(each) for each in times)
    else:
        access_ns = modify_ns = now_ns
    run.files.sets(where, access_ns, modify_ns, now_ns)


def _floor_ns(seconds: float) -> int:
    """Turn POSIX seconds into nanoseconds as ``os.utime`` does: rounded down."""
    whole = math.floor(seconds)
    return whole * NS_PER_SECOND + math.floor((seconds - whole) * 1e9)


def _note_process(run: RunContext, _args: tuple[Any, ...]) -> None:
    run.files.starts_process()


_NOTES: dict[str, Callable[[RunContext, tuple[Any, ...]], None]] = {
    "open": _note_open,
    "os.mkdir": _note_new,
    "os.symlink": _note_symlink,
    "os.truncate": _note_truncated,
    "os.utime": _note_utime,
    **dict.fromkeys(("os.rename", "os.remove", "os.rmdir", "os.link"), _note_moved),
    **dict.fromkeys(
        ("os.chmod", "os.chown", "os.setxattr", "os.removexattr"),
        _note_changed,
    ),
    **dict.fromkeys(("subprocess.Popen", "os.posix_spawn", "os.system"), _note_process),
}


def noted(run: RunContext, event: str, args: tuple[Any, ...]) -> None:
    """Take note of an audit event, which comes before the deed."""
    note = _NOTES.get(event)
    if note is None:
        return
    try:
        note(run, args)
    except (TypeError, ValueError, OSError, OverflowError):
        return  # The call itself says what is wrong with its arguments.
