"""The clocks of the ``time`` module, as a run sees them.

Owns: what each function of ``time`` answers inside a run. Clocks that only go up count from the
world's start; the wall clock adds the start date; sleeping moves the virtual clock.

Must not know: who moves the clock otherwise.

Invariants: every answer comes from one integer, the clock's ``now_ns``. Floats are the nearest to
it, but that of the date is rounded down: CPython hands out the nearest and is past it before the
program looks again, while here a wait that is computed from it would end too early. Clocks of CPU
time stand still while the program waits; see :mod:`.cpu_time`. A clock that is read again and again
in one step moves; see :mod:`.clock_polls`.
"""

from __future__ import annotations

import operator
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND, date_seconds, nanoseconds
from simloop._sandbox.patching.registry import redirect, redirect_present
from simloop._sandbox.run_context import by_thread, get_ident

from .clock_polls import cpu_ns, read, read_again

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WALL_CLOCKS"]

_LINUX_WALL_CLOCKS = (11, 5) if sys.platform == "linux" else ()
WALL_CLOCKS = (getattr(time, "CLOCK_REALTIME", 0), *_LINUX_WALL_CLOCKS)
"""Clocks that tell the date; of Linux CLOCK_TAI and the coarse one, which Python does not name."""


def _redirect_seconds(name: str) -> None:
    """Make a clock that counts from the world's start follow it, in seconds."""

    def seconds() -> Any:
        run = by_thread.get(get_ident())
        if run is None:
            return real()
        for _ in run.reads:
            break
        else:
            read_again(run)
        return run.clock.now_s()

    real = redirect(getattr(time, name), seconds)


def _redirect_nanoseconds(name: str) -> None:
    """Make a clock that counts from the world's start follow it, in nanoseconds."""

    def nanoseconds() -> Any:
        run = by_thread.get(get_ident())
        if run is None:
            return real()
        for _ in run.reads:
            break
        else:
            read_again(run)
        return run.clock.now_ns

    real = redirect(getattr(time, name), nanoseconds)


for _name in ("monotonic", "perf_counter"):
    _redirect_seconds(_name)
    _redirect_nanoseconds(_name + "_ns")


def _redirect_cpu_time(name: str, *, of_thread: bool) -> None:
    """Make a clock of CPU time, in seconds and in nanoseconds, tell what the run has computed."""

    def nanoseconds() -> Any:
        run = by_thread.get(get_ident())
        return real_ns() if run is None else cpu_ns(run, of_thread=of_thread)

    def seconds() -> Any:
        run = by_thread.get(get_ident())
        return real() if run is None else cpu_ns(run, of_thread=of_thread) / NS_PER_SECOND

    real = redirect(getattr(time, name), seconds)
    real_ns = redirect(getattr(time, name + "_ns"), nanoseconds)


_redirect_cpu_time("process_time", of_thread=False)
_redirect_cpu_time("thread_time", of_thread=True)


def _time() -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_time()
    for _ in run.reads:
        break
    else:
        read_again(run)
    return date_seconds(run.start_ns + run.clock.now_ns)


def _time_ns() -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_time_ns()
    for _ in run.reads:
        break
    else:
        read_again(run)
    return run.start_ns + run.clock.now_ns


def _clock_gettime(clock_id: int) -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_clock_gettime(clock_id)
    time_ns = _clock_ns(run, clock_id)
    if clock_id in WALL_CLOCKS:
        return date_seconds(time_ns)
    return time_ns / NS_PER_SECOND if _is_of_cpu(clock_id) else run.clock.now_s()


def _clock_gettime_ns(clock_id: int) -> Any:
    run = by_thread.get(get_ident())
    return _real_clock_gettime_ns(clock_id) if run is None else _clock_ns(run, clock_id)


def _clock_ns(run: Any, clock_id: int) -> int:
    _real_clock_gettime_ns(clock_id)  # Raises what an unknown clock raises.
    if _is_of_cpu(clock_id):
        return cpu_ns(run, of_thread=_is_of_thread(clock_id))
    now_ns = read(run)
    return run.start_ns + now_ns if clock_id in WALL_CLOCKS else now_ns


_PROCESS_CLOCK = getattr(time, "CLOCK_PROCESS_CPUTIME_ID", None)
_THREAD_CLOCK = getattr(time, "CLOCK_THREAD_CPUTIME_ID", None)
_THREAD_BIT = 4
"""The bit of a thread's clock (Linux: CPUCLOCK_PERTHREAD); one that has an owner is below 0."""


def _is_of_cpu(clock_id: int) -> bool:
    return clock_id < 0 or clock_id in (_PROCESS_CLOCK, _THREAD_CLOCK)


def _is_of_thread(clock_id: int) -> bool:
    return clock_id & _THREAD_BIT != 0 if clock_id < 0 else clock_id == _THREAD_CLOCK


def _sleep(duration: Any) -> None:
    run = by_thread.get(get_ident())
    if run is None:
        _real_sleep(duration)
        return
    if not isinstance(duration, float) and hasattr(duration, "__index__"):
        duration = operator.index(duration)
    if isinstance(duration, (float, int)) and 0 <= duration < _SLEEP_MAX:
        run.clock.block(nanoseconds(duration))
        if not duration:
            read(run)  # As a poll of the clock: a loop of them waits for something.
    else:
        _real_sleep(duration)  # Raises: the real one takes nothing else.


_SLEEP_MAX = (1 << 63) / NS_PER_SECOND
"""What the real one takes: 64 bits of nanoseconds."""


def _now_filled(name: str) -> None:
    """Make a function that takes POSIX seconds, by default now, follow the wall clock."""

    def convert(seconds: float | None = None, /) -> Any:
        if seconds is None:
            run = by_thread.get(get_ident())
            if run is not None:
                return real((run.start_ns + read(run)) // NS_PER_SECOND)
        return real(seconds)

    real = redirect(getattr(time, name), convert)


for _name in ("localtime", "gmtime", "ctime"):
    _now_filled(_name)


def _local_now() -> Any:
    run = by_thread[get_ident()]
    return time.localtime((run.start_ns + read(run)) // NS_PER_SECOND)


def _asctime(*moment: Any) -> Any:
    if not moment and get_ident() in by_thread:
        moment = (_local_now(),)
    return _real_asctime(*moment)


def _strftime(*format_and_moment: Any) -> Any:
    if len(format_and_moment) == 1 and get_ident() in by_thread:
        format_and_moment = (*format_and_moment, _local_now())
    return _real_strftime(*format_and_moment)


def _times() -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_times()
    used = cpu_ns(run) / NS_PER_SECOND
    return os.times_result((used, 0.0, 0.0, 0.0, run.clock.now_ns / NS_PER_SECOND))


_real_times: Callable[[], os.times_result] = redirect(os.times, _times)
_real_time: Callable[[], float] = redirect(time.time, _time)
_real_time_ns: Callable[[], int] = redirect(time.time_ns, _time_ns)
_real_clock_gettime = redirect_present(time, "clock_gettime", _clock_gettime)
_real_clock_gettime_ns = redirect_present(time, "clock_gettime_ns", _clock_gettime_ns)
_real_sleep = redirect(time.sleep, _sleep)
_real_asctime = redirect(time.asctime, _asctime)
_real_strftime = redirect(time.strftime, _strftime)
