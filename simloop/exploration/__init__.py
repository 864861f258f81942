"""Exploration: many runs of one program, each under another schedule of what may happen.

A schedule decides what processor and operating system decide in reality: how long a turn took, how
late the loop woke, when something that arrived is told. asyncio's promises hold in each of them, so
whatever fails in one can fail in the real world.
"""

from __future__ import annotations

from .asking import ask
from .delays import Delays
from .exploring import explore
from .findings import Failure, Found
from .replaying import replay
from .schedules import Deviation, Schedule
from .strategies import Measure, Strategy

__all__ = [
    "Delays",
    "Deviation",
    "Failure",
    "Found",
    "Measure",
    "Schedule",
    "Strategy",
    "ask",
    "explore",
    "replay",
]
