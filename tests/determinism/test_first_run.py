"""The first run of a process is like a later one: what a process does once is no part of a run."""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import os
import random
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from multiprocessing import synchronize

import pytest

import simloop

GREEDY = """
import os, random, secrets, socket, tempfile, time, uuid
import greedy_part
DRAWN = (
    random.random(), random.gauss(0, 1), os.urandom(4), secrets.token_hex(4), uuid.uuid4().hex,
    uuid.uuid1().hex, tempfile.mktemp(), random.Random().random(), time.time(), time.monotonic(),
)
random.seed(5)
time.sleep(100)
SLEPT = time.monotonic()
with socket.socket() as tried:
    tried.bind(("127.0.0.1", 0))
    PORT = tried.getsockname()[1]
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Return a function that forgets modules written for the test, as a new process has them."""
    (tmp_path / "greedy.py").write_text(GREEDY)
    (tmp_path / "greedy_part.py").write_text("import random\nDRAWN = random.random()\n")
    (tmp_path / "broken.py").write_text("import random\nrandom.random()\n1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)

    def fresh():
        for name in ("greedy", "greedy_part", "broken"):
            sys.modules.pop(name, None)

    yield fresh
    fresh()


async def draw():
    """Return what is drawn, and asked for, of all that an import may move."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        named = bound.fileno(), bound.getsockname()
    thread = threading.Thread(target=int)
    return (
        *(random.random(), random.gauss(0, 1), os.urandom(4), uuid.uuid4(), uuid.uuid1()),
        *(tempfile.mktemp(), time.time(), named, thread.name),  # noqa: S306
    )


async def load_and_draw(name="greedy"):
    await asyncio.sleep(1)
    before = random.gauss(0, 1)
    try:
        module = importlib.import_module(name)
    except ZeroDivisionError:
        module = None
    drawn = None if module is None else (module.DRAWN, module.SLEPT, module.PORT)
    return before, await draw(), drawn


@pytest.mark.parametrize("name", ["greedy", "broken"])
def test_an_import_moves_nothing_of_the_run(fresh, name):
    """A run that imports is like a run that finds the module loaded, and like one without."""

    async def without():
        await asyncio.sleep(1)
        return random.gauss(0, 1), await draw()

    fresh()
    first = simloop.simulate(lambda: load_and_draw(name), seed=3)
    second = simloop.simulate(lambda: load_and_draw(name), seed=3)
    assert first.error is second.error is None
    assert (first.value, first.digest) == (second.value, second.digest)
    assert first.value[:2] == simloop.run(without(), seed=3)


def test_what_a_module_draws_follows_its_name(fresh):
    """What a module draws at its import is the same in every process, for every seed."""
    drawn = []
    for seed in (3, 4):
        fresh()
        drawn.append(simloop.run(load_and_draw(), seed=seed)[2])
    fresh()
    importlib.import_module("greedy_part")  # By itself, before the other one imports it.
    drawn.append(simloop.run(load_and_draw(), seed=3)[2])
    assert drawn[0] == drawn[1] == drawn[2]
    assert drawn[0][1] == 100.0


def test_imports_in_threads_move_nothing(fresh):
    """A job of the executor and a thread of the program may import as well."""

    async def main():
        loaded = []
        thread = threading.Thread(target=lambda: loaded.append(importlib.import_module("greedy")))
        thread.start()
        await asyncio.to_thread(importlib.import_module, "greedy_part")
        thread.join()
        return await draw(), loaded[0].DRAWN

    fresh()
    assert simloop.run(main()) == simloop.run(main())


def test_an_import_inside_of_an_import_that_runs_a_world(fresh, tmp_path):
    """A module may run a world while it is imported, in a run."""
    (tmp_path / "greedy_part.py").write_text(
        "import random, simloop\n"
        "async def main():\n    return random.random()\n"
        "DRAWN = simloop.run(main(), seed=9)\n"
    )

    async def alone():
        return random.random()

    async def main():
        part = await asyncio.to_thread(importlib.import_module, "greedy_part")
        return part.DRAWN, await draw()

    fresh()
    first = simloop.run(main(), seed=2)
    assert simloop.run(main(), seed=2) == first
    assert first[0] == simloop.run(alone(), seed=9)


def test_the_traceback_of_an_import_shows_none_of_it(fresh):
    """A traceback of a module that fails leads from the import to the line that failed."""

    async def main():
        try:
            import broken  # noqa: F401
        except ZeroDivisionError as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        try:
            import missing_module  # noqa: F401
        except ImportError as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    fresh()
    assert simloop.run(main()) == ["main", "<module>"]


def test_tempfile_looks_for_its_folder_apart(monkeypatch, tmp_path):
    """Names that ``tempfile`` gives are the same, whether it had looked for its folder or not."""

    async def main():
        return tempfile.mktemp(), random.random(), os.urandom(4)  # noqa: S306

    known = tempfile.tempdir
    monkeypatch.setattr(tempfile, "tempdir", None)
    first = simloop.run(main())
    assert tempfile.tempdir is None
    assert simloop.run(main()) == first
    monkeypatch.setattr(tempfile, "tempdir", known)
    assert simloop.run(main())[1:] == first[1:]

    async def elsewhere():
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        tempfile.tempdir = None
        return tempfile.gettempdir()

    assert simloop.run(elsewhere()) == str(tmp_path)
    assert tempfile.tempdir == known


def test_names_that_classes_keep_are_the_world_s():
    """Locks of ``multiprocessing`` are named from the seed, in the first run and later ones."""

    async def main():
        return [synchronize.SemLock._make_name() for _ in range(2)]

    first = simloop.run(main())
    assert simloop.run(main()) == first
    assert simloop.run(main(), seed=1) != first


def test_the_key_of_a_process_is_the_same_in_each(monkeypatch):
    """What ``multiprocessing`` draws in an import that came before the run is not the process's."""

    async def main():
        process = multiprocessing.current_process()
        return bytes(process.authkey), multiprocessing.Process().name

    found = simloop.run(main())
    monkeypatch.setattr(multiprocessing.current_process(), "authkey", b"another process's")
    assert simloop.run(main(), seed=1) == found
    assert found[1] == "Process-1"
    assert multiprocessing.current_process().authkey == b"another process's"


PROGRAM = """
import sys, simloop

async def main():
    import multiprocessing, random, tempfile, uuid, decimal, email.message, sqlite3
    import multiprocessing.synchronize
    return (
        tempfile.mktemp(dir="/x"), random.random(), uuid.uuid4(),
        bytes(multiprocessing.current_process().authkey), "ß".encode("idna"),
    )

async def fail():
    import random, numpy, secrets, http.client
    random.random()
    raise LookupError

for word in sys.argv[1:]:
    if word == "fail":
        simloop.simulate(fail, seed=7)
    else:
        outcome = simloop.simulate(main, seed=int(word))
        assert outcome.error is None, outcome.error
print(outcome.digest, outcome.value)
"""


@pytest.mark.slow
def test_first_later_and_after_a_failed_one(processes):
    """The run of one seed is the same first, later, after another seed's, after a failed one."""
    orders = [("3",), ("3", "3"), ("4", "3"), ("fail", "3"), ("fail", "4", "4", "3")]
    told = [processes("-c", PROGRAM, *words, hash_seeds=(1, 2)) for words in orders]
    assert len({text for pair in told for text in pair}) == 1
