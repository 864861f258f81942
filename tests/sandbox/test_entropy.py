"""Randomness inside a run."""

from __future__ import annotations

import importlib
import logging
import os
import random
import secrets
import ssl
import tempfile
import threading
import types
import uuid
from functools import partial
from os import urandom as held_urandom
from pathlib import Path
from random import randint as held_randint
from random import seed as held_seed

import pytest

from simloop._sandbox import current
from simloop._sandbox.entropy import aiohttp_masks as masks
from simloop._sandbox.entropy import openssl_random as tls
from simloop._sandbox.patching import module_state as variables
from simloop._sandbox.patching import registry as patches


class Dice(random.Random):
    """A program's own generator, which nobody seeds."""

    def roll(self):
        return self.randrange(10**9)


def read_random(*, buffering, path="/dev/urandom"):
    """Read the kernel's random file."""
    with Path(path).open("rb", buffering=buffering) as file:
        return file.read(8)


SOURCES = {
    "random": random.random,
    "held randint": lambda: held_randint(0, 10**9),
    "gauss": lambda: random.gauss(0, 1),
    "Random()": lambda: random.Random().random(),
    "seed()": lambda: (held_seed(), random.random()),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "urandom": lambda: held_urandom(8),
    "getrandom": lambda: os.getrandom(8),
    "secrets": lambda: (secrets.token_hex(8), secrets.randbelow(10**9), secrets.choice(range(9))),
    "uuid1": uuid.uuid1,
    "uuid1 of a node": lambda: uuid.uuid1(node=5),
    "uuid4": uuid.uuid4,
    "getnode": uuid.getnode,
    "mktemp": tempfile.mktemp,
    "RAND_bytes": lambda: ssl.RAND_bytes(8),
    "urandom file": lambda: read_random(buffering=-1),
    "random file": lambda: read_random(buffering=0, path="/dev/random"),
    "Random of a subclass": lambda: Dice().roll(),
}
for _name in ("uuid6", "uuid7", "uuid8"):  # From Python 3.14 on.
    if hasattr(uuid, _name):
        SOURCES[_name] = getattr(uuid, _name)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_a_source_follows_the_seed(source, make):
    """The same seed draws the same, another one something else, and nothing repeats in a run."""
    drawn = []
    for seed in (1, 1, 2):
        with make(seed):
            drawn.append([source(), source()])
    assert drawn[0] == drawn[1] != drawn[2]
    if source is not SOURCES["getnode"]:
        assert drawn[0][0] != drawn[0][1]
    assert source() not in drawn[0]


def test_the_callers_state_is_back(make):
    """After a run ``random`` goes on for the caller as if nothing had been."""
    random.seed(5)
    random.gauss(0, 1)
    state = random.getstate()
    with make():
        random.seed(6)
        random.gauss(0, 1)
    assert random.getstate() == state


def test_a_world_continues(make):
    """Two runs of one world draw what one longer run draws."""
    one, two = make(3), make(3)
    with one:
        whole = [random.random(), random.gauss(0, 1), random.gauss(0, 1), uuid.uuid4()]
    with two:
        halves = [random.random(), random.gauss(0, 1)]
    random.random()
    with two:
        halves += [random.gauss(0, 1), uuid.uuid4()]
    assert halves == whole


def test_a_seed_of_the_program_means_what_it_means_outside(make):
    """A program that seeds ``random`` itself gets the real sequence, whatever else it draws."""
    random.seed("mine")
    outside = [random.random(), random.Random(7).random(), random.getrandbits(70)]
    with make():
        random.seed("mine")
        inside = [random.random()]
        os.urandom(4), uuid.uuid1(), random.Random()
        inside += [random.Random(7).random(), random.getrandbits(70)]
    assert inside == outside


def test_urandom_refuses_what_the_real_one_refuses(make):
    """A negative size is an error in a run as outside."""
    with make(), pytest.raises(ValueError, match="negative argument not allowed"):
        os.urandom(-1)


def test_uuid1_reads_the_clock(make, clock):
    """The time in a ``uuid1`` is the run's; two at one instant still differ."""
    clock.now_ns = 10**9
    with make():
        first, second = uuid.uuid1(), uuid.uuid1()
        node = uuid.getnode()
    since_1582 = 0x01B21DD213814000
    assert first.time == (1_704_067_200 + 1) * 10**7 + since_1582
    assert second.time == first.time + 1
    assert (first.version, first.variant, first.node) == (1, uuid.RFC_4122, node)
    assert first.clock_seq == second.clock_seq


def test_the_library_s_variables_are_back(make):
    """What ``uuid`` and ``tempfile`` remember of the process is not the world's."""
    uuid.getnode()
    tempfile.mktemp()  # noqa: S306
    before = (uuid._node, uuid._last_timestamp, tempfile._name_sequence)
    with make():
        uuid.uuid1(node=1)
        uuid.getnode()
        tempfile.mktemp()  # noqa: S306
    assert (uuid._node, uuid._last_timestamp, tempfile._name_sequence) == before


def test_tls_is_drawn_from_the_seed(make, tmp_path):
    """Two handshakes of one seed send the same bytes, those of another seed do not."""
    hello = []
    for seed in (1, 1, 2):
        with make(seed):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(incoming, outgoing, server_hostname="db.internal")
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            hello.append(outgoing.read())
    assert hello[0] == hello[1] != hello[2]
    assert ssl.RAND_bytes(8) != ssl.RAND_bytes(8)


def test_an_unknown_openssl_leaves_handshakes_random(make, monkeypatch):
    """Where OpenSSL's method is out of reach, what Python draws from it still follows."""
    monkeypatch.setattr(patches, "_redirects", [*patches._redirects])
    monkeypatch.setattr(patches, "_by_target", {**patches._by_target})
    monkeypatch.setattr(patches, "_patches", [p for p in patches._patches if "tls" not in repr(p)])
    monkeypatch.setattr(patches, "_memory_patch", patches._memory_patch)
    monkeypatch.setattr(patches, "_counted", patches._counted)
    tls._register(types.SimpleNamespace(__file__="/nowhere.so", RAND_bytes=ssl.RAND_bytes))
    drawn = []
    for seed in (1, 1, 2):
        with make(seed):
            drawn.append(ssl.RAND_bytes(8))
    assert drawn[0] == drawn[1] != drawn[2]
    assert ssl.RAND_bytes(8) not in drawn


@pytest.fixture(params=["in memory", "as numpy tells it"])
def numpy(request, make, monkeypatch):
    """numpy, whose shared state is kept in this way."""
    module = pytest.importorskip("numpy")
    importlib.import_module("numpy.random")
    with make():
        (keeper,) = (each for each in variables._keepers if each.key == "numpy.random")
        keeper.get()
    assert keeper._views, "the state was not found in memory"
    if request.param != "in memory":
        monkeypatch.setattr(keeper, "_views", ())
        monkeypatch.setattr(keeper, "_gauss_at", None)
    return module


def shared_state(numpy):
    """Tell all of the state behind numpy's module functions, in a way that compares."""
    return repr(numpy.random.get_state(legacy=False).items()), numpy.random.mtrand._rand


def test_numpy_follows(make, numpy):
    """The generators of numpy follow, shared and unseeded ones; the caller's state is back."""
    numpy.random.seed(3)
    numpy.random.standard_normal()
    before = shared_state(numpy)
    drawn = []
    for seed in (1, 1, 2):
        with make(seed):
            drawn.append(
                (
                    numpy.random.rand(),
                    numpy.random.standard_normal(),
                    numpy.random.default_rng().random(),
                    numpy.random.RandomState().rand(),
                    numpy.random.Generator(numpy.random.MT19937()).random(),
                    numpy.random.SeedSequence().entropy,
                )
            )
    assert drawn[0] == drawn[1]
    assert all(one != other for one, other in zip(drawn[0], drawn[2], strict=True))
    assert shared_state(numpy) == before


def test_numpy_goes_on_in_a_world_s_next_run(make, numpy):
    """A world's second run draws what the first would have drawn next, halves of pairs too."""
    once, twice, drawn = make(1), make(1), []
    with once:
        drawn.extend(numpy.random.standard_normal() for _ in range(6))
    for _ in range(2):
        with twice:
            for _ in range(3):
                assert numpy.random.standard_normal() == drawn.pop(0)


def test_a_bit_generator_of_the_program_s_is_the_world_s(make, numpy):
    """What a program puts behind numpy's module functions is there in its world's runs only."""
    numpy.random.seed(3)
    before = shared_state(numpy)
    world, other = make(1), make(2)
    own = numpy.random.PCG64(5)
    with world:
        numpy.random.set_bit_generator(own)
        first = numpy.random.rand()
    assert shared_state(numpy) == before
    with other:
        assert numpy.random.get_bit_generator() is not own
    with world:
        assert numpy.random.get_bit_generator() is own
        second = numpy.random.rand()
    expected = numpy.random.RandomState(numpy.random.PCG64(5))
    assert [first, second] == [expected.rand(), expected.rand()]
    assert shared_state(numpy) == before


def test_a_bit_generator_of_the_process_s_is_seeded_for_a_world(make, numpy):
    """A world begins with the process's kind of bit generator, in a state of its own seed."""
    own = numpy.random.get_bit_generator()
    numpy.random.set_bit_generator(numpy.random.PCG64(5))
    try:
        before, drawn = shared_state(numpy), []
        for seed in (1, 1, 2):
            with make(seed):
                drawn.append(numpy.random.rand())
        assert drawn[0] == drawn[1] != drawn[2]
        assert shared_state(numpy) == before
    finally:
        numpy.random.set_bit_generator(own)


def test_the_generator_of_masks_is_the_world_s_in_runs(make):
    """A generator that a library holds draws for the run that asks, and for others as before."""
    held = random.Random(3)

    class Writer:
        def __init__(self, generator=held):
            self.draws = (partial(generator.getrandbits, 32), generator.random)

        def draw(self):
            return [draw() for draw in self.draws]

    masks._lend(types.SimpleNamespace(WebSocketWriter=Writer))
    plain, outside = Writer.__new__(Writer), []
    plain.__init__(random.Random(3))
    drawn = []
    for seed in (1, 1, 2):
        with make(seed):
            drawn.append((Writer().draw(), Writer().draw()))
            thread = threading.Thread(target=lambda: outside.append(Writer().draw()))
            thread.start()
            thread.join()
    assert drawn[0] == drawn[1] != drawn[2]
    again = make(1)
    for number in range(2):  # A world goes on in its next run.
        with again:
            assert Writer().draw() == drawn[0][number]
    outside.append(Writer().draw())
    assert outside == [plain.draw() for _ in range(4)]


def test_runs_of_two_threads_may_end_in_any_order(make, new_clock):
    """The process has its own state again when the last of two runs has left, in either order."""
    uuid.getnode()
    for first_leaves_first in (True, False):
        random.seed(5)
        before = (random.getstate(), uuid._node, tempfile._name_sequence, logging._startTime)
        entered, left = threading.Event(), threading.Event()
        other = make(2, clock=new_clock())

        def run_beside(other=other, entered=entered, left=left, wait=first_leaves_first):
            with other:
                uuid.getnode(), random.random()
                entered.set()
                if wait:
                    left.wait()

        thread = threading.Thread(target=run_beside)
        with make(1):
            random.random()
            with current().outside():
                thread.start()
                entered.wait()
                if not first_leaves_first:
                    thread.join()
        left.set()
        thread.join()
        after = (random.getstate(), uuid._node, tempfile._name_sequence, logging._startTime)
        assert after == before
