"""A run without deviations is the plain run; one with them keeps asyncio's promises."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import socket
import sys
from pathlib import Path

import pytest

import simloop
from simloop._kernel.gate import ChoiceGate
from simloop.exploration.explored_run import run_once
from simloop.exploration.gates import Kinds, RecordingGate
from simloop.world.run_options import RunOptions

from .correct_programs import PROGRAMS
from .threaded_programs import HOSTED, RIGHT

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DELAYS = simloop.Delays(sleeps=2.0)
ALL = Kinds(("ready",))


class Zero:
    """Answers nothing."""

    def answer(self, kind: str, thing: object, options: int) -> int:
        return 0


def library_programs():
    path = Path(__file__).parents[1] / "determinism" / "programs.py"
    spec = importlib.util.spec_from_file_location("programs_of_libraries", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PROGRAMS


LIBRARIES = library_programs()
THREADED = [*RIGHT, *(pytest.param(bug, id=name) for name, (bug, _) in HOSTED.items())]


@pytest.mark.parametrize(
    "main",
    [
        *PROGRAMS,
        *THREADED,
        *[pytest.param(each, marks=pytest.mark.slow) for each in LIBRARIES.values()],
    ],
    ids=lambda main: main.__name__,
)
@pytest.mark.parametrize("is_named", [False, True], ids=["search", "names"])
def test_all_zero_is_the_plain_run(main, is_named) -> None:
    """Every kind asked and answered 0: the same digest, steps and time as ``simulate``."""
    warm_up = simloop.simulate(main)  # A library keeps what it has imported and cached.
    if isinstance(warm_up.error, ModuleNotFoundError):
        pytest.skip(str(warm_up.error))
    plain = simloop.simulate(main)
    limits = {"each_ns": 10**12, "total_ns": 10**12, "sleeps": 2.0}
    gate = (
        RecordingGate(lambda *_: 0, ALL, DELAYS) if is_named else ChoiceGate(Zero(), ALL, **limits)
    )
    ran = run_once(main, gate, RunOptions(), has_digest=True)
    assert plain.error is None
    assert ran.outcome() == plain
    assert gate.position > 0


@pytest.mark.parametrize("main", PROGRAMS, ids=lambda main: main.__name__)
def test_a_correct_program_is_never_accused(main) -> None:
    """Programs that use asyncio as it is documented hold in every schedule of "timing"."""
    found = simloop.explore(main, schedules=60, seed=random.randrange(1000))
    assert not found.failures, f"{found}\n{found.failures[0].schedule}"


async def a_pair_and_a_pipe() -> None:
    """Watch descriptors of files without an address, whose other ends write first."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    reader, writer = os.pipe()
    with near, far:
        for sock in (near, far):
            sock.setblocking(False)
        heard = loop.create_future()
        loop.add_reader(reader, heard.set_result, True)
        receiving = asyncio.create_task(loop.sock_recv(near, 100))
        await asyncio.sleep(0)
        await loop.sock_sendall(far, b"x" * 100)
        os.write(writer, b"y")
        assert await receiving == b"x" * 100
        await heard
        loop.remove_reader(reader)
    for descriptor in (reader, writer):
        os.close(descriptor)


@pytest.mark.parametrize("main", [*PROGRAMS, a_pair_and_a_pipe], ids=lambda main: main.__name__)
def test_names_do_not_depend_on_what_else_is_asked(main) -> None:
    """A search asks some kinds, a replay all of them: what both ask has the same key in both."""
    asked = []
    for kinds in (("hold", "late"), ALL):
        gate = RecordingGate(lambda *_: 0, kinds, DELAYS, keeps_points=True)
        run_once(main, gate, RunOptions())
        asked.append([point.key for point in gate.points if point.key.kind in ("hold", "late")])
    assert asked[0] == asked[1]
    assert asked[0]
