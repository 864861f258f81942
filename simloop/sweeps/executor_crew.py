"""A crew of the processes of an executor, on this machine or on many.

Owns: sending tasks to any ``concurrent.futures.Executor``, and telling a worker that died from an
executor that is of no use any more.

Must not know: which executor it is, but for how many workers it has.

Invariants:

- Before the first task one worker has loaded the program, and its versions are the same as here.
- A run that a worker may have died of is sent when nothing else is in work: a scheduler that sees a
  worker die may blame all that it had. It is sent twice before it is named: a worker that has been
  started anew may go by itself.
- An executor is the user's: it is neither shut down here nor replaced.
- A sweep ends when its workers are gone for good: a cluster may lose all, and never say so.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from itertools import count
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import message_of
from simloop._sandbox.time import real_clock
from simloop.errors import UnsupportedError, UsageError

from .crew import Broken, CrewError, Ended, Limits, Refined, Returned, Told
from .executor_worker import Answer, do, greet
from .work import Refining, Runs

if TYPE_CHECKING:
    from .crew import Event
    from .work import Task

__all__ = ["ExecutorCrew", "check_executor"]

_numbers = count(1)

_LOOK_S = 5.0
"""How often it is asked for workers while nothing comes back, in real seconds."""

_PATIENCE_S = 90.0
"""How long a cluster may have no worker: one that died is started anew in some seconds."""


def check_executor(executor: Any) -> None:
    """Refuse what is no executor, and one whose workers are threads.

    Raises:
        UsageError: It is none.
        UnsupportedError: Its workers are threads of this process.
    """
    if not isinstance(executor, Executor):
        hint = "; Dask's is client.get_executor()" if hasattr(executor, "get_executor") else ""
        raise UsageError(
            f"executor={executor!r}; it takes a concurrent.futures.Executor, such as"
            f" ProcessPoolExecutor(){hint}"
        )
    if isinstance(executor, ThreadPoolExecutor):  # InterpreterPoolExecutor is one, too.
        raise UnsupportedError(
            f"executor={type(executor).__name__}: its workers are threads or interpreters of one"
            " process, and a run takes clock, files and signals of its process over; use jobs=N, or"
            " an executor with processes"
        )


class ExecutorCrew:
    """The processes of an executor.

    Args:
        executor: The executor.
        packed: The work, as it travels.
        limits: What each run may take; memory is the executor's own affair.
    """

    def __init__(self, executor: Executor, packed: bytes, limits: Limits) -> None:
        self.size: int = workers_of(executor)
        self._executor = executor
        self._packed = packed
        self._limit_s = limits.run_s or 0.0
        self._key = f"{os.getpid()}-{next(_numbers)}"
        self._tasks: dict[Future[Answer], Task] = {}
        self._alone: deque[Runs] = deque()
        self._tried: dict[Runs, None] = {}  # Of these, those that have broken once.
        self._looked_s = self._seen_s = real_clock.monotonic()  # For workers, and the last one.

    def start(self) -> None:
        """Have one worker load the program, and compare versions.

        Raises:
            UsageError: It can't, or they differ, or the executor is shut down.
        """
        try:
            pid, differs = self._executor.submit(greet, self._packed, sys.path).result()
        except Exception as error:  # noqa: BLE001 - whatever executors and modules raise
            raise UsageError(
                f"the executor's workers can't run this: {message_of(error)}; they need simloop and"
                " the program's modules, and the executor has to be up"
            ) from None
        if differs:
            raise _differs(differs)
        if pid == os.getpid():
            raise UnsupportedError(
                "the executor runs its work in this process; use jobs=N, or an executor with"
                " processes"
            )

    def has_room(self) -> bool:
        """Return whether there are fewer than two tasks for each worker."""
        if self._alone or any(isinstance(it, Runs) and it.alone for it in self._tasks.values()):
            return False
        return len(self._tasks) < 2 * self.size

    def give(self, task: Task) -> None:
        """Send a task."""
        if isinstance(task, Runs) and task.alone:
            self._alone.append(task)
        else:
            self._send(task)

    def _send(self, task: Task) -> None:
        sent = self._key, self._packed, sys.path, task, os.getpid(), self._limit_s
        try:
            future = self._executor.submit(do, *sent)
        except RuntimeError as error:
            raise self._of_no_use(error) from error
        self._tasks[future] = task

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what came back."""
        events: list[Event] = []
        if self._alone and not self._tasks:
            self._send(self._alone.popleft())
        done = wait(self._tasks, timeout_s, FIRST_COMPLETED).done
        if not done:
            self._look_for_workers()
        for future in done:
            task = self._tasks.pop(future)
            try:
                answer = future.result()
            except (BrokenExecutor, RuntimeError) as error:
                self._tasks[future] = task  # So that the message names it.
                raise self._of_no_use(error) from error
            except CancelledError:
                events.append(Returned(task))
            except Exception as error:  # noqa: BLE001 - whatever tells of a worker that is gone
                if isinstance(task, Runs) and task.alone and task not in self._tried:
                    self._tried[task] = None
                    self._alone.appendleft(task)
                    continue
                events.append(Broken(task, None, f"its worker is gone: {message_of(error)}"))
            else:
                events += self._told(task, answer)
        return events

    def _look_for_workers(self) -> None:
        """Ask a cluster now and then whether it has any worker.

        Raises:
            CrewError: It has had none for long.
        """
        client, now_s = _client_of(self._executor), real_clock.monotonic()
        if client is None or now_s - self._looked_s < _LOOK_S:
            return
        if now_s - self._looked_s > _PATIENCE_S or _has_workers(client):
            self._seen_s = now_s  # Nobody looked for long: what was then says nothing of now.
        self._looked_s = now_s
        if now_s - self._seen_s >= _PATIENCE_S:
            raise self._of_no_use(TimeoutError(f"it has had no worker for {_PATIENCE_S:.0f} s"))

    def _told(self, task: Task, answer: Answer) -> list[Event]:
        if answer.differs:
            raise _differs(answer.differs)
        if isinstance(task, Refining):
            return [Refined(task.failure, answer.refined), Ended(task)]
        events: list[Event] = []
        for part in answer.parts:
            if task.alone and part.is_short_of_memory:
                return [Broken(task, task.first, "it took all memory that its worker has")]
            events.append(Told(task, part))
        return [*events, Ended(task)]

    def _of_no_use(self, error: BaseException) -> CrewError:
        ranges = [each for each in self._tasks.values() if isinstance(each, Runs)]
        told = ", ".join(f"{each.first} to {each.end - 1}" for each in ranges)
        return CrewError(
            f"the executor is of no use any more ({message_of(error)}), with the runs {told or '-'}"
            " in work; what was done before is kept (jobs=N survives a run that breaks its process,"
            " and names it)"
        )

    def stop(self) -> None:
        """Take back what was not begun."""
        self._alone.clear()
        for future in self._tasks:
            future.cancel()

    def close(self) -> None:
        """Forget what is still in work."""
        for future in self._tasks:
            future.cancel()
        self._tasks.clear()


def _client_of(executor: Any) -> Any:
    """Return the client of Dask's that an executor sends by; None for other executors."""
    client = getattr(executor, "_client", None)
    return client if hasattr(client, "nthreads") else None


def _has_workers(client: Any) -> bool:
    try:
        return bool(client.nthreads())
    except Exception:  # noqa: BLE001 - a scheduler that can't be reached, however it is told
        return False


def workers_of(executor: Any) -> int:
    """Return how many workers an executor seems to have."""
    client = _client_of(executor)
    if client is not None:  # One run at a time in each process.
        return max(1, len(client.nthreads()))
    most = getattr(executor, "_max_workers", None)
    return most if isinstance(most, int) and most > 0 else (os.cpu_count() or 1)


def _differs(what: str) -> UsageError:
    return UsageError(
        f"a worker of the executor has something else than this process: {what}; what it found"
        " could not be replayed here: give it the same"
    )
