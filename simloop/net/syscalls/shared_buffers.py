"""Buffered files that threads share: one uses them at a time.

Python's own have a lock for this in C (``_enter_buffered_busy`` in Modules/_io/bufferedio.c of
CPython 3.11), which a thread keeps while it reads or writes below. One that waits there for the
world would keep it from a thread of the same world for ever: nothing that runs in a world may wait
for such a lock. So these files ask their raw stream first, and wait as other calls do.

Owns: the two kinds of buffer with that question before each method that takes the lock.

Must not know: how a thread waits.

Invariant: the lock in C is free whenever one of these methods goes on to Python's own.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SharedReader", "SharedWriter"]

_BOTH = ("close", "detach", "flush", "seek", "tell")
_READING = ("read", "read1", "readinto", "readinto1", "readline", "peek", "__next__")
_WRITING = ("write", "truncate")


def _asking(base: type, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.raw.wait_for_turn(f"{name}()")
        return getattr(base, name)(self, *args, **kwargs)  # As it is now: a run may hear writes.

    method.__name__ = name
    return method


class SharedReader(io.BufferedReader):
    """A buffer for reading."""


class SharedWriter(io.BufferedWriter):
    """A buffer for writing."""


for _name in (*_BOTH, *_READING):
    setattr(SharedReader, _name, _asking(io.BufferedReader, _name))
for _name in (*_BOTH, *_WRITING):
    setattr(SharedWriter, _name, _asking(io.BufferedWriter, _name))
for _class, _shown in ((SharedReader, "_io.BufferedReader"), (SharedWriter, "_io.BufferedWriter")):
    _class.__name__ = _shown  # As Python's own show themselves.
