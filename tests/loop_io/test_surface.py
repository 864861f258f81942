"""Every method of asyncio's loops exists here."""

from __future__ import annotations

import asyncio
import inspect

import pytest

import simloop

METHODS = [
    name
    for name, _ in inspect.getmembers(asyncio.AbstractEventLoop, inspect.isfunction)
    if not name.startswith("__")
]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_ours(name):
    """No method of AbstractEventLoop is left to raise NotImplementedError."""
    method = inspect.getattr_static(simloop.SimLoop, name)
    assert method is not inspect.getattr_static(asyncio.AbstractEventLoop, name)


def test_a_handle_of_asyncio_s_own_class_can_be_cancelled():
    """A TimerHandle that a program makes itself for the loop is cancelled like any other."""

    async def main():
        loop = asyncio.get_running_loop()
        handle = asyncio.TimerHandle(loop.time() + 1, print, (), loop)
        handle._scheduled = True
        handle.cancel()
        return handle.cancelled()

    assert simloop.run(main())
