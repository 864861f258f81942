"""The in-memory selector: which virtual descriptors are watched, and which are ready.

Owns: the interface of a selector over the files of one host, so that whatever expects
``loop._selector`` to be one (asyncio's own code, a test's wrapper) finds it. It never waits:
``select`` tells what is ready now.

Must not know: loops and handles. ``on_ready`` is called when a ``select`` would have something to
tell; the owner of the selector decides when to ask.

How: level-triggered, without a look at files that did not change. A file's edge puts its watch
among the suspects; ``select`` asks the suspects for their level, and one that is not ready drops
out until its next edge.

Invariants: a watch is a suspect whenever its file is ready for what it is watched for;
``on_ready`` was called for every suspect that came after the last ``select``.
"""

from __future__ import annotations

import errno
import os
import selectors
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError
from simloop.net.syscalls.argument_checks import c_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import FileDescriptorLike

    from simloop.net.files.open_file import File
    from simloop.net.host import Host

__all__ = ["MemorySelector", "Watch"]

_READ = selectors.EVENT_READ
_WRITE = selectors.EVENT_WRITE


def _is_real(fd: int, base: int) -> bool:
    """Return whether the real process has something open under a number below the virtual ones."""
    if not 0 <= fd < base:
        return False
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


class Watch:
    """One registered descriptor: its key, and the file that it named when it was registered."""

    __slots__ = ("_selector", "file", "key", "note")

    def __init__(self, selector: MemorySelector, key: selectors.SelectorKey, file: File) -> None:
        self._selector = selector
        self.key = key
        self.file = file
        self.note = self._note  # One bound method, so that it can be taken back.

    def _note(self) -> None:
        """Become a suspect: the file may have become ready."""
        self._selector._suspect(self)

    def begin(self) -> None:
        """Watch the file for the key's events."""
        if self.key.events & _READ:
            self.file.watch_readable(self.note)
        if self.key.events & _WRITE:
            self.file.watch_writable(self.note)
        if self.level():
            self._note()

    def end(self) -> None:
        """Stop watching."""
        self.file.unwatch_readable(self.note)
        self.file.unwatch_writable(self.note)

    def level(self) -> int:
        """Return which of the key's events hold now; a closed file has none."""
        if not self.file.references:
            return 0
        wanted = self.key.events
        level = _READ if wanted & _READ and self.file.readable else 0
        if wanted & _WRITE and self.file.writable:
            level |= _WRITE
        return level


class MemorySelector(selectors._BaseSelectorImpl):
    """A selector over the descriptors of one virtual host.

    Args:
        host: The host whose descriptors are registered.
        on_ready: Called when there is something to select.
    """

    _fd_to_key: dict[int, selectors.SelectorKey]

    def __init__(self, host: Host, on_ready: Callable[[], None]) -> None:
        super().__init__()
        self._host = host
        self._on_ready = on_ready
        self._watches: dict[int, Watch] = {}
        self._suspects: dict[Watch, None] = {}
        self._is_told = False

    def _suspect(self, watch: Watch) -> None:
        self._suspects[watch] = None
        self.ask_again()

    def ask_again(self) -> None:
        """Have ``on_ready`` called if there are suspects that ``select`` was not asked about."""
        if self._suspects and not self._is_told:
            self._is_told = True
            self._on_ready()

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        """Watch a virtual descriptor, or an object that has one.

        Raises:
            ValueError: The events or the object are none.
            KeyError: It is registered already.
            OSError: EBADF, nothing is open under that number.
            UnsupportedError: The descriptor is one of the real process.
        """
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        try:
            c_int(key.fd)
            watch = Watch(self, key, self._file(key.fd))
        except BaseException:
            super().unregister(fileobj)
            raise
        self._watches[key.fd] = watch
        watch.begin()
        return key

    def _file(self, fd: int) -> File:
        try:
            return self._host.file(fd)
        except OSError as error:
            if error.errno == errno.EBADF and _is_real(fd, self._host.descriptors.base):
                raise UnsupportedError(
                    f"descriptor {fd} is one of the real process, and a simulated loop never waits"
                    " for the real world; use virtual sockets (socket.socket(...) made inside the"
                    " run) and asyncio's own calls, or a real loop for this program"
                ) from None
            raise

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Stop watching; KeyError if it is not registered."""
        key: selectors.SelectorKey = super().unregister(fileobj)
        watch = self._watches.pop(key.fd)
        watch.end()
        self._suspects.pop(watch, None)
        return key

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        """Change what a registered descriptor is watched for, and its data."""
        self.unregister(fileobj)
        return self.register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return ``[(key, events), ...]`` of what is ready now; nothing here ever waits."""
        del timeout
        self._is_told = False
        ready = []
        for watch in list(self._suspects):
            level = watch.level()
            if level:
                ready.append((watch.key, level))
            else:
                del self._suspects[watch]
        return ready

    def close(self) -> None:
        """Stop watching everything."""
        for watch in self._watches.values():
            watch.end()
        self._watches.clear()
        self._suspects.clear()
        super().close()

    def check(self) -> None:
        """Assert the invariants."""
        assert list(self._watches) == list(self._fd_to_key)
        for fd, watch in self._watches.items():
            assert watch.key is self._fd_to_key[fd]
            if watch.level():
                assert watch in self._suspects, watch.key
        for watch in self._suspects:
            assert self._watches.get(watch.key.fd) is watch, watch.key
