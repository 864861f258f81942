"""asyncio's face on kernel and network: ``SimLoop``, its transports and its calls.

One file per part of asyncio's surface; ``loop.py`` puts them together.
"""

from __future__ import annotations

from .baton import Baton
from .blocking import let_threads_block
from .loop import SimLoop
from .ports import WorldPort, provide_worlds
from .programs import Programs
from .signals import Dispositions

__all__ = [
    "Baton",
    "Dispositions",
    "Programs",
    "SimLoop",
    "WorldPort",
    "let_threads_block",
    "provide_worlds",
]
