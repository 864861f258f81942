"""What failing schedules leave open is no warning of the user's tests."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import simloop


def test_what_failing_runs_left_open_goes_in_silence():
    """An error's frames keep a server, a socket and a stream until the finding is dropped."""
    held = []

    async def main():
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 7000)
        sock = socket.create_server(("127.0.0.1", 0))
        _, writer = await asyncio.open_connection("127.0.0.1", 7000)
        held.append((server, sock, writer))
        await asyncio.sleep(1)
        raise ValueError("the program's own")

    found = simloop.explore(main, schedules=10)
    (failure,) = found.failures
    simloop.replay(main, failure.schedule)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        held.clear()
        del found, failure
        gc.collect()
    assert not [str(each.message) for each in heard]
