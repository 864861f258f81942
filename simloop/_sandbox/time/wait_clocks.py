"""Modules whose waits are real, and whose clock therefore stays real.

Owns: the list of library modules that compute how long to wait for a lock or a process. Where the
wait itself is the operating system's, measuring it by a clock that stands still meanwhile would
never end (``Queue.get(timeout=1)`` waits until its clock says so). With the real clock it ends as
it does outside. Where a run has ``threads``, waits for locks are virtual, and so is their clock.

Must not know: how a thread's wait is made virtual.
"""

from __future__ import annotations

import queue
import threading
import time
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from simloop._kernel import NS_PER_SECOND
from simloop._sandbox.patching.c_functions import behind
from simloop._sandbox.patching.registry import entry, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

from . import real_clock
from .clock_polls import read
from .detached_clock import DetachedClock, DetachedThreadClock

__all__: list[str] = []

_of_time: dict[str, Any] = {
    # Not what another tool has put there for a while.
    name: behind(value) if isinstance(value, FunctionType) else value
    for name, value in vars(time).items()
}

_real_time: Any = SimpleNamespace(
    **{
        **_of_time,
        **{name: getattr(real_clock, name) for name in real_clock.__all__ if name != "urandom"},
    }
)
"""The module ``time``, for modules that hold it by its name."""


def _monotonic() -> Any:
    """Tell the time by the clock that the calling thread's waits for locks go by."""
    seat = by_thread.get(get_ident())
    if seat is None or seat.threads is None:
        return real_clock.monotonic()
    clock = seat.clock
    if type(clock) in (DetachedClock, DetachedThreadClock):
        wait_ns: int = clock.wait_ns  # type: ignore[attr-defined]
        return wait_ns / NS_PER_SECOND
    return read(seat) / NS_PER_SECOND


_waiting_time: Any = SimpleNamespace(**{**_of_time, "monotonic": _monotonic})


def _register_futures(module: ModuleType) -> None:
    entry(module, "time", _waiting_time)


def _register_subprocess(module: ModuleType) -> None:
    entry(module, "time", _real_time)
    entry(module, "_time", real_clock.monotonic)


entry(threading, "_time", _monotonic)
entry(queue, "time", _monotonic)
when_loaded("concurrent.futures._base", _register_futures)
when_loaded("subprocess", _register_subprocess)
