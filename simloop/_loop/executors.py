"""Executors: functions that run beside the loop."""

from __future__ import annotations

from .state import LoopState

__all__ = ["Executors"]


class Executors(LoopState):
    """The part of a loop that runs functions in executors."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """End the default executor."""
