"""Temporary names that lead to nothing which an earlier run left behind.

Owns: passing over the names that the program's own stream gives, where something in the folder has
that name in its own. The seed gives each run of a suite the same names; a file that the last one
left (``name.1`` beside ``name``, which is gone) or that another one has made meanwhile would be in
the way. In an empty folder the names are those of the seed.

Must not know: how a name is drawn.

Invariant: the folder is looked at for each name, so that runs at a time pass over each other's.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.patching.registry import rewrite, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["passed_over"]

passed_over: list[None] = []
"""Grows with each name that a run of this process passes over."""

_listdir = clone(os.listdir)

_TO_CALLER = 2
"""Frames from ours to the function of ``tempfile``: between them is the one that was rewritten."""


def _names_in(folder: Any) -> list[str]:
    try:
        return [os.fsdecode(name) for name in _listdir(folder)]
    except (OSError, TypeError, ValueError):  # What makes a file there says so.
        return []


def _register(module: ModuleType) -> None:
    def next_name(names: Any) -> Any:
        name = real_next(names)
        run = by_thread.get(get_ident())
        if run is None or (run.sockets is not None and run.sockets.files is not None):
            return name  # Nothing that a run leaves on a disk is there for the next one.
        # mkstemp, mkdtemp and mktemp all call it ``dir``, and count their tries in ``seq`` (CPython
        # 3.11 to 3.14, Lib/tempfile.py).
        caller = sys._getframe(_TO_CALLER).f_locals
        if caller.get("seq"):  # Something came to have the last name after this looked.
            passed_over.append(None)
        folder = caller.get("dir") or module.tempdir
        there = _names_in(folder)
        while any(name in each for each in there):
            passed_over.append(None)
            name = real_next(names)
        return name

    real_next = rewrite(module._RandomNameSequence.__next__, next_name)


when_loaded("tempfile", _register)
