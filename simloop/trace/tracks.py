"""Tracks: which process and thread of a picture a step belongs to.

Owns: their numbers. A host is a process; each of its tasks is a thread, and so are together all
callbacks that belong to no task, and each of its lanes. Numbers count up in the order in which
things are first seen.

Must not know: events. It tells a listener of each new track, and of each that ended.

Invariants: watching keeps nothing alive and asks no task for its hash, which its loop would count;
only tasks that are not done have an entry here.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Track", "Tracks"]

_WORLD = "the world"


class Track:
    """One thread of a picture."""

    __slots__ = ("is_waiting", "pid", "ref", "rests_ns", "tid")

    def __init__(self, pid: int, tid: int, ref: weakref.ref[Any] | None = None) -> None:
        self.pid: int = pid
        self.tid: int = tid
        self.ref: weakref.ref[Any] | None = ref
        # Since when its task has not run; None while it does, or where there is no task.
        self.rests_ns: int | None = None
        # Whether that wait has begun in the file.
        self.is_waiting: bool = False

    @property
    def task(self) -> Any:
        """The task, if there is one and it still exists."""
        return None if self.ref is None else self.ref()


class Tracks:
    """The tracks of one run.

    Args:
        began: Called with each new track, its task or None, the host's name if that is new, and the
            name of a lane.
    """

    def __init__(self, began: Callable[..., None]) -> None:
        self._began = began
        self._pids: dict[str, Track] = {}
        self._tasks: dict[int, Track] = {}
        self._lanes: dict[tuple[str, str], Track] = {}
        self._last_tid = 0
        # Tracks whose tasks were destroyed while pending; whoever watches takes them out.
        self.destroyed: list[Track] = []

    def of_loop(self, loop: Any) -> Track:
        """Return the track of the callbacks of a loop's host."""
        host = getattr(loop, "host", None)  # What the world itself does is on none.
        return self._of_host(_WORLD if host is None else host.hostname)

    def _of_host(self, hostname: str) -> Track:
        track = self._pids.get(hostname)
        if track is None:
            self._last_tid += 1
            track = self._pids[hostname] = Track(len(self._pids) + 1, self._last_tid)
            self._began(track, None, hostname)
        return track

    def lane(self, hostname: str, name: str) -> Track:
        """Return the track of one of the lanes of a host."""
        track = self._lanes.get((hostname, name))
        if track is None:
            pid = self._of_host(hostname).pid
            self._last_tid += 1
            track = self._lanes[hostname, name] = Track(pid, self._last_tid)
            self._began(track, None, None, name)
        return track

    def beside(self, track: Track) -> Track:
        """Return the track of the callbacks beside another one, on the same host."""
        return next(each for each in self._pids.values() if each.pid == track.pid)

    def of_task(self, task: Any, loop: Any) -> Track:
        """Return the track of a task."""
        key = id(task)
        track = self._tasks.get(key)
        if track is None or track.task is not task:
            pid = self.of_loop(loop).pid
            self._last_tid += 1
            ref = weakref.ref(task, lambda _: self._destroy(key, track))
            track = self._tasks[key] = Track(pid, self._last_tid, ref)
            self._began(track, task, None)
        return track

    def end(self, track: Track) -> None:
        """Forget a track whose task is done."""
        self._tasks.pop(id(track.task), None)
        track.ref = None

    def _destroy(self, key: int, track: Track | None) -> None:
        """Take note that a task is gone; this may happen in the middle of anything."""
        if track is not None and self._tasks.get(key) is track:
            del self._tasks[key]
            self.destroyed.append(track)

    def living(self) -> list[Track]:
        """List the tracks of tasks that are not done, in the order in which they began."""
        return list(self._tasks.values())
