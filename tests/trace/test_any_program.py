"""Random programs: their traces keep every rule of the format, and tracing changes no run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simloop
from simloop.trace import Digest
from simloop.world.tracing.trace_file import writing_trace

CHANNELS = 3
delays = st.sampled_from([0, 0, 0.001, 1, 3600])
actions = st.one_of(
    st.tuples(st.just("sleep"), delays),
    st.tuples(st.just("block"), st.sampled_from([0.001, 2])),
    st.tuples(st.just("thread"), st.sampled_from([0, 1])),
    st.tuples(st.just("send"), st.tuples(st.integers(0, CHANNELS - 1), st.integers(1, 200_000))),
    st.tuples(st.just("receive"), st.integers(0, CHANNELS - 1)),
    st.tuples(st.just("close"), st.integers(0, CHANNELS - 1)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("fail"), st.none()),
)
programs = st.lists(st.lists(actions, max_size=5), min_size=1, max_size=5)


async def act(action, value, pairs, tasks):
    """Do one thing of a random program."""
    loop = asyncio.get_running_loop()
    if action == "sleep":
        await asyncio.sleep(value)
    elif action == "block":
        time.sleep(value)
    elif action == "thread":
        await asyncio.to_thread(time.sleep, value)
    elif action == "send":
        channel, size = value
        await loop.sock_sendall(pairs[channel][0], bytes(size))
    elif action == "receive":
        await loop.sock_recv(pairs[value][1], 50_000)
    elif action == "close":
        pairs[value][1].close()
    elif action == "cancel":
        tasks[value % len(tasks)].cancel()
    else:
        raise ArithmeticError(str(len(tasks)))


async def carry_out(actions, pairs, tasks):
    for action, value in actions:
        with contextlib.suppress(OSError, ValueError):
            async with asyncio.timeout(10):
                await act(action, value, pairs, tasks)


def make(program):
    """Make the main coroutine function of a random program."""

    async def main():
        pairs = [
            socket.socketpair(socket.AF_UNIX, kind)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)
        ]
        for one in (one for pair in pairs for one in pair):
            one.setblocking(False)
        tasks = []
        for number, each in enumerate(program):
            tasks.append(asyncio.create_task(carry_out(each, pairs, tasks), name=f"task {number}"))
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in (one for pair in pairs for one in pair):
            one.close()

    return main


def digest_of(main, path=None):
    world = simloop.World(seed=1)
    digest = Digest()
    world.watch(digest)
    with writing_trace(world, path, "p") if path else contextlib.nullcontext():
        simloop.run(main(), world=world)
    return digest.hexdigest()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(programs)
def test_any_program_gives_a_good_trace(format_checker, program):
    """Blocking, threads, lost messages, cancellation and errors all leave a trace in order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.json")
        assert digest_of(make(program)) == digest_of(make(program), str(path))
        events = json.loads(path.read_text())["traceEvents"]
        format_checker(events)
        count = sum(event["ph"] == "s" for event in events)
        assert sum(event["ph"] == "f" for event in events) == count
