"""A host's files, what of them is durable, and what a power cut leaves.

A state machine beside the network: it knows neither asyncio nor the clock nor the real files. The
time, choices and chances come through :mod:`.conditions`, what lies below through :mod:`.lower`.

Where to begin: :mod:`.inode` (a file and its two states), :mod:`.durability` (what
may be lost), :mod:`.walking` (paths), :mod:`.path_calls` and :mod:`.open_inode` (the calls), and
:mod:`.disk`, which puts them together.
"""

from __future__ import annotations

from simloop.disk.durability.loss import Loss

from .disk import Disk

__all__ = ["Disk", "Loss"]
