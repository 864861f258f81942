"""A worker: a process that was forked from the one that sweeps, warm, and takes tasks from a pipe.

Owns: what a fork must undo (Ctrl-C, other workers' pipes, buffered output), its limits, and telling
where it is: the board, a piece of shared memory in which each worker writes the number that it
begins with and when, which is there to be read whatever becomes of the worker.

Must not know: how tasks are made, and what is done with what it tells.

Invariants:

- It never returns: a forked process ends by ``os._exit``, so that nothing of the parent's that runs
  at an exit runs twice.
- It ends with the process that made it, also when that is killed: by the end of the pipe, and on
  Linux by the signal that prctl(2) sends (``PR_SET_PDEATHSIG``), in the middle of a run.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simloop._sandbox.time import real_clock

from .process_memory import limit_growth, resident_bytes
from .work import Refining, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection

    from .work import Task, Work

__all__ = ["INTERRUPTED", "REFINES", "Board", "work_off"]

_PLACE = struct.Struct("=qd")
REFINES = -1
"""What stands for a number on the board of a worker that refines."""
INTERRUPTED = 130
"""The status of a worker whose program has raised KeyboardInterrupt, as a shell has it."""
_STOP_AT = 0
_PLACES_AT = 16
_PR_SET_PDEATHSIG = 1


class Board:
    """Where each worker is, and whether all should stop; shared by all processes.

    Args:
        places: For how many workers there is room.
    """

    def __init__(self, places: int) -> None:
        self._memory = mmap.mmap(-1, _PLACES_AT + places * _PLACE.size)

    def stop(self) -> None:
        """Ask every worker to stop before its next run."""
        self._memory[_STOP_AT] = 1

    def is_stopped(self) -> bool:
        """Return whether workers should stop."""
        return self._memory[_STOP_AT] == 1

    def begin(self, place: int, number: int) -> None:
        """Write down which number a worker begins with, now; 0 for none."""
        at = _PLACES_AT + place * _PLACE.size
        _PLACE.pack_into(self._memory, at, number, real_clock.monotonic())

    def read(self, place: int) -> tuple[int, float]:
        """Return which number a worker is at, and since when, by the monotonic clock."""
        number, since_s = _PLACE.unpack_from(self._memory, _PLACES_AT + place * _PLACE.size)
        return number, since_s


def work_off(
    work: Work,
    tasks: Connection,
    board: Board,
    place: int,
    *,
    others: Iterable[Any],
    crash_file: int,
    memory_bytes: int,
) -> None:
    """Take tasks until there are no more, and end the process.

    Args:
        work: What is worked on.
        tasks: Where tasks come from, and what is told goes to.
        board: Where it tells where it is.
        place: Its place there.
        others: What it has of its siblings', to be closed.
        crash_file: The descriptor of a file where a crash is written down.
        memory_bytes: By how much it may grow.
    """
    status = 1
    try:
        _become_worker(others, crash_file)
        largest = resident_bytes(os.getpid()) + memory_bytes // 4
        limit_growth(memory_bytes)
        work.open()
        _take_tasks(work, tasks, board, place, largest)
        status = 0
    except (EOFError, OSError):
        status = 0  # The one that sweeps is gone, and with it the reason to go on.
    except KeyboardInterrupt:  # The program's: Ctrl-C does not come here.
        status = INTERRUPTED
    except BaseException:  # noqa: BLE001 - there is nothing above that could take it
        with suppress(BaseException):
            sys.excepthook(*sys.exc_info())
    finally:
        with suppress(BaseException):
            _flush()
        os._exit(status)


def _become_worker(others: Iterable[Any], crash_file: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # It is for the one that sweeps to end this.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for each in others:
        each.close()
    faulthandler.enable(crash_file)
    with suppress(Exception):
        import ctypes  # noqa: PLC0415 - nothing else wants it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _take_tasks(work: Work, tasks: Connection, board: Board, place: int, largest: int) -> None:
    known: dict[str, int] = {}

    def begin(number: int) -> bool:
        if board.is_stopped():
            return False
        board.begin(place, number)
        return True

    while True:
        task: Task | None = tasks.recv()
        if task is None:
            return
        if isinstance(task, Refining):
            board.begin(place, REFINES)
            tasks.send(("refined", work.refine(task.detail)))
            continue
        tell = None
        if task.alone:

            def tell(deviation: Any) -> None:
                tasks.send(("told", deviation))

        is_short = False
        for part in parts_of(work, task, known, begin, tell):
            tasks.send(("part", part))
            is_short = is_short or part.is_short_of_memory
        board.begin(place, 0)
        _flush()
        if is_short or resident_bytes(os.getpid()) > largest:
            tasks.send(("leaves", None))  # Its memory goes with it.
            return
        tasks.send(("done", None))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
