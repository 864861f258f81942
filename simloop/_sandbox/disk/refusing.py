"""The words in which what opens files by itself is refused in a run with a disk.

Owns: the error and its way out, and which names of databases are no files.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from simloop.errors import UnsupportedError

__all__ = ["is_in_memory", "refused"]


def refused(call: str, reason: str, way_out: str) -> UnsupportedError:
    """Make the error of a call that would open files past the disk."""
    return UnsupportedError(
        f"{call} in a run with a virtual disk: {reason}. Either {way_out}; or say that the real"
        ' files are meant: with simloop.allow("files"): ...'
    )


def is_in_memory(path: str) -> bool:
    """Return whether a name of a database of SQLite's is of none in a file that lasts.

    Of a URI the last of several modes counts (https://www.sqlite.org/uri.html).

    Example:
        >>> is_in_memory(":memory:"), is_in_memory("file:x?mode=memory&cache=shared")
        (True, True)
        >>> is_in_memory("file:x?mode=memory&mode=rwc"), is_in_memory("shop.db")
        (False, False)
    """
    if not path.startswith("file:"):
        return path in ("", ":memory:")
    name, _, query = path.removeprefix("file:").partition("#")[0].partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    is_named_so = unquote(name) == ":memory:" and "mode" not in given
    return is_named_so or given.get("mode") == "memory" or given.get("vfs") == "memdb"
