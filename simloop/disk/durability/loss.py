"""What a power cut has taken.

Owns: the record, and how it is told.
"""

from __future__ import annotations

import posixpath
from typing import NamedTuple

__all__ = ["Loss"]


class Loss(NamedTuple):
    """What was done and is not there any more.

    Example:
        >>> str(Loss(("rename a to b",), (("/data/wal.log", 4096),))), str(Loss((), ()))
        ('lost: rename a to b, 4,096 bytes of wal.log', 'lost: nothing')
    """

    changes: tuple[str, ...]
    """Changes of folders that did not happen, oldest first."""
    data: tuple[tuple[str, int], ...]
    """Paths, and how many bytes that were written to each are not there."""

    def __str__(self) -> str:
        bytes_of = [f"{count:,} bytes of {posixpath.basename(path)}" for path, count in self.data]
        return f"lost: {', '.join([*self.changes, *bytes_of]) or 'nothing'}"
