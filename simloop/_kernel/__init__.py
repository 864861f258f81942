"""What runs next: the virtual clock, the timer wheel, the ready queue, seeds and choices.

The bottom of the engine. It knows callbacks and times, and nothing of sockets or of the real
time; every layer above schedules through it.
"""

from __future__ import annotations

from .clock import NEVER, NS_PER_SECOND, nanoseconds, seconds, shown
from .handles import (
    DebugHandle,
    DebugThreadSafeHandle,
    DebugTimerHandle,
    Handle,
    KernelLoop,
    Observer,
    ThreadSafeHandle,
    TimerHandle,
    describe,
)
from .kernel import Kernel
from .kernel_events import KernelEvents
from .limits import LIVELOCK_STEPS, Limits
from .random_streams import RandomStreams
from .thread_kernel import ThreadKernel
from .timer_wheel import TimerWheel

__all__ = [
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
    "ThreadKernel",
    "ThreadSafeHandle",
    "TimerHandle",
    "TimerWheel",
    "describe",
    "nanoseconds",
    "seconds",
    "shown",
]
