"""Places of the standard library that order by address, or put what hashes by address into a set.

Owns: ``asyncio.as_completed``, which makes a set of the coroutines that it is given before it makes
tasks of them, and ``concurrent.futures``, whose waits acquire the locks of futures in the order of
``id()``. Tasks and futures hash by number; what is done here is to ask for that.

Must not know: how they do.

Invariants:

- What is yielded, raised and accepted is the library's; what is called in a run is its function.
- All threads of the process acquire the locks of futures in one order while runs are on: that of
  the hashes, which for futures that hash by address is that of the addresses.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import entry, rewrite, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__: list[str] = []


def _as_completed(fs: Any, *, timeout: float | None = None) -> Any:
    """Make the tasks in the order of what is given."""
    if get_ident() not in by_thread or asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
        return _real_as_completed(fs, timeout=timeout)  # It raises what is to be raised.
    if sys.version_info >= (3, 13):
        return _real_as_completed(_tasks_of(fs), timeout=timeout)
    return _when_asked(fs, timeout)


def _when_asked(fs: Any, timeout: float | None) -> Iterator[Any]:
    """Do nothing before the first is asked for: up to Python 3.12 it is a generator."""
    yield from _real_as_completed(_tasks_of(fs), timeout=timeout)


def _tasks_of(fs: Any) -> list[Any]:
    return [asyncio.ensure_future(each) for each in dict.fromkeys(fs)]


_real_as_completed: Any = rewrite(asyncio.as_completed, _as_completed)


def _register_futures(module: ModuleType) -> None:
    entry(module, "id", hash)  # The key that it sorts by.


when_loaded("concurrent.futures._base", _register_futures)
