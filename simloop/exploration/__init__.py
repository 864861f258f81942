"""Exploration: many runs of one program, each under another schedule of what may happen.

A schedule decides what processor and operating system decide in reality: how long a turn took, how
late the loop woke, when something that arrived is told. asyncio's promises hold in each of them, so
whatever fails in one can fail in the real world.

Importing this costs nothing: a program that keeps its properties in production must not load the
engine for them. Names are imported from the files that own them.
"""

from __future__ import annotations

__all__: list[str] = []
