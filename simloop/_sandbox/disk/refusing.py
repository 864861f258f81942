"""The words in which what opens files by itself is refused in a run with a disk.

Owns: the error and its way out, and which names of databases are no files.
"""

from __future__ import annotations

from simloop.errors import UnsupportedError

__all__ = ["is_in_memory", "refused"]


def refused(call: str, reason: str, way_out: str) -> UnsupportedError:
    """Make the error of a call that would open files past the disk."""
    return UnsupportedError(
        f"{call} in a run with a virtual disk: {reason}. Either {way_out}; or say that the real"
        ' files are meant: with simloop.allow("files"): ...'
    )


def is_in_memory(path: str) -> bool:
    """Return whether a name of a database of SQLite's is of none in a file that lasts."""
    in_memory = path in ("", ":memory:") or path.startswith("file::memory:")
    return in_memory or (path.startswith("file:") and "mode=memory" in path)
