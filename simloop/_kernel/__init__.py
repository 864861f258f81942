"""What runs next: the virtual clock, the timer wheel, the ready queue, seeds and choices.

The bottom of the engine. It knows callbacks and times, and nothing of sockets or of the real
time; every layer above schedules through it.
"""

from __future__ import annotations

from .clock import (
    COARSE_NS,
    NEVER,
    NS_PER_SECOND,
    date_seconds,
    deadline_ns,
    first_shown,
    nanoseconds,
    seconds,
    shown,
)
from .handles import (
    DebugHandle,
    DebugThreadSafeHandle,
    DebugTimerHandle,
    Handle,
    KernelLoop,
    Observer,
    ShownContext,
    ThreadSafeHandle,
    TimerHandle,
    ToldContext,
    describe,
)
from .kernel import Kernel
from .kernel_events import KernelEvents
from .limits import LIVELOCK_STEPS, Limits
from .random_streams import RandomStreams
from .thread_kernel import ThreadKernel
from .timer_wheel import TimerWheel

__all__ = [
    "COARSE_NS",
    "LIVELOCK_STEPS",
    "NEVER",
    "NS_PER_SECOND",
    "DebugHandle",
    "DebugThreadSafeHandle",
    "DebugTimerHandle",
    "Handle",
    "Kernel",
    "KernelEvents",
    "KernelLoop",
    "Limits",
    "Observer",
    "RandomStreams",
    "ShownContext",
    "ThreadKernel",
    "ThreadSafeHandle",
    "TimerHandle",
    "TimerWheel",
    "ToldContext",
    "date_seconds",
    "deadline_ns",
    "describe",
    "first_shown",
    "nanoseconds",
    "seconds",
    "shown",
]
