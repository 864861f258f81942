"""The times of files that a run wrote: when, by its own clock.

Owns: for each file that the runs of a world created, wrote or set the times of, what ``stat`` is to
show for its three times. A file is known by device and inode, so its times stay with it through
rename, link, unlink and a descriptor that is still open, and a new file at an old path is another.

Must not know: which calls change what; it is told. Nothing is written to the real file: programs
outside see the real times, and so does another run, which did not write it.

Invariants:

- Times follow the world's clock only. The real clock is read for one question: whether a file that
  was to be created, truncated or given to a real process has been touched since.
- A file that no run of the world touched shows its real times; so does every file as long as the
  world wrote none, at the cost of one look.
- What C code wrote (a database, ``sendfile``, a real process) shows in the file's real time of
  change, which then differs from the one that was seen last: it counts as written when it is seen.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND, date_seconds
from simloop._sandbox.patching.c_functions import clone

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FileTimes"]

_stat: Callable[..., os.stat_result] = clone(os.stat)
_lstat: Callable[..., os.stat_result] = clone(os.lstat)
_COARSE = 5
"""Linux's CLOCK_REALTIME_COARSE, by which it stamps files (current_time in fs/inode.c)."""
_stamp_ns: Callable[[], int] = (
    functools.partial(clone(time.clock_gettime_ns), _COARSE)
    if sys.platform == "linux"
    else clone(time.time_ns)
)

_PENDING_MAX = 1000


class _Times:
    """What a file shows: nanoseconds since 1970, None for its real time."""

    __slots__ = ("access_ns", "change_ns", "modify_ns", "real_ns")

    def __init__(self) -> None:
        self.access_ns: int | None = None
        self.modify_ns: int | None = None
        self.change_ns: int | None = None
        self.real_ns: int | None = None
        """The real time of modification when it was seen last; None: not seen since."""


class _Created:
    """A path at which a file is about to be created or emptied."""

    __slots__ = ("is_new", "now_ns", "path", "real_ns")

    def __init__(self, path: str, now_ns: int, *, is_new: bool) -> None:
        self.path = path
        self.now_ns = now_ns
        self.real_ns = _stamp_ns()
        self.is_new = is_new


class FileTimes:
    """The times of the files of one world.

    Example:
        >>> import tempfile
        >>> times = FileTimes()
        >>> with tempfile.TemporaryFile() as file:
        ...     times.wrote(file.fileno(), 1_500_000_000)
        ...     times.shown(os.fstat(file.fileno()), 2_000_000_000).st_mtime
        1.5
    """

    __slots__ = ("_created", "_inodes", "_processes_since_ns", "_times", "has_any")

    def __init__(self) -> None:
        self.has_any: bool = False
        """Whether any file may show other times than its real ones."""

        self._times: dict[tuple[int, int], _Times] = {}
        self._inodes: dict[int, None] = {}
        self._created: list[_Created] = []
        self._processes_since_ns: int | None = None

    def _of(self, status: os.stat_result) -> _Times:
        key = status.st_dev, status.st_ino
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = _Times()
            self._inodes[status.st_ino] = None
            self.has_any = True
        return times

    # What is done to files -----------------------------------------------------------------

    def creates(self, path: str, now_ns: int, *, is_new: bool) -> None:
        """Take note that a file will be made at an absolute path, or the one there be emptied."""
        self._created.append(_Created(path, now_ns, is_new=is_new))
        self.has_any = True
        if len(self._created) >= _PENDING_MAX:
            self.settle()

    def settle(self) -> None:
        """Look at the files that were to be made, before their paths lead elsewhere."""
        created, self._created = self._created, []
        for each in created:
            try:
                status = _lstat(each.path)
                if stat.S_ISLNK(status.st_mode) and not each.is_new:
                    status = _stat(each.path)
            except (OSError, ValueError):
                continue
            if status.st_ctime_ns < each.real_ns or not _has_times(status):
                continue  # It has not come to that.
            times = self._of(status)
            if each.is_new:
                times.access_ns = each.now_ns
            if times.modify_ns is None or times.modify_ns < each.now_ns:
                times.modify_ns = times.change_ns = each.now_ns
            times.real_ns = None

    def wrote(self, thing: int | str, now_ns: int, *, is_done: bool = True) -> None:
        """Take note that a file or a folder, given by descriptor or path, has changed, or will."""
        try:
            status = _stat(thing)
        except (OSError, ValueError):
            return
        if _has_times(status):
            times = self._of(status)
            times.modify_ns = times.change_ns = now_ns
            times.real_ns = status.st_mtime_ns if is_done else None

    def changes(self, thing: int | str, now_ns: int) -> None:
        """Take note that something about a file is about to change that is not its content."""
        try:
            status = _lstat(thing) if isinstance(thing, str) else _stat(thing)
        except (OSError, ValueError):
            return
        if _has_times(status):
            self._of(status).change_ns = now_ns

    def sets(self, thing: int | str, access_ns: int, modify_ns: int, now_ns: int) -> None:
        """Take note that a file is about to be given times, as ``os.utime`` does."""
        self.settle()
        try:
            status = _stat(thing)
        except (OSError, ValueError):
            return
        times = self._of(status)
        times.access_ns, times.modify_ns, times.change_ns = access_ns, modify_ns, now_ns
        times.real_ns = None

    def starts_process(self) -> None:
        """Take note that a real process is about to begin, which may write files."""
        if self._processes_since_ns is None:
            self._processes_since_ns = _stamp_ns()
            self.has_any = True

    # What they show ------------------------------------------------------------------------

    def may_know(self, inode: int) -> bool:
        """Return whether a file of that number may show other times than its real ones."""
        if self._created:
            self.settle()
        return inode in self._inodes or self._processes_since_ns is not None

    def shown(self, status: os.stat_result, now_ns: int) -> os.stat_result:
        """Return a file's status with the times that the run is to see."""
        if self._created:
            self.settle()
        times = self._times.get((status.st_dev, status.st_ino))
        if times is None:
            if not self._is_of_process(status):
                return status
            times = self._of(status)
            times.access_ns = times.modify_ns = times.change_ns = now_ns
            times.real_ns = status.st_mtime_ns
        elif times.real_ns is None or times.real_ns < status.st_mtime_ns:
            if times.real_ns is not None and stat.S_ISREG(status.st_mode):
                times.modify_ns = times.change_ns = now_ns
            times.real_ns = status.st_mtime_ns
        return _with_times(status, times)

    def _is_of_process(self, status: os.stat_result) -> bool:
        """Return whether a real process that the run started has written a file."""
        since_ns = self._processes_since_ns
        return since_ns is not None and _has_times(status) and status.st_mtime_ns >= since_ns


def _has_times(status: os.stat_result) -> bool:
    mode = status.st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _with_times(status: os.stat_result, times: _Times) -> os.stat_result:
    """Return a copy of a status with other times; as floats these are not later than ``time()``."""
    parts: Any = status.__reduce__()  # The class, and what it is made of.
    values, further = list(parts[1][0]), dict(parts[1][1])
    named = (
        ("st_atime", times.access_ns),
        ("st_mtime", times.modify_ns),
        ("st_ctime", times.change_ns),
    )
    for index, (name, value_ns) in enumerate(named, start=stat.ST_ATIME):
        if value_ns is not None:
            values[index] = value_ns // NS_PER_SECOND
            further[name], further[f"{name}_ns"] = date_seconds(value_ns), value_ns
    return os.stat_result(values, further)
