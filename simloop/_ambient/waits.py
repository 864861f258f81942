"""Modules whose waits are real, and whose clock therefore stays real.

Owns: the list of library modules that compute how long to wait for a lock or a process. The wait
itself is the operating system's; measured by a clock that stands still meanwhile it would never
end (``Queue.get(timeout=1)`` waits until its clock says so). With the real clock it ends as it
does outside.

Must not know: how a job's blocking wait can be made virtual. Who does that hands over before
these are reached.
"""

from __future__ import annotations

import queue
import threading
import time
from types import ModuleType, SimpleNamespace
from typing import Any

from . import real
from .patches import attribute, when_loaded

__all__: list[str] = []

_real_time: Any = SimpleNamespace(
    **{**vars(time), **{name: getattr(real, name) for name in real.__all__ if name != "urandom"}}
)
"""The module ``time``, for somebody who holds it by its name."""


def _register_futures(module: ModuleType) -> None:
    attribute(module, "time", _real_time)


def _register_subprocess(module: ModuleType) -> None:
    attribute(module, "time", _real_time)
    attribute(module, "_time", real.monotonic)


attribute(threading, "_time", real.monotonic)
attribute(queue, "time", real.monotonic)
when_loaded("concurrent.futures._base", _register_futures)
when_loaded("subprocess", _register_subprocess)
