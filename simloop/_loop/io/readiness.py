"""``add_reader`` and its kin: callbacks for descriptors, by way of the selector.

Owns: the loop's selector, made when it is first asked for, and the handles that it keeps as
the data of its keys: ``(reader, writer)``, as in asyncio's own loop, because wrappers of selectors
in test suites know that shape. All goes through ``loop._selector``, whatever stands there.

A selector is polled when it has something to tell, and again each turn while that stays so; a loop
whose files are quiet has no handle in the ready queue for them.

What is refused and replaced is as in CPython 3.14, Lib/asyncio/selector_events.py: ``_add_reader``,
``_remove_reader``, ``_process_events``, ``_ensure_fd_no_transport``.
"""

from __future__ import annotations

import contextlib
import selectors
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import DebugHandle, Handle
from simloop._loop.state import LoopState

from .selector import MemorySelector

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Readiness"]

_READ = selectors.EVENT_READ
_WRITE = selectors.EVENT_WRITE


class _PollHandle(Handle):
    """The handle that polls all watched descriptors: each of them arrives by itself."""

    __slots__ = ()
    may_be_held = False


_PollHandle.__name__ = Handle.__name__


class Readiness(LoopState):
    """The part of a loop that calls back when a descriptor is ready."""

    _own_selector: MemorySelector | None = None

    @property
    def _selector(self) -> Any:
        """The selector of the virtual descriptors, or what a test put in its place.

        A closed loop has none, as the pipe transports of asyncio expect.
        """
        if self._closed:
            return None
        if self._set_selector is not None:
            return self._set_selector
        if self._own_selector is None:
            self._poll_context = copy_context()
            self._own_selector = self._make_selector()
        return self._own_selector

    @_selector.setter
    def _selector(self, selector: Any) -> None:
        self._set_selector = None if selector is self._own_selector else selector

    def _make_selector(self) -> MemorySelector:
        return MemorySelector(self.host, self._ask_for_poll)

    def _take_queue(self) -> None:
        super()._take_queue()
        for transport in self._transports.values():
            if hasattr(transport, "_io_ready"):
                transport._io_ready = self._kernel.io_ready

    def _ask_for_poll(self) -> None:
        """Poll after everything that is ready by the next turn, as a loop that selects does."""
        self._kernel.io_ready.append(_PollHandle(self._poll, (), self._poll_context, self))

    def _poll(self) -> None:
        """Call back for what is ready, and come back next turn if that may stay so.

        The callbacks run here and now, not a turn later: remove_reader() counts if it was called
        before the poll, and comes too late during it, both as in a loop that selects.
        """
        kernel = self._kernel
        try:
            for handle in self._handles_for(self._selector.select(0)):
                kernel.run_within(handle)
        finally:
            if self._own_selector is not None:
                self._own_selector.ask_again()

    def _process_events(self, event_list: list[tuple[selectors.SelectorKey, int]]) -> None:
        """Schedule the callbacks of what a selector found ready; tests feed mocks by it."""
        self._ready.extend(self._handles_for(event_list))

    def _handles_for(self, event_list: list[tuple[selectors.SelectorKey, int]]) -> list[Handle]:
        """Return the handles of ready keys, taking out those that were cancelled."""
        handles = []
        for key, mask in event_list:
            reader, writer = key.data
            if mask & _READ and reader is not None:
                if reader._cancelled:
                    self._remove_reader(key.fileobj)
                else:
                    handles.append(reader)
            if mask & _WRITE and writer is not None:
                if writer._cancelled:
                    self._remove_writer(key.fileobj)
                else:
                    handles.append(writer)
        return handles

    def _close_files(self) -> None:
        """Stop watching: the loop closes."""
        for transport in list(self._transports.values()):
            forget = getattr(transport, "_forget_loop", None)
            if forget is not None:  # asyncio's own, over a mock, is watched by the selector.
                forget()
        if self._own_selector is not None:
            self._own_selector.close()

    # The public calls ------------------------------------------------------------------------

    def add_reader(  # type: ignore[override]  # typeshed's TypeVarTuple says no more
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        """Call ``callback(*args)`` each turn while the descriptor can be read.

        Raises:
            RuntimeError: A transport uses the descriptor.
            ValueError: It is none.
        """
        self._ensure_fd_no_transport(fd)
        self._add_reader(fd, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        """Undo :meth:`add_reader`; false if there was none."""
        self._ensure_fd_no_transport(fd)
        return self._remove_reader(fd)

    def add_writer(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        """Call ``callback(*args)`` each turn while the descriptor can be written to."""
        self._ensure_fd_no_transport(fd)
        self._add_writer(fd, callback, *args)

    def remove_writer(self, fd: Any) -> bool:
        """Undo :meth:`add_writer`; false if there was none."""
        self._ensure_fd_no_transport(fd)
        return self._remove_writer(fd)

    def _ensure_fd_no_transport(self, fd: Any) -> None:
        """Refuse a descriptor that a transport of this loop uses."""
        fileno = fd
        if not isinstance(fileno, int):
            try:
                fileno = int(fileno.fileno())
            except (AttributeError, TypeError, ValueError):
                raise ValueError(f"Invalid file object: {fd!r}") from None
        transport = self._transports.get(fileno)
        if transport is not None and not transport.is_closing():
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {transport!r}")

    # What transports and asyncio's own classes use ----------------------------------------------

    def _add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Handle:
        return self._add_callback_for(fd, _READ, callback, args)

    def _add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Handle:
        return self._add_callback_for(fd, _WRITE, callback, args)

    def _add_callback_for(
        self, fd: Any, event: int, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> Handle:
        self._check_closed()
        kind = DebugHandle if self._debug else Handle
        handle = kind(callback, args, copy_context(), self)
        selector = self._selector
        key = self._key(selector, fd)
        if key is None:
            data = (handle, None) if event == _READ else (None, handle)
            selector.register(fd, event, data)
            return handle
        reader, writer = key.data
        if event == _READ:
            selector.modify(fd, key.events | event, (handle, writer))
            replaced = reader
        else:
            selector.modify(fd, key.events | event, (reader, handle))
            replaced = writer
        if replaced is not None:
            replaced.cancel()
        return handle

    def _remove_reader(self, fd: Any) -> bool:
        return self._remove_callback_for(fd, _READ)

    def _remove_writer(self, fd: Any) -> bool:
        return self._remove_callback_for(fd, _WRITE)

    def _remove_callback_for(self, fd: Any, event: int) -> bool:
        if self._closed:
            return False
        if self._own_selector is None and self._set_selector is None:
            selectors._fileobj_to_fd(fd)  # type: ignore[attr-defined]  # It refuses what is none.
            return False
        selector = self._selector
        key = self._key(selector, fd)
        if key is None:
            return False
        reader, writer = key.data
        removed, kept = (reader, (None, writer)) if event == _READ else (writer, (reader, None))
        left = key.events & ~event
        if left:
            selector.modify(fd, left, kept)
        else:
            selector.unregister(fd)
        if removed is None:
            return False
        removed.cancel()
        return True

    @staticmethod
    def _key(selector: Any, fd: Any) -> selectors.SelectorKey | None:
        with contextlib.suppress(KeyError):
            return selector.get_key(fd)  # type: ignore[no-any-return]
        return None
