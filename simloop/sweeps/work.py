"""The work of a sweep: what is run for a number, and what is told of it.

Owns: the interface of a piece of work, the records that travel between processes, and one walk
through a range of numbers.

Must not know: processes. A walk is given what says that it should stop.

Invariants:

- What a run tells depends on its number alone, not on what ran before in the same process.
- A part ends behind a run whose failure is new to its worker, so that what comes after such a run
  can be left out of all sums.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import attrs

from simloop._kernel.safe_looks import message_of
from simloop._sandbox.time import real_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Finding", "Part", "Raised", "Refining", "Runs", "Task", "Work", "parts_of"]

Tallies = dict[str, tuple[str, int, int]]
"""Of each property: its kind, how often it was looked at, how often it was true."""


class Work(Protocol):
    """What a sweep is made of; a copy of it is in each worker."""

    def open(self) -> None:
        """Get ready, in the process that does the work."""

    def skip_to(self, number: int) -> None:
        """Go to a number, forward or back; those between are run elsewhere."""

    def run(self, number: int) -> str | None:
        """Run a number: how it failed, in words that equal failures share; "" if it did not.

        None is for a number that there is no run of, and then for all above.

        Raises:
            MemoryError: The run took more memory than it may have.
            BaseException: What ends the whole sweep.
        """

    def detail(self) -> Any:
        """Return all that is to be known of the run that has just failed, as values of JSON."""

    def take_tallies(self) -> Tallies:
        """Return the sums over the properties of all runs since the last call."""

    def refine(self, detail: Any) -> Any:
        """Return a better detail of the same failure, which may take many runs."""

    def run_told(self, number: int, tell: Callable[[Any], object]) -> str | None:
        """Run a number that a worker died of, telling each deviation before it has an effect."""


@attrs.frozen
class Finding:
    """A run that failed."""

    number: int
    failure: str
    """What equal failures share, in words."""
    detail: Any
    """What the work tells of it, as values of JSON."""


class Raised:
    """An error, which may travel: one that can't be pickled at all goes as its text."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException = error

    def __reduce__(self) -> tuple[Callable[..., Raised], tuple[Any, ...]]:
        try:
            raw = pickle.dumps(self.error)
            pickle.loads(raw)  # noqa: S301 - just made; an error's own __init__ may refuse
        except BaseException:  # noqa: BLE001 - whatever classes of the program's raise
            raw = pickle.dumps(RuntimeError(message_of(self.error)))
        return _arrived, (raw,)


def _arrived(raw: bytes) -> Raised:
    return Raised(pickle.loads(raw))  # noqa: S301 - from a worker of ours


@attrs.define
class Part:
    """What became of the runs ``first`` up to, and without, ``end``."""

    first: int
    end: int
    findings: list[Finding] = attrs.Factory(list)
    """Each failure at the lowest number of this part, unless the worker told of a lower one."""
    numbers: dict[str, list[int]] = attrs.Factory(dict)
    """The numbers that failed, by failure."""
    tallies: Tallies = attrs.Factory(dict)
    error: Raised | None = None
    """What the run number ``end`` raised that ends the sweep."""
    seconds: float = 0.0
    """For how many real seconds the worker was at it."""
    is_last: bool = False
    """Whether there is no run number ``end``."""
    is_short_of_memory: bool = False
    """Whether the run number ``end`` took more memory than it may have."""


class Runs(NamedTuple):
    """A task: run these numbers, ``end`` not included."""

    first: int
    end: int
    alone: bool = False
    """Whether a worker died of the one run, which is run in a process of its own."""


class Refining(NamedTuple):
    """A task: refine the detail of a failure."""

    failure: str
    detail: Any


Task = Runs | Refining


def parts_of(
    work: Work,
    task: Runs,
    known: dict[str, int],
    begin: Callable[[int], bool] = lambda _: True,
    tell: Callable[[Any], object] | None = None,
) -> Iterator[Part]:
    """Run a range of numbers, and yield what became of it, in parts.

    Args:
        work: What is run.
        task: The range.
        known: The lowest number that failed so, by failure; it is kept up to date.
        begin: Called before each run with its number; false to stop there.
        tell: Told of deviations as they come, if the run is one that a worker died of.
    """
    work.skip_to(task.first)
    part, began_s = Part(task.first, task.first), real_clock.monotonic()
    for number in range(task.first, task.end):
        if not begin(number):
            break
        try:
            failure = work.run(number) if tell is None else work.run_told(number, tell)
            if failure is None:
                part.is_last = True
                break
            part.end = number + 1
            if not failure:
                continue
            part.numbers.setdefault(failure, []).append(number)
            if known.get(failure, number) >= number:
                known[failure] = number
                part.findings.append(Finding(number, failure, work.detail()))
                yield _closed(part, work, began_s)
                part, began_s = Part(number + 1, number + 1), real_clock.monotonic()
        except KeyboardInterrupt:
            part.end = number
            yield _closed(part, work, began_s)
            raise
        except MemoryError:
            part.end, part.is_short_of_memory = number, True
            break
        except BaseException as error:  # noqa: BLE001 - it is raised where the sweep was asked for
            part.end, part.error = number, Raised(error)
            break
    yield _closed(part, work, began_s)


def _closed(part: Part, work: Work, began_s: float) -> Part:
    part.tallies = work.take_tallies()
    part.seconds = real_clock.monotonic() - began_s
    return part
