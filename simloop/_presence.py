"""The book of which thread is in which run, where it costs nothing to look.

Owns: the table. Code that may run in production, where no run ever is, looks here first: while the
table is empty nobody is in a run, and the engine need not even be loaded.

Must not know: what a run context is (:mod:`simloop._sandbox.run_context`), which keeps the table.
"""

from __future__ import annotations

from typing import Any

__all__ = ["by_thread"]

by_thread: dict[int, Any] = {}
"""Run contexts by the real identifier of their thread."""
