"""What may be said of a sweep's workers: how many, whose, and what they may take.

Owns: reading ``jobs``, ``executor`` and the limits of a worker, and making the crew.

Must not know: what is run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import attrs

from simloop.errors import UsageError

from .crew import Limits
from .local_crew import LocalCrew

if TYPE_CHECKING:
    from collections.abc import Callable

    from .crew import Crew
    from .work import Work

__all__ = ["WorkerOptions"]

_LIMITS = Limits()


@attrs.frozen
class WorkerOptions:
    """Whether there are workers, and which."""

    jobs: int = 1
    limits: Limits = _LIMITS
    executor: Any = None

    @classmethod
    def of(
        cls,
        jobs: Any = 1,
        real_run_limit: float | None = _LIMITS.run_s,
        memory_limit: int = _LIMITS.memory_bytes,
        executor: Any = None,
    ) -> WorkerOptions:
        """Read the options.

        Raises:
            UsageError: One means nothing.
            UnsupportedError: The executor's workers are threads.
        """
        if jobs == "auto":
            jobs = _cores()
        if not _is_count(jobs):
            raise UsageError(f"jobs={jobs!r}; it takes a number of processes above 0, or 'auto'")
        is_number = isinstance(real_run_limit, int | float) and real_run_limit > 0
        if real_run_limit is not None and not is_number:
            raise UsageError(
                f"real_run_limit={real_run_limit!r}; it takes seconds above 0, or None"
            )
        if not _is_count(memory_limit) or memory_limit < _LEAST_BYTES:
            raise UsageError(
                f"memory_limit={memory_limit!r}; it takes a number of bytes, {_LEAST_BYTES} or more"
            )
        if executor is not None:
            from .executor_crew import check_executor  # noqa: PLC0415 - few have one

            check_executor(executor)
            if jobs != 1:
                raise UsageError(
                    f"jobs={jobs!r} beside executor=: an executor has the workers that it has"
                )
        return cls(jobs, Limits(real_run_limit, memory_limit), executor)

    @property
    def are_wanted(self) -> bool:
        """Whether the work is done by workers, and not where it is asked for."""
        return self.jobs > 1 or self.executor is not None

    def greet(self, packed: Callable[[], bytes]) -> None:
        """Make sure that an executor, if there is one, can do the work, before any is done.

        Raises:
            UsageError: It can't.
        """
        if self.executor is not None:
            from .executor_crew import ExecutorCrew  # noqa: PLC0415 - as below

            ExecutorCrew(self.executor, packed(), self.limits).start()

    def crew(self, work: Work, packed: Callable[[], bytes]) -> Crew:
        """Return the crew that does some work.

        Args:
            work: The work.
            packed: Returns it as it travels to an executor.

        Raises:
            UsageError: It can't travel.
            UnsupportedError: A crew can't be made on this system.
        """
        if self.executor is not None:
            from .executor_crew import ExecutorCrew  # noqa: PLC0415 - as below

            return ExecutorCrew(self.executor, packed(), self.limits)
        if not self.are_wanted:
            return LocalCrew(work)
        from .fork_crew import ForkCrew  # noqa: PLC0415 - who has no workers loads nothing of it

        return ForkCrew(work, self.jobs, self.limits)


_LEAST_BYTES = 1 << 24


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _cores() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
