"""The steps of a process that are on none of its loops: its start, its signals, its end.

Owns: whose such a step is, and what an error of one does. Must not know: what a step is for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simloop._kernel import KernelEvents

if TYPE_CHECKING:
    from .host_process import HostProcess

__all__ = ["ProcessEvents"]


class ProcessEvents(KernelEvents):
    """The owner of the steps of a process that are on none of its loops."""

    def __init__(self, kernel: Any, process: HostProcess) -> None:
        super().__init__(kernel)
        self._process = process
        self.host_label: str = process.label
        self.host: Any = process.machine.machine

    def _step_into(self) -> None:
        """Put the process in place; no loop runs."""
        asyncio._set_running_loop(None)
        process = self._process
        process.machine.world.sandbox.switch_to(process.context)

    def call_soon_threadsafe(self, callback: Any, *args: Any) -> None:
        """Run a handler of a signal, where the process has no loop."""
        self._process.call_soon(callback, *args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """End the process by an error: it comes of a handler of a signal."""
        self._process.ended_by_itself(None, context["exception"])
