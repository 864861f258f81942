"""asyncio's face on kernel and network: ``SimLoop``, its transports and its calls.

One room per part of asyncio's surface; ``loop.py`` puts them together.
"""

from __future__ import annotations

from .core.generator_hooks import share_generator_hooks
from .loop import SimLoop
from .world_interface import WorldPort, provide_worlds

__all__ = ["SimLoop", "WorldPort", "provide_worlds", "share_generator_hooks"]
