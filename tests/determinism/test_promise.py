"""One seed is one run: small programs of all that simloop has, each run in two processes.

The processes have other hash seeds and other memory; in the one the program is the first run, in
the other a later one, after other programs, failed ones, and settings of the collector. Digest and
output are the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simloop

WORKER = Path(__file__).with_name("promise_worker.py")
ROOT = str(Path(simloop.__file__).parents[1])

CHOICES = {
    "sleep": (0, 1, 5, 5, 40, 3_600_000),
    "draw": (
        *("random", "gauss", "shuffle", "own", "urandom", "token"),
        *("uuid1", "uuid4", "temporary"),
    ),
    "tell": ("time", "monotonic", "date", "machine", "stat", "thread", "tasks"),
    "log": ("hello", "good bye"),
    "load": (
        *("multiprocessing", "colorsys", "plistlib", "email.mime.text", "sqlite3", "numpy"),
        *("http.client", "urllib3", "mailbox", "not_there"),
    ),
    "collect": ("collect", "disable", "enable", "freeze", "unfreeze", "state"),
    "knot": (0, 1, 5, 12_000),
    "wait": (1, 7, 40),
    "futures": (3, 20),
    "group": (2, 30),
    "objects": ("lock", "event", "queue", "thread", "thread lock"),
    "tuples": (1, None),
    "thread": (0, 3),
    "serve": (0, 10, 5_000),
    "pipe": ("", "text"),
    "start": (["a"], ["b", "c"]),
    "fail": (0,),
}
DEEDS = [(deed, argument) for deed, arguments in CHOICES.items() for argument in arguments]
programs = st.lists(st.lists(st.sampled_from(DEEDS), max_size=5), min_size=1, max_size=4)
befores = st.lists(st.tuples(programs, st.integers(0, 3)), max_size=2)


class Worker:
    """A long-lived process, which runs each program in a copy of itself."""

    def __init__(self, hash_seed, in_the_way, folder):
        folder.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), str(in_the_way)],
            env={
                **os.environ,
                "PYTHONHASHSEED": str(hash_seed),
                "PYTHONPATH": ROOT,
                "TMPDIR": str(folder),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, program, seed, **job):
        """Begin to run a program, after what is to be run before it."""
        self.process.stdin.write(
            json.dumps({"program": program, "seed": seed, "before": [], **job}) + "\n"
        )
        self.process.stdin.flush()

    def told(self):
        """Return what came of it."""
        told = json.loads(self.process.stdout.readline())
        assert told is not None, "the program brought its process down"
        return dict(zip(("digest", "steps", "time_ns", "value", "output"), told, strict=True))

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    pair = Worker(1, 0, folder / "one"), Worker(7, 9_001, folder / "other")
    yield pair
    for worker in pair:
        worker.end()


def compare(workers, program, seed, **job):
    """Run a program first in a process, and later in another one."""
    first, other = workers
    first.run(program, seed)
    other.run(program, seed, **job)
    told = first.told()
    assert other.told() == told
    return told


unhurried = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.slow
@settings(max_examples=25, **unhurried)
@given(
    program=programs,
    seed=st.integers(0, 5),
    before=befores,
    collector=st.sampled_from([{}, {"collector": "freeze"}, {"collector": "disable"}]),
)
def test_one_seed_is_one_run(workers, program, seed, before, collector):
    """The digest, the output and the result are the same in every process and every order."""
    compare(workers, program, seed, before=before, **collector)


@pytest.mark.slow
@pytest.mark.parametrize("deed", sorted(CHOICES))
def test_each_deed_alone_is_the_same(workers, deed):
    """Each kind of deed, all that it can be given, by itself and after a run that failed."""
    deeds = [each for each in DEEDS if each[0] == deed]
    if not deeds:
        pytest.skip(f"left out: {deed}")
    failed = [[("draw", "uuid4"), ("load", "numpy"), ("fail", 0)], [("sleep", 1)]]
    told = compare(workers, [deeds], 3, before=[(failed, 3)])
    assert told["value"] is not None, told["output"]


@pytest.mark.slow
def test_another_seed_is_another_run(workers):
    """What is compared tells runs apart."""
    first, other = workers
    for deed in (("draw", "random"), ("draw", "uuid4"), ("serve", 10), ("start", ["a"])):
        first.run([[deed]], 1)
        other.run([[deed]], 2)
        assert first.told() != other.told()
