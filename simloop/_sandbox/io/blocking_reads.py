"""Reads of real descriptors that do not go through ``os.read``, and the kernel's random files.

Owns: refusing what would wait, for the machine, in a file object over a pipe or a terminal, or in
one of the rarer functions of ``os``; and ``/dev/urandom``, which is a source like others in a run:
the seed decides what comes.

Must not know: virtual descriptors, whose reads go to the world before they come here.

Invariant: standard input is read as ever. What it says is the program's input, as a file's content
is, and nobody types into a world.
"""

from __future__ import annotations

import builtins
import io
import os
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import method, redirect
from simloop._sandbox.run_context import by_thread, get_ident

from .descriptors import refuse_waiting

if TYPE_CHECKING:
    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_RANDOM_FILES = ("/dev/urandom", "/dev/random")


def _guard_method(name: str) -> None:
    """Let a method of files refuse to wait, in a run."""

    def read(self: io.FileIO, *args: Any) -> Any:
        if get_ident() in by_thread and (fd := self.fileno()):
            refuse_waiting(f"{name}() of {self!r}", fd)
        return real(self, *args)

    real = method(io.FileIO, name, read)


def _guard_function(name: str) -> None:
    """Let a function of ``os`` refuse to wait, in a run."""
    target = getattr(os, name, None)
    if target is None:
        return

    def function(fd: Any, *args: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is not None and not (run.sockets is not None and run.sockets.owns(fd)):
            refuse_waiting(f"os.{name}({fd})", fd)
        return real(fd, *args)

    real = redirect(target, function)


for _name in ("read", "readinto", "readall"):
    _guard_method(_name)
for _name in ("readv", "eventfd_read"):
    _guard_function(_name)


class _RandomFile(io.RawIOBase):
    """What opening ``/dev/urandom`` gives in a run."""

    def __init__(self, seat: RunContext) -> None:
        self._entropy = seat.entropy

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        view = memoryview(buffer).cast("B")
        view[:] = self._entropy.draw(len(view))
        return len(view)


def _open(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
    if str(file) in _RANDOM_FILES and mode in ("rb", "br"):
        run = by_thread.get(get_ident())
        if run is not None:
            opened = _RandomFile(run)
            return opened if buffering == 0 else io.BufferedReader(opened)
    return _real_open(file, mode, buffering, *args, **kwargs)


_real_open = redirect(builtins.open, _open)
