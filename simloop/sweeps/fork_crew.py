"""A crew of forked processes on this machine.

Owns: the processes: making them, replacing those that die, hang, or have grown, and saying what
became of a process in words that name the signal.

Must not know: which numbers are run, and what for.

Invariants:

- A worker has at most two tasks: the one that it does, and one that it goes on with at once.
- A run that a worker died of is done by a process of its own, which does nothing else.
- Every process that was forked is waited for.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import warnings
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import IO, TYPE_CHECKING, Any

from simloop._sandbox.time import real_clock
from simloop.errors import UnsupportedError

from .crew import Broken, Ended, Event, Limits, Refined, Returned, Told
from .forked_worker import INTERRUPTED, REFINES, Board, work_off
from .process_memory import resident_bytes
from .work import Refining, Runs

if TYPE_CHECKING:
    from .work import Task, Work

__all__ = ["ForkCrew"]

_TASKS = 2
_LOOK_S = 0.1
_ALONE_PLACES = 4
_FRAME = re.compile(r'File "(.*?)", line (\d+) in (.*)')
_REFINING_RUNS = 10
"""How many times as long as a run refining may take, which is hundreds of runs."""


class Worker:
    """One forked process, seen from the one that made it."""

    def __init__(self, pid: int, tasks: Connection, place: int, crash_file: IO[bytes]) -> None:
        self.pid = pid
        self.pipe = tasks
        self.place = place
        self.crash_file = crash_file
        self.tasks: deque[Task] = deque()
        self.told: list[Any] = []
        self.alone = False
        self.why_killed = ""
        """Why this crew killed it; "" if it did not."""
        self.is_told = False
        """Whether it has told all of its task, whatever becomes of it now."""

    def read_crash(self) -> str:
        """Return where the process was when it crashed, as far as that is known."""
        self.crash_file.seek(0)
        text = self.crash_file.read().decode(errors="replace")
        self.crash_file.close()
        # As Python/traceback.c writes it, innermost frame first: File "service.py", line 7 in main.
        frame = _FRAME.search(text, max(0, text.find("Current thread")))
        return "" if frame is None else "{}:{} in {}".format(*frame.groups())


class ForkCrew:
    """Processes that were forked from this one.

    Args:
        work: What they work on; each has the copy that the fork gives it.
        size: How many.
        limits: What each may take.

    Raises:
        UnsupportedError: This system has no fork.
    """

    def __init__(self, work: Work, size: int, limits: Limits) -> None:
        if not hasattr(os, "fork"):
            raise UnsupportedError(
                f"jobs={size}: {sys.platform} has no fork(); give executor=ProcessPoolExecutor(),"
                " whose processes import the program anew"
            )
        self.size = size
        self._work = work
        self._limits = limits
        self._board = Board(size + _ALONE_PLACES)
        self._free_places = list(range(size + _ALONE_PLACES))
        self._workers: list[Worker] = []
        self._waiting: deque[Runs] = deque()  # To be run alone.
        self._is_stopped = False
        self._is_interrupted = False
        self._looked_s = 0.0

    def start(self) -> None:
        """Fork the workers."""
        self._looked_s = real_clock.monotonic()
        for _ in range(self.size):
            self._fork()

    def has_room(self) -> bool:
        """Return whether a worker has less than it can take."""
        return any(len(each.tasks) < _TASKS for each in self._workers if not each.alone)

    def give(self, task: Task) -> None:
        """Give a task to the worker that has least to do."""
        if isinstance(task, Runs) and task.alone:
            self._waiting.append(task)
            self._give_alone()
            return
        shared = [each for each in self._workers if not each.alone]
        self._send(min(shared, key=lambda each: len(each.tasks)), task)

    def _give_alone(self) -> None:
        while self._waiting and self._free_places and not self._is_stopped:
            worker = self._fork()
            worker.alone = True
            self._send(worker, self._waiting.popleft())

    def _send(self, worker: Worker, task: Task) -> None:
        worker.tasks.append(task)
        with suppress(OSError):  # It has died, which its end of the pipe will say.
            worker.pipe.send(task)

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what workers told, and what became of those that are gone.

        Raises:
            KeyboardInterrupt: A program has raised it, which ends a sweep as Ctrl-C does.
        """
        if self._is_interrupted:
            self._is_interrupted = False
            raise KeyboardInterrupt
        events: list[Event] = []
        pipes = {each.pipe: each for each in self._workers}
        for pipe in wait(list(pipes), min(timeout_s, _LOOK_S)):
            worker = pipes[pipe]  # type: ignore[index]  # only these were waited for
            try:
                while worker.pipe.poll():
                    if not self._hear(worker, events):
                        break
            except (EOFError, OSError):
                self._bury(worker, events)
        if real_clock.monotonic() - self._looked_s >= _LOOK_S:
            self._looked_s = real_clock.monotonic()
            self._look_after()
        return events

    def stop(self) -> None:
        """Have workers stop before their next run."""
        self._is_stopped = True
        self._waiting.clear()
        self._board.stop()

    def close(self) -> None:
        """Kill all workers and wait for them."""
        for worker in self._workers:
            with suppress(OSError):
                os.kill(worker.pid, signal.SIGKILL)
        for worker in self._workers:
            worker.pipe.close()
            worker.crash_file.close()
            _reap(worker.pid)
        self._workers.clear()

    # Processes --------------------------------------------------------------------------------

    def _fork(self) -> Worker:
        place = self._free_places.pop(0)
        ours, theirs = Pipe()
        crash_file = tempfile.TemporaryFile(prefix="simloop-crash-")  # noqa: SIM115 - read when it is dead
        others = [each.pipe for each in self._workers]
        for stream in (sys.stdout, sys.stderr):  # Or what is buffered would be written twice.
            if stream is not None:
                stream.flush()
        with warnings.catch_warnings():
            # From 3.12 on, if there are other threads: a lock that one of them holds would stay
            # locked. The worker takes none of theirs, and is killed where the program does.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            ours.close()
            work_off(
                self._work,
                theirs,
                self._board,
                place,
                others=others,
                crash_file=crash_file.fileno(),
                memory_bytes=self._limits.memory_bytes,
            )
        theirs.close()
        worker = Worker(pid, ours, place, crash_file)
        self._board.begin(place, 0)
        self._workers.append(worker)
        return worker

    def _hear(self, worker: Worker, events: list[Event]) -> bool:
        """Take one message; false if the worker is gone after it."""
        kind, value = worker.pipe.recv()
        if kind == "leaves":
            _end(worker, events)
            self._replace(worker, events)
            return False
        if kind == "part":
            task = worker.tasks[0]
            assert isinstance(task, Runs)
            if value.is_short_of_memory and worker.alone:
                events.append(Broken(task, task.first, self._too_much(), tuple(worker.told)))
            else:
                events.append(Told(task, value))
            worker.is_told = value.is_short_of_memory  # Its last words, but for that it leaves.
        elif kind == "told":
            worker.told.append(value)
        else:
            task = worker.tasks.popleft()
            if isinstance(task, Refining):
                events.append(Refined(task.failure, value))
            events.append(Ended(task))
            if worker.alone:
                self._remove(worker)
                return False
        return True

    def _bury(self, worker: Worker, events: list[Event]) -> None:
        """Say what became of a worker that is gone, and put another one in its place."""
        number, _ = self._board.read(worker.place)
        status = _reap(worker.pid)
        how = worker.why_killed or _told(status)
        crash = worker.read_crash()
        if crash:
            how += f", in {crash}"
        if worker.is_told:
            _end(worker, events)
        elif os.WIFEXITED(status) and os.WEXITSTATUS(status) == INTERRUPTED:
            events.append(Ended(worker.tasks.popleft()))
            self._is_interrupted = True
        elif worker.tasks:
            task = worker.tasks.popleft()
            known = number if isinstance(task, Runs) and number > 0 else None
            events.append(Broken(task, known, how, tuple(worker.told)))
        self._replace(worker, events)

    def _replace(self, worker: Worker, events: list[Event]) -> None:
        events += [Returned(task) for task in worker.tasks]
        self._remove(worker)
        if not worker.alone and not self._is_stopped:
            self._fork()
        self._give_alone()

    def _remove(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.crash_file.close()
        _reap(worker.pid)
        self._free_places.append(worker.place)
        if worker.alone:
            self._give_alone()

    def _look_after(self) -> None:
        """Kill workers that hang, or have grown past what their own limit can see."""
        now_s = real_clock.monotonic()
        for worker in self._workers:
            if worker.why_killed:
                os.kill(worker.pid, signal.SIGKILL)  # It did not die of being told to.
                continue
            if not worker.tasks:
                continue
            number, since_s = self._board.read(worker.place)
            limit_s = self._limits.run_s
            if limit_s is not None and number:
                if number == REFINES:
                    limit_s *= _REFINING_RUNS
                if now_s - since_s > limit_s:
                    worker.why_killed = f"it went on for more than {limit_s:g} real seconds"
                    # Its handler of crashes writes down where it is, and then it dies of it.
                    os.kill(worker.pid, signal.SIGABRT)
            if resident_bytes(worker.pid) > resident_bytes(os.getpid()) + self._most():
                worker.why_killed = self._too_much()
                os.kill(worker.pid, signal.SIGKILL)

    def _most(self) -> int:
        """Return by how much a worker may be larger than this process: its limit, and a half."""
        return self._limits.memory_bytes * 3 // 2

    def _too_much(self) -> str:
        return f"it took more than {self._limits.memory_bytes >> 20} MiB of memory"


def _end(worker: Worker, events: list[Event]) -> None:
    """Take from a worker the task that it has told all of; a broken one has ended already."""
    task = worker.tasks.popleft()
    if not (worker.alone and worker.is_told):
        events.append(Ended(task))


def _reap(pid: int) -> int:
    """Wait for the end of a process that is dead or dying; return its status."""
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return 0  # It was waited for already.


def _told(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return f"its process died of {name}"
    return f"its process ended with status {os.WEXITSTATUS(status)}"
