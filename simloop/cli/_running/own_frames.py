"""A program's error as Python shows it: from the program's first line on.

Owns: telling the frames of the machinery, which come first, from the program's own.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from pathlib import Path

import simloop
from simloop._kernel.safe_looks import message_of
from simloop._sandbox import with_own_entries
from simloop.errors import SimError

__all__ = ["print_error", "with_own_frames"]

# Frames of these folders come before the program's own in its tracebacks.
_MACHINERY = tuple(str(Path(str(module.__file__)).parent) for module in (simloop, asyncio))


def print_error(error: BaseException) -> None:
    """Write what Python writes when a program ends by this, from the program's first line on."""
    if sys.stderr is None or sys.stderr.closed:
        return
    try:
        if isinstance(error, SystemExit):
            if not isinstance(error.code, int | None):
                sys.stderr.write(f"{error.code}\n")
        else:
            with with_own_entries(error):
                traceback.print_exception(with_own_frames(error))
    except Exception:  # noqa: BLE001 - a class of the program's that can't be shown
        sys.stderr.write(f"{message_of(error)}\n")


def with_own_frames(error: BaseException) -> BaseException:
    """Return an error, its traceback cut to what comes from the program's first frame on.

    Where it has none, all of it; but nothing of an error by which the world ended the program, nor
    of one in how a line is written: these say themselves what for, and no line raised them.
    """
    own = error.__traceback__
    while own is not None and _is_machinery(own.tb_frame.f_code.co_filename):
        own = own.tb_next
    if own is not None or isinstance(error, SimError | SyntaxError):
        error.__traceback__ = own
    return error


def _is_machinery(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", *_MACHINERY))
