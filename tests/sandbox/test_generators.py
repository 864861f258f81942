"""The functions of ``random`` where other threads draw, too."""

from __future__ import annotations

import copy
import pickle
import random
import subprocess
import sys
import threading
from random import getrandbits as held_bits
from random import random as held_random

import pytest

from simloop._sandbox import current, sealed
from simloop._sandbox.entropy import random_module


def draw():
    """Draw by every kind of function, seeded in between."""
    drawn = [random.random(), held_random(), held_bits(40), random.getrandbits(40)]
    drawn += [random.gauss(0, 1), random.randint(0, 10**9), random.choice("abcdefgh")]
    drawn += [random.gauss(0, 1), random.gauss(0, 1), random.betavariate(1, 2)]
    items = list(range(10))
    random.shuffle(items)
    state = random.getstate()
    drawn += [items, random.sample(range(100), 5), random.random(), random.randbytes(4)]
    random.setstate(state)
    drawn += [random.random(), random.uniform(1, 2), random.Random(4).random()]
    random.seed(9)
    drawn += [random.random(), random.gauss(0, 1)]
    random.seed()
    return [*drawn, random.random(), random.gauss(0, 1), random.getstate()]


@pytest.fixture
def other_thread():
    """Run functions in another thread, which is there all the time; returns what they return."""
    calls, answers = threading.Semaphore(0), threading.Semaphore(0)
    box = []

    def serve():
        while True:
            calls.acquire()
            function = box.pop()
            if function is None:
                return
            box.append(function())
            answers.release()

    def call(function):
        box.append(function)
        calls.release()
        answers.acquire()
        return box.pop()

    thread = threading.Thread(target=serve)
    thread.start()
    yield call
    box.append(None)
    calls.release()
    thread.join()


def outside(function):
    with current().outside():
        return function()


def alone(make, seed):
    with make(seed):
        return [draw(), draw()]


def test_a_run_draws_the_same_beside_other_threads(make, other_thread):
    """What others draw meanwhile moves nothing in a run, nor the run anything of theirs."""
    random.seed(7)
    theirs_alone = [random.random(), random.gauss(0, 1), random.randrange(10**9)]
    for seed in (1, 2):
        random.seed(7)
        with make(seed):
            ours = [draw()]
            theirs = [outside(lambda: other_thread(held_random))]
            theirs.append(outside(lambda: other_thread(lambda: random.gauss(0, 1))))
            ours.append(draw())
        assert type(random._inst) is random.Random
        theirs.append(random.randrange(10**9))
        assert theirs == theirs_alone
        assert [each[:-1] for each in ours] == [each[:-1] for each in alone(make, seed)]


def test_it_is_the_same_as_in_a_process_of_one_thread(make):
    """A run draws the same numbers whether there are other threads or not."""
    expected = alone(make, 3)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert alone(make, 3) == expected
    finally:
        done.set()
        thread.join()
    assert alone(make, 3) == expected


def test_runs_of_two_threads_draw_each_their_own(make, new_clock, other_thread):
    """Two runs at once in two threads draw what each draws alone, however they interleave."""
    expected = alone(make, 1), alone(make, 2)
    first, second = make(1), make(2, clock=new_clock())
    random.seed(7)
    before = random.getstate()
    with first:
        ours = [draw()]
        outside(lambda: other_thread(second.enter))
        theirs = [outside(lambda: other_thread(draw))]
        ours.append(draw())
        theirs.append(outside(lambda: other_thread(draw)))
        outside(lambda: other_thread(second.exit))
    assert (ours, theirs) == expected
    assert random.getstate() == before


def test_a_second_thread_that_comes_later(make, new_clock):
    """A run that began alone goes on where it was when another thread begins one, and outlasts."""
    expected = alone(make, 1), alone(make, 2)
    second, entered, left = make(2, clock=new_clock()), threading.Event(), threading.Event()
    theirs = []

    def run_beside():
        with second:
            theirs.append(draw())
            entered.set()
            left.wait()
            theirs.append(draw())

    thread = threading.Thread(target=run_beside)
    random.seed(7)
    before = random.getstate()
    with make(1):
        ours = [draw()]
        with current().outside():
            thread.start()
            entered.wait()
        ours.append(draw())
    left.set()
    thread.join()
    assert (ours, theirs) == expected
    assert random.getstate() == before


def test_a_world_within_itself(make, new_clock, other_thread):
    """A world that drives another that drives the first goes on with its numbers."""
    expected = alone(make, 1)
    outer, inner = make(1), make(2, clock=new_clock())
    with outer:
        with inner, outer:
            ours = [draw()]
        ours.append(draw())
    assert ours == expected
    assert type(random._inst) is random.Random


# A run that has asked nothing of the generator -------------------------------------------------


def set_gauss():
    random._inst.gauss_next = 0.5
    return random.gauss(0, 1)


def forget_gauss():
    del random._inst.gauss_next
    random._inst.gauss_next = None
    return random.gauss(0, 1)


def come_back():
    state = random.getstate()
    random.seed(1)
    random.setstate(state)
    return random.random()


FIRST_ASKED = {
    "a number": random.random,
    "bits": lambda: random.getrandbits(70),
    "a number by the function held": held_random,
    "bits by the function held": lambda: held_bits(33),
    "a pair": lambda: random.gauss(0, 1),
    "a method in Python": lambda: random.randrange(10**9),
    "bytes": lambda: random.randbytes(9),
    "the state": random.getstate,
    "the state, there and back": come_back,
    "a seed of the system's": random.seed,
    "a seed": lambda: random.seed(5),
    "the object's own": lambda: [random._inst.random()],
    "the object's dictionary": lambda: dict(vars(random._inst)),
    "a copy": lambda: copy.copy(random._inst).random(),
    "a pickle": lambda: pickle.dumps(random._inst),
    "an attribute that is set": set_gauss,
    "an attribute that is deleted": forget_gauss,
    "the class": lambda: random._inst.__class__.__name__,
}


@pytest.fixture
def nobody_else(monkeypatch):
    """Let those who refer to the generator by now pass for the module: Hypothesis does, too."""
    monkeypatch.setattr(random_module, "_HOLDERS", sys.getrefcount(random._inst))


@pytest.mark.usefixtures("nobody_else")
@pytest.mark.parametrize("ask", FIRST_ASKED.values(), ids=FIRST_ASKED)
def test_the_first_that_is_asked_is_the_runs(make, ask):
    """Whatever a run asks first of the generator, it and all that follows are the run's own."""
    random.seed(7)
    before = random.getstate()
    held = random._inst.random  # So its state is in place from the beginning.
    with make(1):
        expected = ask(), draw()[:-1]
    del held
    with make(1):
        assert type(random._inst) is not random.Random
        assert (ask(), draw()[:-1]) == expected
    assert type(random._inst) is random.Random
    assert random.getstate() == before


@pytest.mark.usefixtures("nobody_else")
def test_a_function_that_somebody_holds_draws_the_runs_numbers(make):
    """A builtin method that was bound to the generator before the run is the run's in it."""
    held = random._inst.random
    with make(1):
        first = held()
    del held
    with make(1):
        assert random.random() == first


@pytest.mark.usefixtures("nobody_else")
def test_what_asks_outside_of_a_run_that_has_not_finds_the_process_s(make, new_clock):
    """A world that is entered within one that has asked nothing, or left before, moves nothing."""
    expected = alone(make, 1), alone(make, 2)
    random.seed(7)
    theirs = [random.random() for _ in range(2)]
    random.seed(7)
    outer, inner = make(1), make(2, clock=new_clock())
    with make(3):
        pass
    assert random.random() == theirs[0]
    with outer:
        with inner:
            second = [draw(), draw()]
        first = [draw(), draw()]
    assert (first, second) == expected
    assert random.random() == theirs[1]


@pytest.mark.usefixtures("nobody_else")
def test_between_runs_of_a_sealed_process(make):
    """Who asks between two runs that asked nothing finds what the process has."""
    expected = alone(make, 2)
    random.seed(7)
    theirs = [random.random() for _ in range(3)]
    random.seed(7)
    with sealed():
        for number in range(2):
            with make(1):
                pass
            assert random.random() == theirs[number]
        with make(1):
            pass
        with make(2):
            assert [draw(), draw()] == expected
        with make(1):
            pass
    assert type(random._inst) is random.Random
    assert random.random() == theirs[2]


def test_a_run_that_draws_nothing_makes_no_state():
    """In a new process nobody holds more than the module offers, so a run leaves it untouched."""
    program = (
        "import asyncio, random, simloop\n"
        "async def main():\n"
        "    kinds.append(type(random._inst))\n"
        "    random.random()\n"
        "    kinds.append(type(random._inst))\n"
        "kinds = []\n"
        "simloop.run(main())\n"
        "assert kinds[0] is not random.Random is kinds[1] is type(random._inst), kinds\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_hosts_that_draw_nothing_make_no_state():
    """Each process of a run draws its own numbers, and only who draws puts a state in place."""
    program = (
        "import asyncio, random, simloop\n"
        "async def node(number, rest):\n"
        "    kinds.append(type(random._inst) is random.Random)\n"
        "    await asyncio.sleep(rest)\n"
        "    drawn[number] = random.random()\n"
        "async def main(first, second):\n"
        "    world = simloop.current_world()\n"
        "    for number, rest in enumerate((first, second)):\n"
        "        world.add_host(f'h{number}', node, args=(number, rest))\n"
        "    await asyncio.sleep(3)\n"
        "seen = []\n"
        "for rests in ((1, 2), (2, 1)):\n"
        "    kinds, drawn = [], {}\n"
        "    simloop.run(main(*rests))\n"
        "    assert kinds == [False, False], kinds\n"
        "    seen.append([drawn[0], drawn[1]])\n"
        "assert seen[0] == seen[1] and seen[0][0] != seen[0][1], seen\n"
        "assert type(random._inst) is random.Random\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
