"""Helper coroutines for tests.

Owns: waiting until a loop has nothing ready. It may assume nothing of a loop but ``loop._ready``,
since it is used on the loops of other test frameworks too, and must not call anything that tests
patch (``asyncio.sleep`` is a favourite).
"""

from __future__ import annotations

from typing import Any

from ._mocks.coroutines import one_turn, yieldable

__all__ = ["exhaust_callbacks"]


@yieldable
async def exhaust_callbacks(loop: Any) -> None:
    """Run ``loop`` until every callback that is ready has run, and those that they scheduled.

    Timers that are not due yet are left alone.
    """
    while loop._ready:
        await one_turn()
