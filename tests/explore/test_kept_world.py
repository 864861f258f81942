"""Kept worlds: one world for the many runs of a sweep, made equal to new before each."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import socket
import sys
import threading
import time
import uuid
import weakref
from collections import deque
from itertools import count
from pathlib import Path
from types import BuiltinMethodType, FunctionType, MethodType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simloop
from simloop._kernel.gate import ChoiceGate
from simloop.exploration.delays import Delays
from simloop.exploration.explored_run import FAILURES, ExploredWorld, run_once
from simloop.exploration.gates import Kinds
from simloop.exploration.program import Program, quiet
from simloop.exploration.strategies import strategy_of
from simloop.exploration.strategies.single import RandomAnswers
from simloop.exploration.strategies.timing import delay_code
from simloop.exploration.sweeping.kept_world import KeptWorld
from simloop.exploration.sweeping.searcher import Searcher
from simloop.trace import Digest
from simloop.world.run_options import RunOptions

for folder in ("explore", "determinism"):
    path = str(Path(__file__).parents[1] / folder)
    if path not in sys.path:
        sys.path.append(path)

import promise_worker  # noqa: E402 - found by the lines above
from bugs.registry import BUGS, RIGHT  # noqa: E402 - as above
from test_promise import DEEDS  # noqa: E402 - as above

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Undisturbed:
    """Answers every question with what happens undisturbed."""

    @staticmethod
    def answer(_kind, _thing, _options):
        return 0


def gate():
    return ChoiceGate(Undisturbed(), {"stall", "late", "hold", "order"})


def keeper(**options):
    """Return what keeps an explored world, and the same for one that keeps none."""
    made = RunOptions(**options)
    given = made.of_world()
    return KeptWorld(lambda gate: ExploredWorld(gate, **given), ExploredWorld.renew_for, made)


# What a world is --------------------------------------------------------------------------------

PLAIN = (int, float, str, bytes, bool, type(None), type)


def state_of(thing, known):  # noqa: PLR0911 - one kind of object after the other
    """Return all that an object of ours is, attribute by attribute, and of what it leads to."""
    if isinstance(thing, PLAIN):
        return thing
    if id(thing) in known:
        return "as before", known[id(thing)]
    known[id(thing)] = len(known)
    if isinstance(thing, (list, tuple, deque)):
        return type(thing).__name__, [state_of(each, known) for each in thing]
    if isinstance(thing, dict):
        return "dict", [(state_of(key, known), state_of(thing[key], known)) for key in thing]
    if isinstance(thing, FunctionType):
        cells = [state_of(cell.cell_contents, known) for cell in thing.__closure__ or ()]
        return "function", thing.__qualname__, cells
    if isinstance(thing, (MethodType, BuiltinMethodType)):
        return "method", thing.__name__, state_of(thing.__self__, known)
    if isinstance(thing, random.Random):
        return "random", thing.getstate()
    if isinstance(thing, (count, weakref.ref, *weakref.ProxyTypes)):
        return type(thing).__name__, repr(thing) if isinstance(thing, count) else ""
    if not type(thing).__module__.startswith("simloop"):
        return type(thing).__name__
    return type(thing).__name__, attributes_of(thing, known)


def attributes_of(thing, known):
    """Return the attributes of an object, those of its class that are no code too."""
    names = dict.fromkeys(name for cls in type(thing).__mro__ for name in vars(cls))
    names.update(dict.fromkeys(getattr(thing, "__dict__", ())))
    found = {}
    for name in sorted(names):
        of_class = getattr(type(thing), name, None)
        is_slot = type(of_class).__name__ == "member_descriptor"
        is_code = name.startswith("__") or (not is_slot and hasattr(of_class, "__get__"))
        if is_code and name not in getattr(thing, "__dict__", ()):
            continue
        if hasattr(thing, name):
            found[name] = state_of(getattr(thing, name), known)
    return found


# Programs, each of which leaves another trace ---------------------------------------------------


async def nothing():
    pass


async def sleeps():
    await asyncio.gather(*[asyncio.sleep(each / 10) for each in range(5)])
    asyncio.get_running_loop().call_later(60, print).cancel()


async def draws():
    random.seed(4)
    return random.gauss(0, 1), os.urandom(3), uuid.uuid1(), uuid.uuid4(), hash(socket.socket())


async def streams():
    async def echo(reader, writer):
        writer.write(await reader.read(9))
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        writer.close()


async def leaves_open():
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 9))
    loop.call_later(99, print)
    task = loop.create_task(asyncio.sleep(99))
    task.set_name("left")
    simloop.current_world().names.add("db", "10.0.0.9")


async def threads():
    worker = threading.Thread(target=time.sleep, args=(1,))
    worker.start()
    await asyncio.to_thread(worker.join)


async def processes():
    async def main(process):
        process.stdout.write(b"here")
        return 3

    simloop.current_world().programs.register("it", main)
    started = await asyncio.create_subprocess_exec("it", stdout=asyncio.subprocess.PIPE)
    assert await started.communicate() == (b"here", None)


async def signals():
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, heard.set)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    loop.deliver_signal(signal.SIGTERM)
    await heard.wait()


async def fails():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(1)
    raise LookupError


async def deadlocks():
    await asyncio.get_running_loop().create_future()


async def spins():
    while True:
        await asyncio.sleep(0)


async def properties():
    simloop.always(lambda: True, "always")
    simloop.sometimes(simloop.choose(2) == 1, "sometimes")


async def detaches():
    loop = simloop.current_loop()
    loop.world.detach_clocks()
    loop.autojump = False
    await loop.advance(3)
    loop.autojump = True
    loop.world.attach_clocks()


async def calls_threadsafe():
    loop = asyncio.get_running_loop()
    loop.call_soon_threadsafe(print, end="")
    loop.set_debug(True)
    await asyncio.sleep(0.1)


TRACES = [
    *(nothing, sleeps, draws, streams, leaves_open, threads, processes, signals, fails),
    *(deadlocks, spins, properties, detaches, calls_threadsafe),
]


@pytest.mark.parametrize("main", TRACES, ids=lambda main: main.__name__)
def test_a_world_that_has_run_is_made_equal_to_new(main):
    """No attribute of a renewed world, nor of what it leads to, differs from a fresh one's."""
    with quiet():
        kept, fresh = keeper(max_steps=500), keeper(max_steps=500)
        for _ in range(3):
            run_once(main, gate(), RunOptions(), kept=kept)
        renewed, new = kept.take(gate()), fresh.take(gate())
        assert state_of(renewed, {}) == state_of(new, {})


@pytest.mark.parametrize("main", TRACES, ids=lambda main: main.__name__)
def test_what_ends_with_its_run_costs_no_world(main):
    """Where a program leaves nothing that outlives it, one world serves all runs."""
    with quiet():
        kept = keeper(max_steps=500)
        for _ in range(4):
            run_once(main, gate(), RunOptions(), kept=kept)
        kept.take(gate())
    assert kept.made == 1


# What is left -----------------------------------------------------------------------------------

left = []


async def leaves_loop():
    left.append(asyncio.get_running_loop())


async def leaves_lock():
    lock = asyncio.Lock()
    async with lock:
        waiter = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
    await waiter
    left.append(lock)


async def leaves_future():
    left.append(asyncio.get_running_loop().create_future())


async def leaves_socket():
    left.append(socket.create_server(("127.0.0.1", 80)))


async def leaves_world():
    left.append(simloop.current_world())


async def leaves_process():
    left.append(asyncio.get_running_loop().process)


async def leaves_weak_reference():
    left.append(weakref.ref(simloop.current_world()))


async def leaves_context():
    left.append(simloop._sandbox.current())


async def leaves_error():
    loop = asyncio.get_running_loop()
    try:
        await loop.getaddrinfo("nowhere", 0)
    except OSError as error:
        left.append(error)


LEAVING = [
    *(leaves_loop, leaves_lock, leaves_future, leaves_socket, leaves_world, leaves_process),
    *(leaves_weak_reference, leaves_context, leaves_error),
]


@pytest.mark.parametrize("main", LEAVING, ids=lambda main: main.__name__)
def test_what_is_left_keeps_its_world_to_itself(main):
    """A program that holds anything of a run's world beyond it gets another one for the next."""
    with quiet():
        kept = keeper()
        for _ in range(3):
            run_once(main, gate(), RunOptions(), kept=kept)
        world = kept.take(gate())
        left.clear()
        gc.collect()
    assert kept.made == 4
    assert not world.loops


def test_a_lock_of_an_earlier_run_is_refused():
    """A lock that outlives its run is bound to that run's loop, as it is where worlds are fresh."""
    locks = []

    async def main():
        if not locks:
            locks.append(asyncio.Lock())
        async with locks[0]:
            task = asyncio.create_task(locks[0].acquire())
            await asyncio.sleep(0)
        await task
        locks[0].release()

    with quiet():
        kept = keeper()
        kinds = [run_once(main, gate(), RunOptions(), kept=kept).kind for _ in range(3)]
    assert kinds == [None, "error", "error"]


def test_each_run_has_a_loop_of_its_own():
    """What a library keeps by loop, weakly, is not found by the next run."""
    known = weakref.WeakKeyDictionary()
    found = []

    async def main():
        loop = asyncio.get_running_loop()
        found.append(known.get(loop))
        known[loop] = "kept"

    with quiet():
        kept = keeper()
        for _ in range(5):
            run_once(main, gate(), RunOptions(), kept=kept)
    assert found == [None] * 5


def test_finalizers_run_as_with_fresh_worlds():
    """Garbage is collected at the end of its run, whose clock its finalizers read."""
    told = []

    class Knot:
        def __init__(self):
            self.me = self

        def __del__(self):
            told.append(time.monotonic())

    async def main():
        Knot()
        await asyncio.sleep(7)

    with quiet():
        kept = keeper()
        for _ in range(4):
            run_once(main, gate(), RunOptions(), kept=kept)
    assert told == [7.0] * 4
    assert kept.made == 1


def test_each_run_finds_the_collector_of_a_new_process():
    """No run hears of the collections before it, nor of what was finalized behind one's end."""
    told = []

    class Knot:
        def __init__(self):
            self.itself = self

        def __del__(self):
            gc.collect(0)
            gc.disable()
            gc.set_threshold(1)

    async def main():
        told.append((gc.isenabled(), gc.get_threshold(), gc.get_stats()))
        Knot()

    simloop.sweep(main, seeds=range(3))
    assert told == told[:1] * 3


def test_limits_hold_in_each_run():
    """The limits of the options are those of each run, also after one that passed them."""
    with quiet():
        kept = keeper(max_steps=300)
        kinds = [run_once(spins, gate(), RunOptions(), kept=kept).kind for _ in range(3)]
    assert kinds == ["limit"] * 3


def test_readings_of_clocks_take_time_in_each_run():
    """With ``clock_tick`` the first two readings of every run differ, in the last one too."""
    differ: list[bool] = []

    async def main():
        loop = asyncio.get_running_loop()
        differ.append(time.monotonic() < time.monotonic() and loop.time() < loop.time())

    simloop.sweep(main, seeds=range(5), clock_tick=1e-6)
    simloop.explore(main, schedules=5, clock_tick=1e-6)
    assert all(differ)
    assert len(differ) >= 10


def test_seeds_of_a_sweep_are_those_of_runs():
    """Each seed of a sweep fails as a run by itself does, though one world serves all."""

    async def main():
        await asyncio.sleep(random.random())
        assert random.random() < 0.8, (random.random(), uuid.uuid4(), time.time())

    swept = simloop.sweep(main, seeds=range(60))
    alone = [seed for seed in range(60) if simloop.simulate(main, seed=seed).error is not None]
    assert [*swept.failures[0].seeds] == alone


# The same runs ----------------------------------------------------------------------------------


def told_by(main, schedules, *, keeps, options=None):
    """Search, and return all that each schedule came to, and how many worlds were made."""
    program = Program(main, options or {}, Delays(sleeps=2.0), failures=(*FAILURES, "callback"))
    searcher = Searcher(program, strategy_of("timing", sleeps=True), 0)
    told = []
    with quiet():
        searcher.first()
        for number in range(2, schedules + 2):
            if not keeps:
                program._kept.drop()
            assert searcher.begin(number)
            digest = Digest()
            ran, answers = searcher.search((digest,))
            digest.ended(ran.value, ran.error)
            world = ran.world
            error = None if ran.error is None else (type(ran.error), str(ran.error))
            told.append(
                (ran.kind, error, answers.tape, digest.hexdigest(), world.steps, world.time_ns)
            )
            del ran, world
    return told, program._kept.made


PROGRAMS = {
    f"{bug.name}-{which}": getattr(bug, which) for bug in BUGS for which in ("buggy", "fixed")
}
PROGRAMS |= {right.name: right.main for right in RIGHT}
few_examples = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
any_deeds = given(
    deeds=st.lists(
        st.lists(st.sampled_from([each for each in DEEDS if each[0] != "load"]), max_size=4),
        min_size=1,
        max_size=3,
    )
)
each_program = pytest.mark.parametrize("main", PROGRAMS.values(), ids=PROGRAMS)


def compare(main, schedules, options=None):
    fresh, made = told_by(main, schedules, keeps=False, options=options)
    kept, _ = told_by(main, schedules, keeps=True, options=options)
    assert kept == fresh
    assert made == schedules


@each_program
def test_the_corpus_runs_as_in_fresh_worlds(main):
    """Every program of the corpus takes the same steps and fails alike, schedule by schedule."""
    compare(main, 5)


@pytest.mark.slow
@each_program
def test_the_corpus_runs_as_in_fresh_worlds_for_long(main):
    """The same for many schedules, of which each program's bug fails some."""
    compare(main, 80)


@pytest.mark.slow
@few_examples
@any_deeds
def test_any_program_runs_as_in_fresh_worlds(deeds):
    """Programs of all that simloop has take the same steps in a kept world as in fresh ones."""
    compare(promise_worker.main_of(deeds), 4, {"max_steps": 30_000})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aiohttp", "httpx and uvicorn", "websockets", "redis", "anyio"])
def test_libraries_run_as_in_fresh_worlds(name):
    """Programs on real libraries take the same steps in a kept world as in fresh ones."""
    import programs

    for needed in programs.NEEDS[name]:
        pytest.importorskip(needed)
    compare(programs.PROGRAMS[name], 6)


# Watched or not ---------------------------------------------------------------------------------


class EveryKind(RandomAnswers):
    """Answers also what is dear to ask: how long each step takes."""

    def __init__(self):
        super().__init__(sleeps=True)
        self.kinds = Kinds(("ready",))


def searched_and_repeated(main, strategy, schedules):
    """Search as nobody watches, and run each schedule again as what is found is run again."""
    program = Program(main, {}, Delays(sleeps=2.0), failures=(*FAILURES, "callback"))
    searcher = Searcher(program, strategy, 0)
    with quiet():
        searcher.first()
        for number in range(2, schedules + 2):
            assert searcher.begin(number)
            ran, gate = searcher.search()
            again, recorded = searcher.repeat(gate)
            yield tuple(
                (str(run.error), run.kind, run.world.steps, run.world.time_ns, each.position)
                for run, each in ((ran, gate), (again, recorded))
            )


@each_program
def test_a_searched_run_is_the_repeated_one(main):
    """What a search runs unwatched comes to the same when it is run with names and a digest."""
    for searched, repeated in searched_and_repeated(main, EveryKind(), 12):
        assert searched == repeated


@pytest.mark.slow
@each_program
@pytest.mark.parametrize("name", ["timing", "single", "pct:3", "pos", "surw"])
def test_a_run_of_each_strategy_is_the_repeated_one(main, name):
    """The same for the strategies that people use."""
    for searched, repeated in searched_and_repeated(main, strategy_of(name, sleeps=True), 5):
        assert searched == repeated


@pytest.mark.slow
@few_examples
@any_deeds
def test_a_searched_run_of_any_program_is_the_repeated_one(deeds):
    """The same for programs of all that simloop has."""
    for searched, repeated in searched_and_repeated(promise_worker.main_of(deeds), EveryKind(), 4):
        assert searched == repeated


@pytest.mark.parametrize("main", [nothing, draws, streams], ids=lambda main: main.__name__)
def test_a_world_goes_without_the_collector(main):
    """A run that ends what it began leaves no cycle: its world, kept by nothing, goes at once."""
    with quiet():
        known = [weakref.ref(run_once(main, gate(), RunOptions()).world) for _ in range(3)]
        assert [each() for each in known] == [None] * 3


def test_lengths_are_drawn_as_random_draws_them():
    """A delay of a scale is the code that ``randint`` gives between the two ends of its range."""
    timing = strategy_of("timing", sleeps=False)
    ours, theirs = random.Random(5), random.Random(5)
    timing.random = ours
    timing._low, timing._exact = 0.1, 0.0
    for scale_ns in (1e3, 1e4, 5e5, 1e9, 3e10) * 20:
        low = max(timing._low, 1000 / scale_ns)
        assert timing._code(scale_ns) == delay_code(theirs, scale_ns, low)
