"""Who calls: whether a call on files is for a disk, and whether Python itself makes it.

Owns: finding the calls of the process that a thread is in, and telling imports from the rest.
Modules that no program of the run has written are read for real: Python tells by times and sizes
whether a compiled one is stale. What it compiles in a run it keeps to itself: which modules a run
is the first to import is the process's affair, and would show in the disk's files.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.io.machine_files import tells_of_machine
from simloop._sandbox.permissions import is_allowed
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.disk.disk_errors import NotOnDiskError

if TYPE_CHECKING:
    from simloop._sandbox.contracts import Sockets

__all__ = [
    "calls_of_descriptors",
    "calls_of_paths",
    "is_changed",
    "is_compiling",
    "is_import",
    "is_left_alone",
    "is_socket",
]

_IMPORTERS = ("importlib._bootstrap_external", "importlib._bootstrap", "zipimport")


def calls_of_descriptors() -> Any:
    """Return the calls on files of the caller's process; None where it has no disk."""
    run = by_thread.get(get_ident())
    return None if run is None or run.sockets is None else run.sockets.files


def calls_of_paths() -> Any:
    """Return the same, or None where the block of code means the real files."""
    run = by_thread.get(get_ident())
    if run is None or run.sockets is None or run.sockets.files is None or is_allowed("files"):
        return None
    return run.sockets.files


def is_import(depth: int) -> bool:
    """Return whether Python's import system asks, so many frames away from the caller of this."""
    return sys._getframe(depth).f_globals.get("__name__") in _IMPORTERS


def is_compiling(depth: int) -> bool:
    """Return whether Python's import system keeps a module that it has compiled.

    ``py_compile`` writes by the import system's function, too, but asks for it itself.
    """
    frame = sys._getframe(depth)
    above = frame.f_back
    names = [each.f_globals.get("__name__") for each in (frame, above) if each is not None]
    return all(name in _IMPORTERS for name in names)


def is_left_alone(calls: Any, path: Any, depth: int) -> bool:
    """Return whether what is asked for is not of the disk, as long as no program has changed it.

    That is what an import looks at, and the files that tell of the machine, which have a text of
    the world's (:mod:`..io.machine_files`).

    Args:
        calls: Of the process.
        path: What is asked for.
        depth: How many frames the asker is away from the caller of this.
    """
    if not is_import(depth + 1):
        return tells_of_machine(path) and not is_changed(calls, path)
    return not is_changed(calls, path)


def is_changed(calls: Any, path: Any) -> bool:
    """Return whether a path leads to what a program of the run has made, changed or removed."""
    try:
        inode = calls.find("." if path is None else path, None)
    except (OSError, ValueError, TypeError):
        return True  # Be it away, or be it removed in the run.
    except NotOnDiskError:
        return False
    return inode.lower is None or bool(inode.is_kept)


def is_socket(sockets: Sockets, path: Any, dir_fd: Any = None) -> bool:
    """Return whether a path is the name of a virtual UNIX socket."""
    paths = sockets.paths
    if paths.names is None or isinstance(path, int) or path is None:
        return False
    try:
        return paths.find(os.fsdecode(path), dir_fd, follow=False) is not None
    except (OSError, ValueError, TypeError):
        return False
