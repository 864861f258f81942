"""Errors of the file system, as the system gives them.

Owns: making an ``OSError`` of an errno, with the paths that the call was given, and the two signals
by which a call is handed to somewhere else: what lies on no disk (``/proc``, a device, a pipe).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NotOnDiskError", "file_error", "naming"]


def file_error(code: int, *paths: object) -> OSError:
    """Make the error of an errno, in the way that ``os`` fills one: one path, or two.

    Example:
        >>> file_error(2, "notes.txt")
        FileNotFoundError(2, 'No such file or directory')
    """
    if len(paths) > 1:
        return OSError(code, os.strerror(code), paths[0], None, paths[1])
    return OSError(code, os.strerror(code), *paths)


class NotOnDiskError(Exception):
    """The path leads to what is no file of a disk: a device, a pipe, the system's own tables."""


@contextmanager
def naming(path: object) -> Iterator[None]:
    """Put a path into an error of the block that names none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise
