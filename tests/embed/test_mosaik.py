"""A SimLoop as a mosaik simulator, called as mosaik calls it."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("mosaik_api_v3")
from simloop.embed.mosaik import LoopSimulator

META = {"models": {"Relay": {"public": True, "params": ["delay"], "attrs": ["in", "out"]}}}


class Relays(LoopSimulator):
    """Entities that pass a value on after a while."""

    def __init__(self) -> None:
        super().__init__(META)
        self.queues: dict[str, asyncio.Queue] = {}
        self.out: dict[str, tuple[float, object] | None] = {}

    async def main(self, eid, model, *, delay) -> None:
        self.queues[eid] = queue = asyncio.Queue()
        while (value := await queue.get()) is not None:
            await asyncio.sleep(delay)
            self.out[eid] = (asyncio.get_running_loop().time(), value)
        raise LookupError(f"{eid} broke")

    def receive(self, eid, attr, values) -> None:
        self.queues[eid].put_nowait(next(iter(values.values())))

    def read(self, eid, attr):
        return self.out.pop(eid, None)


@pytest.fixture
def relays():
    relays = Relays()
    meta = relays.init("Relays-0", time_resolution=0.5)
    assert meta["type"] == "hybrid"
    made = relays.create(1, "Relay", delay=0.7) + relays.create(1, "Relay", delay=10)
    assert made == [{"eid": f"Relay_{n}", "type": "Relay"} for n in range(2)]
    yield relays
    relays.finalize()


WANTED = {"Relay_0": ["out"], "Relay_1": ["out"]}


def test_steps_follow_timers_and_inputs(relays) -> None:
    """A step runs what is due up to it, each at its own time, and asks for the next whole one."""
    assert relays.step(0, {}, 100) is None
    assert relays.get_data(WANTED) == {}
    assert relays.step(3, {"Relay_0": {"in": {"Other-0.x": 5}}}, 100) == 5
    assert relays.step(4, {"Relay_1": {"in": {"Other-0.x": 6}}}, 100) == 5
    assert relays.get_data(WANTED) == {}
    assert relays.step(5, {}, 100) == 24
    assert relays.get_data(WANTED) == {"Relay_0": {"out": (2.2, 5)}}
    assert relays.step(24, {}, 100) is None
    assert relays.get_data(WANTED) == {"Relay_1": {"out": (12.0, 6)}}


def test_an_entity_that_fails_ends_the_simulation(relays) -> None:
    """Its error comes out of the step."""
    relays.step(0, {}, 100)
    with pytest.raises(LookupError, match="Relay_0 broke"):
        relays.step(1, {"Relay_0": {"in": {"Other-0.x": None}}}, 100)


def test_an_input_that_nobody_can_take_ends_the_simulation(relays) -> None:
    """The error of receive() comes out of the step, too."""
    relays.step(0, {}, 100)
    with pytest.raises(KeyError, match="Relay_7"):
        relays.step(1, {"Relay_7": {"in": {"Other-0.x": 5}}}, 100)


def test_entities_clean_up_at_the_end() -> None:
    """finalize() cancels them and lets them finish, however long that takes."""
    ended = []

    class Slow(LoopSimulator):
        async def main(self, eid, model) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(60)
                ended.append(self.loop.time())

    slow = Slow({"models": {}})
    slow.init("Slow-0")
    slow.create(2, "Slow")
    slow.step(5, {}, 100)
    slow.finalize()
    assert ended == [65.0, 65.0]
