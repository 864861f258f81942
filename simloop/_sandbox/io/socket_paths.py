"""Paths inside a run: those that are names of virtual UNIX sockets go to the world.

Owns: what the functions of ``os`` that take a path do where it names a socket of the world.
Servers look for what an earlier one left behind, remove it, and set the mode of what they bound.
All other paths are real, and so is a path that is told relative to a directory's descriptor.

Must not know: what is kept of such a path.

Invariant: a call for a path that the world does not know reaches the system as it was made.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import redirect
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []


def _paths_for(path: Any) -> tuple[Any, str]:
    """Return what answers for a path and its text, or None for one that is real."""
    run = by_thread.get(get_ident())
    if run is None or run.sockets is None:
        return None, ""
    paths = run.sockets.paths
    if type(path) is not str:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None, ""
        path = os.fsdecode(path)
    return (paths, path) if paths.has(path) else (None, "")


def _redirect_path(name: str, method: str) -> None:
    """Send ``os.name(path, ...)`` to a method of the world's paths."""

    def function(path: Any = None, *args: Any, **kwargs: Any) -> Any:
        if path is None and "path" in kwargs:
            path = kwargs.pop("path")
        if type(path) is int and name == "stat":
            return os.fstat(path)  # The same, for a descriptor.
        paths, text = _paths_for(path)
        if paths is None or kwargs.get("dir_fd") is not None:
            return real(path, *args, **kwargs)
        named = {key: value for key, value in kwargs.items() if key in _VALUES}
        return getattr(paths, method)(text, *args, *named.values())

    real: Callable[..., Any] = redirect(getattr(os, name), function)


_VALUES = ("mode", "uid", "gid")
"""Arguments that may be named, in their order; the others make no difference for a socket."""

for _name, _method in (
    ("stat", "stat"),
    ("lstat", "stat"),
    ("access", "access"),
    ("unlink", "unlink"),
    ("remove", "unlink"),
    ("chmod", "chmod"),
    ("chown", "chown"),
    ("lchown", "chown"),
):
    _redirect_path(_name, _method)


def _redirect_rename(name: str) -> None:
    def rename(src: Any, dst: Any, **kwargs: Any) -> Any:
        paths, source = _paths_for(src)
        if paths is None or any(value is not None for value in kwargs.values()):
            return real(src, dst, **kwargs)
        target = os.fsdecode(dst)
        if os.path.isdir(target):  # noqa: PTH112 - the name of a socket is a text
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), src, None, dst)
        return paths.rename(source, target)

    real = redirect(getattr(os, name), rename)


for _name in ("rename", "replace"):
    _redirect_rename(_name)


def _umask(mask: int, /) -> int:
    before: int = _real_umask(mask)
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None:
        run.sockets.paths.umask(mask)
    return before


_real_umask = redirect(os.umask, _umask)
