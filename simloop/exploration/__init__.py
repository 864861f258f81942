"""Exploration: many runs of one program, each under another schedule of what may happen.

A schedule decides what processor and operating system decide in reality: how long a turn took, how
late the loop woke, when something that arrived is told. asyncio's promises hold in each of them, so
whatever fails in one can fail in the real world.

Importing this costs nothing: a program that keeps its properties in production must not load the
engine for them. Names are imported from the files that own them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .asking import ask
    from .delays import Delays
    from .exploring import explore
    from .findings import Failure, Found, Lost
    from .replaying import replay
    from .schedules import Deviation, Schedule
    from .strategies import Measure, Strategy

__all__ = [
    "Delays",
    "Deviation",
    "Failure",
    "Found",
    "Lost",
    "Measure",
    "Schedule",
    "Strategy",
    "ask",
    "explore",
    "replay",
]

_HOMES = {
    "Delays": "delays",
    "Deviation": "schedules",
    "Failure": "findings",
    "Found": "findings",
    "Lost": "findings",
    "Measure": "strategies",
    "Schedule": "schedules",
    "Strategy": "strategies",
    "ask": "asking",
    "explore": "exploring",
    "replay": "replaying",
}


if not TYPE_CHECKING:  # Or a checker takes any name for one of ours.

    def __getattr__(name: str) -> object:
        """Import what explores when a name of it is first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(dict.fromkeys([*globals(), *__all__]))
