"""An open file description: what a descriptor stands for, and who wants to know when it is ready.

Owns: the base class of everything that can be open (sockets, ends of pipes), its count of
descriptors, its readiness as ``poll(2)`` shows it, and the seam through which a transport or a
selector watches it. Must not know who watches: a watcher is a callable without arguments.

Readiness has two faces. The *level* is a question: ``poll()``, ``readable``, ``writable``. The
*edge* is a call: ``on_readable`` (``on_writable``) is called, synchronously, from inside the call
of the peer that made the file ready, each time it *may* have become readable (writable): bytes
arrived, a peer is in the backlog, the other side closed, an error is pending, room was made.
Watchers must only take a note (schedule a callback), must not raise, and ask the level when they
get to act: an edge may be spurious, and a file that is still ready gives no second edge until
something happens.

Invariants: a file with no watcher has None in both slots, and a closed file has none;
``references`` counts the descriptors (and descriptors in flight) that name the file, and it is
released once, when the count falls to 0.
"""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

from simloop.net.errnos import os_error
from simloop.net.linux import select_names as select

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ERR", "HUP", "IN", "NVAL", "OUT", "PRI", "RDHUP", "File"]

IN = select.POLLIN
OUT = select.POLLOUT
PRI = select.POLLPRI
ERR = select.POLLERR
HUP = select.POLLHUP
NVAL = select.POLLNVAL
RDHUP = select.POLLRDHUP

# What select(2) and epoll's users count as ready to read and to write.
_READABLE = IN | HUP | ERR
_WRITABLE = OUT | ERR


class File:
    """The base of everything that a descriptor can name."""

    # ``known_as`` is for the layers above: what explored runs call the file, once they ask.
    __slots__ = ("is_blocking", "known_as", "on_readable", "on_writable", "references")
    known_as: str

    def __init__(self) -> None:
        self.on_readable: Callable[[], None] | None = None
        self.on_writable: Callable[[], None] | None = None
        self.references: int = 0
        self.is_blocking: bool = True  # O_NONBLOCK is off: what os.read and os.write go by.

    # -- level ---------------------------------------------------------------------------------

    def poll(self) -> int:
        """Return what the system call poll would report now: a mask of POLLIN and its kin."""
        raise NotImplementedError

    @property
    def readable(self) -> bool:
        """Whether a read would not block: bytes, end of file, a connection, or an error."""
        return bool(self.poll() & _READABLE)

    @property
    def writable(self) -> bool:
        """Whether a write would not block: there is room, or it would fail at once."""
        return bool(self.poll() & _WRITABLE)

    # -- edge ----------------------------------------------------------------------------------

    def watch_readable(self, callback: Callable[[], None]) -> None:
        """Have ``callback()`` called each time this may have become readable."""
        present = self.on_readable
        self.on_readable = callback if present is None else _with(present, callback)

    def unwatch_readable(self, callback: Callable[[], None]) -> None:
        """Undo one ``watch_readable``; a callback that is not there is no error."""
        present = self.on_readable
        self.on_readable = None if present == callback else _without(present, callback)

    def watch_writable(self, callback: Callable[[], None]) -> None:
        """Have ``callback()`` called each time this may have become writable."""
        present = self.on_writable
        self.on_writable = callback if present is None else _with(present, callback)

    def unwatch_writable(self, callback: Callable[[], None]) -> None:
        """Undo one ``watch_writable``; a callback that is not there is no error."""
        present = self.on_writable
        self.on_writable = None if present == callback else _without(present, callback)

    def notify_readable(self) -> None:
        """Call the watcher of reading, if there is one: the file may have become readable."""
        watcher = self.on_readable
        if watcher is not None:
            watcher()

    def notify_writable(self) -> None:
        """Call the watcher of writing, if there is one: the file may have become writable."""
        watcher = self.on_writable
        if watcher is not None:
            watcher()

    # -- life ----------------------------------------------------------------------------------

    def acquire(self) -> None:
        """Count one more descriptor of this file."""
        self.references += 1

    def drop(self) -> None:
        """Count one descriptor less; the last one releases the file."""
        self.references -= 1
        if self.references == 0:
            self.on_readable = self.on_writable = None
            self.release()

    def release(self) -> None:
        """Let go of what the file holds: its last descriptor is closed."""

    # -- reading and writing as os.read and os.write do -----------------------------------------

    def read(self, size: int) -> bytes:
        """Read up to ``size`` bytes as os.read does, or raise BlockingIOError."""
        del size
        raise os_error(errno.EBADF)

    def write(self, data: bytes) -> int:
        """Write as os.write does: the count written, or BlockingIOError."""
        del data
        raise os_error(errno.EBADF)

    def count_unread(self) -> int:
        """Return how many bytes a read would find, as ioctl's FIONREAD does."""
        raise os_error(errno.ENOTTY)

    def count_unsent(self) -> int:
        """Return how much of what was written the other side has not taken: ioctl's TIOCOUTQ."""
        raise os_error(errno.ENOTTY)

    def most_taken(self) -> int:
        """Return a bound of what one write can take: no more of a large buffer need be copied."""
        return sys.maxsize

    def check(self) -> None:
        """Assert the invariants."""
        assert self.references >= 0, self.references


class _Fan:
    """Several watchers in the place of one; made only where a second one comes."""

    __slots__ = ("callbacks",)

    def __init__(self, callbacks: list[Callable[[], None]]) -> None:
        self.callbacks = callbacks

    def __call__(self) -> None:
        for callback in tuple(self.callbacks):
            callback()


def _with(present: Callable[[], None], callback: Callable[[], None]) -> Callable[[], None]:
    if isinstance(present, _Fan):
        return _Fan([*present.callbacks, callback])
    return _Fan([present, callback])


def _without(
    present: Callable[[], None] | None, callback: Callable[[], None]
) -> Callable[[], None] | None:
    if not isinstance(present, _Fan) or callback not in present.callbacks:
        return present
    left = list(present.callbacks)
    left.remove(callback)
    return left[0] if len(left) == 1 else _Fan(left)
