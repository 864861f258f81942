"""Which world a thread is in.

Owns: the table from thread to the sandbox that it entered. Every redirected function looks here
first and leaves foreign threads alone.

Must not know: what a sandbox does.

Invariant: a thread is in the table exactly while it is inside a run.
"""

from __future__ import annotations

from _thread import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .sandbox import RunContext

__all__ = ["by_thread", "current", "get_ident"]

by_thread: dict[int, RunContext] = {}


def current() -> RunContext | None:
    """Return what the calling thread is inside of, if anything."""
    return by_thread.get(get_ident())
