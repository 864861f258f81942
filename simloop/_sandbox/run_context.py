"""Which world a thread is in.

Owns: the table from thread to the ambient that it entered. Every redirected function looks here
first and leaves foreign threads alone.

Must not know: what an ambient does.

Invariant: a thread is in the table exactly while it is inside a run.
"""

from __future__ import annotations

from _thread import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .sandbox import Seat

__all__ = ["current", "get_ident", "running"]

running: dict[int, Seat] = {}


def current() -> Seat | None:
    """Return what the calling thread is inside of, if anything."""
    return running.get(get_ident())
