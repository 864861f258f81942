"""What the parts of a loop share about callbacks: which are refused, and where none may go.

Owns: asyncio's checks of a callback, and the queue of a closed loop. The wording is that of CPython
3.14, Lib/asyncio/base_events.py: ``BaseEventLoop._check_callback`` and ``_check_closed``.
"""

from __future__ import annotations

import inspect
from asyncio import coroutines
from collections import deque
from typing import Any, Never

__all__ = ["ClosedQueue", "check_callback", "is_coroutine", "no_callback"]


class ClosedQueue(deque[Any]):
    """The ready queue of a closed loop: empty, and it stays so."""

    def append(self, _handle: object, /) -> Never:
        """Refuse, as asyncio words it."""
        raise RuntimeError("Event loop is closed")


def no_callback(*args: object) -> None:
    """Stand in for None, which asyncio calls like any callback, and reports."""
    del args
    raise TypeError("'NoneType' object is not callable")


def is_coroutine(callback: object) -> bool:
    """Return whether a callback is a coroutine, or would only make one."""
    return coroutines.iscoroutine(callback) or inspect.iscoroutinefunction(callback)


def check_callback(callback: object, method: str) -> None:
    """Refuse what is no callback; called in debug mode only, as asyncio does."""
    if is_coroutine(callback):
        raise TypeError(f"coroutines cannot be used with {method}()")
    if not callable(callback):
        raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")
