"""The real functions, for simloop itself: progress, real-time limits, benchmarks.

Owns: functions that keep their meaning inside a run, where the ones that everybody knows follow
the virtual world. They are builtin functions of their own around the same C code.

Must not know: that there is anything but the real world.
"""

from __future__ import annotations

import os
import time

from .redirect import check_layout, clone

__all__ = [
    "process_time",
    "time_ns",
    "time_s",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "sleep",
    "urandom",
]

check_layout()

time_s = clone(time.time)  # noqa: TID251 - this is simloop/_ambient
time_ns = clone(time.time_ns)
monotonic = clone(time.monotonic)  # noqa: TID251 - as above
monotonic_ns = clone(time.monotonic_ns)
perf_counter = clone(time.perf_counter)
perf_counter_ns = clone(time.perf_counter_ns)
process_time = clone(time.process_time)
sleep = clone(time.sleep)
urandom = clone(os.urandom)
