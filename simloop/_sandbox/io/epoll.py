"""``select.epoll`` inside a run: over virtual descriptors, as ``select.poll`` is.

Owns: the object that stands for one in a run, and where it is asked for: by ``select.epoll()`` and
by ``selectors.EpollSelector``, the default selector on Linux, which holds the class.

Must not know: how a thread waits; that is ``poll``'s.

Invariants: events are told by level; edge-triggered ones are refused, because nobody keeps edges.
A descriptor that is closed leaves the set, as in the system.
"""

from __future__ import annotations

import os
import select
import selectors
import stat
from typing import TYPE_CHECKING, Any, Self

from simloop._kernel import nanoseconds
from simloop._sandbox.patching.registry import entry
from simloop._sandbox.permissions import is_allowed
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UnsupportedError
from simloop.net.linux import select_names

from .descriptors import events_of, number_of, wait

if TYPE_CHECKING:
    from types import TracebackType

    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_ALWAYS = select_names.EPOLLERR | select_names.EPOLLHUP
_DISABLED = -1  # One-shot, and told: until it is modified.
_REFUSED = select_names.EPOLLET
_REAL = ("pipes", "sockets", "subprocess")
_ALL = select_names.EPOLLIN | select_names.EPOLLPRI | select_names.EPOLLOUT

_real_epoll: Any = getattr(select, "epoll", None)


class VirtualEpoll:
    """An epoll object of a run: the same methods, over virtual and real descriptors."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def fileno(self) -> int:
        """Refuse: nothing can wait for it in turn."""
        self._check()
        raise UnsupportedError(
            "fileno() of an epoll object inside a run: it has no descriptor, so no selector can"
            " watch it; register what it watches there"
        )

    def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._masks.clear()

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self) -> None:
        if self._closed:
            raise ValueError("I/O operation on closed epoll object")

    def _known(self, fd: Any) -> int:
        self._check()
        number = number_of(fd)
        if number not in self._masks:
            raise FileNotFoundError(2, os.strerror(2))
        return number

    def register(self, fd: Any, eventmask: int = _ALL) -> None:
        """Watch a descriptor for these events.

        Raises:
            OSError: EBADF, it is not open; EPERM, it is a file or a folder, which is always ready
                (epoll_ctl(2)); EEXIST, it is watched already.
            UnsupportedError: The events are edge-triggered.
        """
        self._check()
        number = number_of(fd)
        mode = os.fstat(number).st_mode  # EBADF
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            raise PermissionError(1, os.strerror(1))
        if number in self._masks:
            raise FileExistsError(17, os.strerror(17))
        self._masks[number] = _checked(eventmask)

    def modify(self, fd: Any, eventmask: int) -> None:
        """Watch a registered descriptor for other events."""
        self._masks[self._known(fd)] = _checked(eventmask)

    def unregister(self, fd: Any) -> None:
        """Watch a descriptor no longer."""
        del self._masks[self._known(fd)]

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Return what is ready, at the latest after ``timeout`` seconds."""
        self._check()
        if maxevents < -1 or maxevents == 0:
            raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
        run = by_thread.get(get_ident())
        if run is None:
            raise UnsupportedError("an epoll object of a run was used when the run was over")
        limit_ns = None if timeout is None or timeout < 0 else nanoseconds(timeout)
        ready: list[tuple[int, int]] = wait(
            run, "epoll.poll()", self._masks, lambda: self._ready(run), limit_ns
        )
        found = ready if maxevents < 0 else ready[:maxevents]
        for fd, _ in found:
            if self._masks[fd] & select_names.EPOLLONESHOT:  # It was not disabled: it was found.
                self._masks[fd] = _DISABLED
        return found

    def _ready(self, run: RunContext) -> list[tuple[int, int]]:
        found = []
        for fd, mask in list(self._masks.items()):
            try:
                events = events_of(run, fd, 0 if mask == _DISABLED else mask | _ALWAYS)
            except OSError:
                del self._masks[fd]  # Closed since.
                continue
            if events:
                found.append((fd, events))
        return found


def _checked(eventmask: int) -> int:
    if eventmask & _REFUSED:
        raise UnsupportedError(
            "EPOLLET inside a run: events of virtual descriptors are told by level only; leave"
            " the flag out, or use select.poll()"
        )
    return eventmask


class _Epoll:
    """Stands for the class ``select.epoll`` while runs are on."""

    def __new__(cls, sizehint: int = -1, flags: int = 0) -> Any:
        run = by_thread.get(get_ident())
        if run is None or run.sockets is None or any(map(is_allowed, _REAL)):
            return _real_epoll(sizehint, flags)
        if sizehint < -1 or sizehint == 0:
            raise ValueError("negative sizehint")
        return VirtualEpoll()

    @staticmethod
    def fromfd(fd: int, /) -> Any:
        """Refuse a virtual descriptor: none of them is an epoll object's."""
        run = by_thread.get(get_ident())
        if run is not None and run.sockets is not None and run.sockets.owns(fd):
            raise UnsupportedError(
                f"select.epoll.fromfd({fd}): epoll objects of a run have no descriptor; pass on the"
                " object itself"
            )
        return _real_epoll.fromfd(fd)


if _real_epoll is not None:  # Of Linux.
    entry(select, "epoll", _Epoll)
    entry(selectors.EpollSelector, "_selector_cls", _Epoll)
