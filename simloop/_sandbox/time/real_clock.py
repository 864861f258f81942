"""The real functions, for simloop itself: progress, real-time limits, benchmarks.

Owns: functions that keep their meaning inside a run, where those of the standard library follow
the virtual world. They are builtin functions of their own around the same C code.

Must not know: that there is anything but the real world.
"""

from __future__ import annotations

import os as _os
import time as _time

from simloop._sandbox.patching.c_functions import check_layout, clone
from simloop._sandbox.patching.python_functions import check_functions

__all__ = [
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "sleep",
    "time",
    "time_ns",
    "urandom",
]

check_layout()
check_functions()

time = clone(_time.time)
time_ns = clone(_time.time_ns)
monotonic = clone(_time.monotonic)
monotonic_ns = clone(_time.monotonic_ns)
perf_counter = clone(_time.perf_counter)
perf_counter_ns = clone(_time.perf_counter_ns)
process_time = clone(_time.process_time)
sleep = clone(_time.sleep)
urandom = clone(_os.urandom)
