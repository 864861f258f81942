"""Where a thread stands: the program's innermost frame of it.

Owns: finding that frame. What lies below it, in simloop's own files and in the modules of the
standard library that only wait, is how it waits and not where. Beside that, what can be told of a
thread from outside: how long it has computed, and in which step of a turn it stands.
"""

from __future__ import annotations

import linecache
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simloop._kernel import Kernel

__all__ = [
    "computing_time_s",
    "frame_of",
    "position_of",
    "queueing_time_s",
    "step_of",
    "variables_of",
]

_OURS = ("simloop._sandbox.", "simloop._loop.", "simloop._threads.")
_WAITING = (*_OURS, "threading", "queue", "concurrent.futures.", "multiprocessing.synchronize")


def position_of(ident: int) -> str:
    """Return ``file:line in function: source`` of a thread, for people."""
    frames = [frame for frame in _frames(ident) if not _is_in(frame, _OURS)]
    frames = [frame for frame in frames if not frame.f_code.co_name.startswith("_bootstrap")]
    own = [frame for frame in frames if not _is_in(frame, _WAITING)]
    if not own and len(frames) < 2:  # noqa: PLR2004 - Thread.run and what it runs
        return "no line of Python: what it runs is written in C"
    frame = (own or frames)[0]
    code = frame.f_code
    source = linecache.getline(code.co_filename, frame.f_lineno).strip()
    where = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
    return f"{where}: {source}" if source else where


def _frames(ident: int) -> list[FrameType]:
    """List a thread's frames, the innermost first."""
    frames = []
    frame = sys._current_frames().get(ident)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def frame_of(ident: int, is_left_out: Callable[[str], bool]) -> FrameType | None:
    """Return a thread's innermost frame in a file that is not left out, or None."""
    return next((each for each in _frames(ident) if not is_left_out(each.f_code.co_filename)), None)


def _is_in(frame: FrameType, modules: tuple[str, ...]) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(modules)


def variables_of(ident: int) -> list[object]:
    """List the values of all variables of the functions that a thread is in.

    And the error that it handles, if it does: no variable may hold that.
    """
    frame = sys._current_frames().get(ident)
    values: list[object] = [sys._current_exceptions().get(ident)]
    while frame is not None:
        values += frame.f_locals.values()
        frame = frame.f_back
    return values


def computing_time_s(ident: int) -> float:
    """Return the CPU time of a thread in seconds: one that computes is not stuck."""
    if not hasattr(time, "pthread_getcpuclockid"):  # Of Linux: elsewhere one that stands computes.
        return sum(os.times()[:2])
    return time.clock_gettime(time.pthread_getcpuclockid(ident))


def queueing_time_s(ident: int) -> float:
    """Return for how long a thread was ready and had no processor, as far as the system tells.

    A busy machine may leave a thread that computes without one for tens of milliseconds. It is the
    second number of Linux's ``/proc/PID/task/TID/schedstat`` (Documentation/scheduler). The clock
    of a thread has its TID in it (include/linux/posix-timers_types.h, ``CPUCLOCK_PID``).
    """
    thread_id = ~(time.pthread_getcpuclockid(ident) >> 3)
    try:
        text = Path(f"/proc/self/task/{thread_id}/schedstat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(text.split()[1]) / 1e9


_address_of = object.__hash__  # It is compared while it lives, and told nobody.


def step_of(kernel: Kernel) -> tuple[int, int]:
    """Return by what a step of a kernel is told from others: its turn, and what comes after it.

    The kernel counts the steps of a turn when that begins. Which of them is on could be read in its
    frame; but whoever asks another thread for its frames keeps alive what that lets go of meanwhile
    (an asynchronous generator, say), and a run would not be the same when it is watched.
    """
    try:
        return kernel.steps, _address_of(kernel.ready[0])
    except IndexError:
        return kernel.steps, 0
