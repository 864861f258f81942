"""What every test of the front doors needs: a thread whose current loop is settled."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(autouse=True)
def no_current_loop() -> None:
    """Say that this thread has no loop.

    Until somebody says so, Python before 3.14 makes one for whoever asks, as pytest-asyncio does
    when it runs in this process, and nobody closes it.
    """
    asyncio.set_event_loop(None)
