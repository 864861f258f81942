"""The workloads: small programs, each measured on every contender that can run it.

Owns: what is measured. Each file is one part of asyncio's surface; importing this package declares
them all, in the order of the tables.

Must not know: who is measured, how often, or how it is shown.
"""

from __future__ import annotations

from importlib import import_module

from ._registry import WORKLOADS

__all__ = ["WORKLOADS"]

# In the order of the tables.
for _part in ("callbacks", "tasks", "streams", "datagrams", "programs", "lives", "memory"):
    import_module(f"{__name__}.{_part}")
