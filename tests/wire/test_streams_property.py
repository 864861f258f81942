"""Streams over a wire of any kind: exact, in order, once.

The model is naive: what one end was given to send is what the other one receives, byte for byte,
whatever the wire loses, repeats, reorders or delays, and however both ends cut it up.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simloop

from .machines import Machines, connect, listener

SEVERE = settings(
    max_examples=int(os.environ.get("SIMLOOP_FUZZ", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

LATENCIES = st.one_of(
    st.sampled_from([0.0, 0.001, 0.05, (0.001, 0.2)]),
    st.builds(simloop.latency.exponential, st.just(0.05), st.just(0.001)),
    st.builds(simloop.latency.lognormal, st.just(0.03)),
    st.builds(simloop.latency.pareto, st.just(0.01)),
)
CONDITIONS = st.fixed_dictionaries(
    {
        "latency": LATENCIES,
        "loss": st.sampled_from([0.0, 0.01, 0.1, 0.3]),
        "duplicate": st.sampled_from([0.0, 0.2]),
        "reorder": st.sampled_from([0.0, 0.3]),
        "mtu": st.sampled_from([576, 1500, 9000]),
    },
    optional={
        "bandwidth": st.sampled_from([50_000, 1_000_000]),
        "queue": st.sampled_from([5_000, 100_000]),
    },
)
SIZES = st.lists(st.integers(1, 20_000), min_size=1, max_size=6)


def pattern(size, start):
    return bytes((start + index * 7 + (index >> 8)) % 251 for index in range(size))


async def pump(sock, pieces, pause):
    """Send pieces, then an end of stream."""
    loop = asyncio.get_running_loop()
    for piece in pieces:
        await loop.sock_sendall(sock, piece)
        if pause:
            await asyncio.sleep(pause)
    sock.shutdown(1)


async def drain(sock, size, pause):
    """Receive until the end of stream."""
    loop = asyncio.get_running_loop()
    got = b""
    while data := await loop.sock_recv(sock, size):
        got += data
        if pause:
            await asyncio.sleep(pause)
    return got


def exchange(conditions, seed, there, back, read, pauses):
    """Send both ways at once; return what either end received, and the machines."""
    machines = Machines(seed=seed, **conditions)

    async def serve():
        with listener() as server:
            sock, _ = await asyncio.get_running_loop().sock_accept(server)
        with sock:
            _, got = await asyncio.gather(pump(sock, back, 0), drain(sock, read, pauses[0]))
        return got

    async def main():
        await asyncio.sleep(1)
        with await connect(TCP_NODELAY=seed % 2) as sock:
            _, got = await asyncio.gather(pump(sock, there, pauses[1]), drain(sock, 1 << 16, 0))
            machines.check()
        while not served.done():
            await asyncio.sleep(1)
        return served.result(), got

    served = machines.start(serve)
    try:
        result = machines.run(main)
        machines.check()
    finally:
        machines.close()
    return result, machines


@pytest.mark.slow
@given(
    conditions=CONDITIONS,
    seed=st.integers(0, 1 << 32),
    there=SIZES,
    back=SIZES,
    read=st.sampled_from([100, 5_000, 1 << 20]),
    pauses=st.tuples(st.sampled_from([0, 0.01]), st.sampled_from([0, 0.05])),
)
@SEVERE
def test_a_stream_is_exact_over_any_wire(conditions, seed, there, back, read, pauses):
    """Each end receives what the other one sent: all of it, in order, once."""
    there = [pattern(size, number) for number, size in enumerate(there)]
    back = [pattern(size, 100 + number) for number, size in enumerate(back)]
    try:
        (got, answered), _ = exchange(conditions, seed, there, back, read, pauses)
    except TimeoutError:
        return  # Seven SYNs in a row were lost.
    assert got == b"".join(there)
    assert answered == b"".join(back)


@pytest.mark.parametrize(
    "conditions",
    [
        {"loss": 0.1},
        {"duplicate": 0.5, "reorder": 0.5},
        {"latency": (0.001, 0.1), "loss": 0.05},
        {"bandwidth": 100_000, "queue": 10_000},
        {"mtu": 576, "loss": 0.02},
    ],
    ids=str,
)
def test_a_stream_is_exact_over_a_bad_wire(conditions):
    """The same for a wire of each kind, small enough for every day."""
    there, back = [pattern(30_000, 1)], [pattern(10_000, 2)]
    (got, answered), _ = exchange(conditions, 7, there, back, 4096, (0, 0))
    assert (got, answered) == (there[0], back[0])


def test_one_packet_more_between_two_hosts_moves_nothing_elsewhere():
    """Each direction of each pair draws from numbers of its own."""

    def arrivals(extra):
        machines = Machines("c", "d", latency=(0.01, 0.1), loss=0.2)
        times = []

        async def serve():
            loop = asyncio.get_running_loop()
            with listener() as server:
                sock, _ = await loop.sock_accept(server)
            with sock:
                while await loop.sock_recv(sock, 100):
                    times.append(machines.now)

        async def talk(address, count):
            loop = asyncio.get_running_loop()
            with await connect(address) as sock:
                for _ in range(count):
                    await loop.sock_sendall(sock, b"x")
                    await asyncio.sleep(0.1)

        async def main():
            await asyncio.sleep(1)
            await talk("10.0.0.2", extra)
            await asyncio.sleep(60 - machines.now)
            await asyncio.sleep(60)

        machines.start(serve)
        machines.start(serve, on="d")

        async def other():
            await asyncio.sleep(30)
            times.clear()
            await talk("10.0.0.4", 20)

        machines.start(other, on="c")
        machines.run(main)
        found = [when for when in times if when > 30]
        machines.close()
        return found

    assert arrivals(1) == arrivals(5) != []
