"""A crew of forked processes tells what became of each task, once."""

from __future__ import annotations

import os
import tempfile
from multiprocessing.connection import Connection, Pipe

import pytest

from simloop.sweeps.crew import Broken, Ended, Limits, Told
from simloop.sweeps.fork_crew import ForkCrew, Worker
from simloop.sweeps.work import Part, Runs


@pytest.fixture
def crew():
    crew = ForkCrew(None, 1, Limits())
    crew.stop()  # It puts no process in the place of one that is gone.
    yield crew
    crew.close()


def worker_with(crew: ForkCrew, task: Runs) -> tuple[Worker, Connection]:
    """Return a worker of a crew that has a task, and the worker's end of its pipe."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    ours, theirs = Pipe()
    worker = Worker(pid, ours, crew._free_places.pop(), tempfile.TemporaryFile())  # noqa: SIM115 - the crew closes it
    worker.alone = task.alone
    worker.tasks.append(task)
    crew._workers.append(worker)
    return worker, theirs


def short_of_memory(number: int) -> Part:
    """Return the part of a task whose run of that number took all memory."""
    return Part(number, number, is_short_of_memory=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Of a fork beside other threads.
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("says_goodbye", [True, False])
def test_a_task_ends_once_however_its_worker_goes(crew, alone, says_goodbye) -> None:
    """A worker without memory that is killed, being slow, before it has left: its run is known."""
    task = Runs(7, 8, alone)
    worker, theirs = worker_with(crew, task)
    theirs.send(("part", short_of_memory(7)))
    if says_goodbye:
        theirs.send(("leaves", None))
    theirs.close()
    worker.why_killed = "it went on for more than 1 real seconds"
    events = [*crew.wait(0), *crew.wait(0)]
    told, *ended = events
    assert isinstance(told, Broken if alone else Told)
    assert ended == ([] if alone else [Ended(task)])
    assert not crew._workers
