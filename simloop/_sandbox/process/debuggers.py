"""Debuggers: their own code runs in threads of the run, and in real time.

Owns: telling a debugger's calls from the program's. pydevd, which debugpy (VS Code) and PyCharm
stand on, runs in the thread that it has stopped: there it waits for the user's next command, and
measures how long an expression takes. In the run's time a breakpoint would let hours pass, and the
digest would be another one. So where the caller is a debugger, clocks, sleeps and waits are real,
and a thread that it starts is none of the run's. What the user evaluates runs in the program's own
frame, and sees the run's time.

Must not know: how a thread of a run waits.

Invariant: as long as no debugger is loaded, this costs nothing but a look at an empty list where a
thread is about to wait.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.patching.registry import redirect, when_loaded

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["is_debugger", "loaded"]

loaded: list[str] = []
"""Debuggers that this process has."""

_DEBUGGERS = ("_pydev_bundle.", "_pydevd_", "pydevd", "debugpy.")
"""How the names of their modules begin."""

_PASSED = ("threading", "queue")
"""Modules that wait for their callers."""

_OURS = "simloop._sandbox."
"""What stands in the place of functions in C, whichever of us is called first."""

_CLOCKS = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    "sleep",
)


def is_debugger() -> bool:
    """Return whether a debugger's code is what waits, or asks for the time."""
    frame = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name not in _PASSED and not name.startswith(_OURS):
            return name.startswith(_DEBUGGERS)
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _keep_real(name: str) -> None:
    """Let a clock be real for a debugger."""
    really = clone(getattr(time, name))

    def clock(*args: Any) -> Any:
        return really(*args) if is_debugger() else ours(*args)

    ours = redirect(getattr(time, name), clock)


def _register(module: ModuleType) -> None:
    if not loaded:
        for name in _CLOCKS:
            _keep_real(name)
    loaded.append(module.__name__)


when_loaded("_pydevd_bundle.pydevd_constants", _register)
