"""The drivers that only step a loop: mosaik, FMI's masters, Gymnasium."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random

import pytest

import simloop
from simloop.embed.fmi import CoSimulation, StepResult


@pytest.fixture
def loop():
    loop = simloop.SimLoop()
    yield loop
    loop.close()


async def blink(model, seen, count=4, pause=0.3) -> None:
    """Signal an event every now and then."""
    for _ in range(count):
        await asyncio.sleep(pause)
        seen.append(asyncio.get_running_loop().time())
        model.signal_event()


def test_a_step_ends_at_its_end(loop) -> None:
    """Without early return a step runs everything, and tells whether there was an event."""
    seen = []
    model = CoSimulation(loop)
    loop.create_task(blink(model, seen))
    assert model.do_step(0.0, 1.0) == StepResult(1.0, False, True, 1.2)
    assert seen == [0.3, 0.6, 0.9]
    assert model.do_step(1.0, 0.1) == StepResult(1.1, False, False, 1.2)
    assert model.do_step(1.1, 1) == StepResult(2.1, False, True, math.inf)


def test_an_event_ends_a_step_early(loop) -> None:
    """A master with event handling is told the time of each event, and goes on from there."""
    seen, told = [], []
    model = CoSimulation(loop, early_return=True)
    loop.create_task(blink(model, seen))
    time = 0.0
    while time < 2.0:
        result = model.do_step(time, 2.0 - time)
        time = result.last_successful_time
        assert time == loop.time()
        assert result.event_handling_needed == result.early_return
        if result.early_return:
            told.append(time)
    assert told == seen == [0.3, 0.6, 0.9, 1.2]


def test_a_thousand_steps_do_not_drift(loop) -> None:
    """Steps of 0.1 s end where a master's own counting of steps puts them."""
    model = CoSimulation(loop)
    for number in range(1000):
        model.do_step(number * 0.1, 0.1)
    assert loop.time() == 100.0


@pytest.mark.parametrize(("time", "size"), [(0.5, 1.0), (2.0, 1.0), (1.0, 0.0), (1.0, -1.0)])
def test_steps_that_do_not_follow_are_refused(loop, time, size) -> None:
    """A step elsewhere than at the loop's time, or of no size, is an error that shows it."""
    model = CoSimulation(loop)
    model.do_step(0.0, 1.0)
    with pytest.raises(simloop.UsageError, match=rf"do_step\({time}, {size}\)"):
        model.do_step(time, size)


def test_pythonfmu_steps_a_loop(loop) -> None:
    """A slave of pythonfmu, as an FMU's wrapper would call it, has a loop inside."""
    pythonfmu = pytest.importorskip("pythonfmu")

    class Blinker(pythonfmu.Fmi2Slave):
        def __init__(self, **kwargs) -> None:
            super().__init__(**kwargs)
            self.model = CoSimulation(loop)
            self.blinks: list[float] = []
            self.count = 0
            self.register_variable(
                pythonfmu.Integer("count", causality=pythonfmu.Fmi2Causality.output)
            )

        def setup_experiment(self, start_time, stop_time, tolerance) -> None:
            loop.create_task(blink(self.model, self.blinks))

        def do_step(self, current_time, step_size) -> bool:
            self.model.do_step(current_time, step_size)
            self.count = len(self.blinks)
            return True

    slave = Blinker(instance_name="blinker")
    slave.setup_experiment(0.0, None, None)
    (reference,) = slave.vars
    counts = []
    for number in range(5):
        assert slave.do_step(number * 0.5, 0.5)
        counts += slave.get_integer([reference])
    assert counts == [1, 3, 4, 4, 4]


@pytest.fixture
def make_env():
    """Return a function that makes an environment: guess how long the system will sleep."""
    gymnasium = pytest.importorskip("gymnasium")
    np = pytest.importorskip("numpy")
    from simloop.embed.gymnasium import LoopEnv

    class Dice(LoopEnv):
        interval = 10.0
        action_space = gymnasium.spaces.Discrete(3)
        observation_space = gymnasium.spaces.Box(0, 1, shape=(1,), dtype=np.float64)
        ended = 0

        async def system(self, options) -> None:
            self.drawn = self.total = 0.0
            try:
                for _ in range(options.get("draws", 100)):
                    await asyncio.sleep(3)
                    self.drawn = random.random()
                if options.get("fails"):
                    raise LookupError("the system broke")
            finally:
                await asyncio.sleep(1)  # A cleanup takes its time.
                self.ended += 1

        def act(self, action) -> None:
            asyncio.get_running_loop().call_later(1, self.add, action)

        def add(self, action) -> None:
            self.total += float(action)

        def observe(self):
            return np.array([self.drawn])

        def reward(self) -> float:
            return self.total

    return Dice


def episode(env, seed, actions=(0, 1, 2)):
    first, info = env.reset(seed=seed)
    assert info == {"time": 0.0, "world_seed": seed}
    return [float(first[0])] + [(float(o[0]), r) for o, r, *_ in map(env.step, actions)]


def played(make_env, *args):
    """An episode of an environment of its own."""
    with contextlib.closing(make_env()) as env:
        return episode(env, *args)


def test_gymnasiums_own_check_passes(make_env) -> None:
    """The environment keeps Gymnasium's contract, determinism by seed among it."""
    from gymnasium.utils.env_checker import check_env

    env = make_env()
    check_env(env, skip_render_check=True)
    env.close()


def test_an_episode_is_its_seed_and_its_actions(make_env) -> None:
    """The same again is the same; another seed is not; without one a new one is drawn."""
    env = make_env()
    assert episode(env, 1) == episode(env, 1)
    assert episode(env, 1) != episode(env, 2)
    _, info = env.reset()
    _, other = env.reset()
    assert info != other
    assert env.ended == 5
    env.close()
    assert env.ended == 6
    env.close()


def test_the_systems_end_ends_the_episode(make_env) -> None:
    """It returned: the episode is terminated. It failed: step() raises its error."""
    env = make_env()
    env.reset(seed=1, options={"draws": 4})
    assert [env.step(0)[2] for _ in range(2)] == [False, True]
    env.reset(seed=1, options={"draws": 4, "fails": True})
    env.step(0)
    with pytest.raises(LookupError, match="the system broke"):
        env.step(0)
    env.close()


def test_gymnasiums_wrappers_wrap(make_env) -> None:
    """A time limit truncates, and environments side by side have worlds of their own."""
    gymnasium = pytest.importorskip("gymnasium")
    limited = gymnasium.wrappers.TimeLimit(make_env(), 2)
    limited.reset(seed=1)
    assert [limited.step(0)[3] for _ in range(2)] == [False, True]
    limited.close()
    both = gymnasium.vector.SyncVectorEnv([make_env, make_env])
    both.reset(seed=[3, 4])
    (first,), (second,) = both.step([0, 0])[0]
    both.close()
    assert [first, second] == [played(make_env, seed, (0,))[1][0] for seed in (3, 4)]


def test_an_environment_lives_inside_of_a_program(make_env) -> None:
    """Whoever calls reset, step and close may be a task of another loop."""

    async def main():
        return played(make_env, 1)

    assert asyncio.run(main()) == simloop.run(main()) == played(make_env, 1)


def test_errors_of_actions_come_out_of_step(make_env) -> None:
    """An action that the system cannot take is no matter of the loop's handler."""
    gymnasium = pytest.importorskip("gymnasium")
    env = make_env()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=1)
    env.act = lambda action: {}[action]
    with pytest.raises(KeyError, match="7"):
        env.step(7)
    env.close()


def test_a_system_that_cannot_begin_fails_the_reset(make_env) -> None:
    """Its own error is what is told, not what is missing for an observation then."""
    env = make_env()

    async def broken(options) -> None:
        raise LookupError("no power")

    env.system = broken
    with pytest.raises(LookupError, match="no power"):
        env.reset(seed=1)
    env.close()
