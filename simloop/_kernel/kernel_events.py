"""Events of the kernel's own: callbacks that belong to no loop.

Owns: the owner of their handles, which stands where a loop would. What the world itself does at a
time (a packet arrives, a machine gets its power back) is no step of any program: it runs under no
process, and its error is the run's. Also what is asked whether to stop, where no loop runs a turn.

Must not know: what such an event does.

Invariant: while one runs, the running loop and the process in place stay what they are; it may
schedule on any loop, and does nothing else with them.
"""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .handles import Handle, TimerHandle
    from .kernel import Kernel

__all__ = ["NEVER_STOPS", "ONCE", "KernelEvents", "Once"]


class KernelEvents:
    """The owner of handles that belong to no loop."""

    _stopping = False
    _stash: list[Any] | None = None

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.context: Context = Context()

    @property
    def _wheel(self) -> Any:
        """The kernel's timer wheel, in which a cancelled handle counts itself."""
        return self._kernel.wheel

    @property
    def _ready(self) -> Any:
        """The kernel's ready queue."""
        return self._kernel.ready

    def _step_into(self) -> None:
        """Change nothing: the event is a step of no program."""

    def _step_took(self, _handle: Handle | TimerHandle, _elapsed_ns: int) -> None:
        """Ignore the time: there is no debug mode that logs it."""

    def _takes_exit(self, _error: BaseException) -> bool:
        """Return False: it ends the run."""
        return False

    def get_debug(self) -> bool:
        """Return False: there is no debug mode."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Raise the error: it ends the run, because no program is there to handle it."""
        raise context["exception"]


class Once:
    """Stands for a loop where turns have no loop to ask: stops after one, or never."""

    def __init__(self, *, stopping: bool) -> None:
        self._stopping = stopping


ONCE = Once(stopping=True)
NEVER_STOPS = Once(stopping=False)
