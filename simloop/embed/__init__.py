"""SimLoops inside other simulators, and other simulators inside a loop.

Each file adapts one driver, in a few lines over the driving calls of :class:`simloop.SimLoop`, and
is imported by its own name, since each needs a package of its own: :mod:`simloop.embed.simpy`,
:mod:`~simloop.embed.salabim`, :mod:`~simloop.embed.live` (asyncio and trio),
:mod:`~simloop.embed.mosaik`, :mod:`~simloop.embed.fmi`, :mod:`~simloop.embed.gymnasium`,
:mod:`~simloop.embed.cocotb`.
"""

from __future__ import annotations

__all__: list[str] = []
