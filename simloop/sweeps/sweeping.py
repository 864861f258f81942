"""Sweeping: hand out numbers, take what is told, and put it in order.

Owns: which numbers are handed out next and how many at a time, what is done, and when a finding is
settled: once every number below its own is done, no lower one can show the same failure.

Must not know: processes, and what a run is.

Invariants:

- Findings, sums and the end are those of a process that runs number after number and stops at its
  ``stop``-th failure, whatever the workers and their speed. Only what real time ends (``seconds``,
  Ctrl-C) may leave gaps.
- A number is counted once. One that a worker died of is run once more, alone; if it breaks its
  process again it is lost: counted, and named.
- How many numbers are handed out at a time follows the time that they take, and changes nothing
  else.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from simloop._sandbox.time import real_clock

from .crew import Broken, CrewError, Ended, Refined, Returned, Told
from .ranges import Ranges
from .work import Finding, Part, Raised, Refining, Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .crew import Crew, Event
    from .work import Tallies, Task

__all__ = ["KeepError", "Keeper", "LostRun", "Sweeping"]

_WAIT_S = 0.1
_TASK_S = 0.25
"""How long a task should take: long beside what handing it out costs, short beside a wait."""
_FIRST_SIZE, _SIZE_MAX = 4, 20_000
_PIECES = 16
_DRAIN_S, _INTERRUPTED_S = 5.0, 0.4


@attrs.frozen
class LostRun:
    """A run that broke its process, twice."""

    number: int
    how: str
    """What became of the process."""
    told: tuple[Any, ...] = ()
    """Its deviations, as far as they came."""


class Keeper(Protocol):
    """What keeps the parts of a sweep; it raises ``KeepError`` where it can't any more."""

    def keep(self, part: Part) -> None:
        """Keep a part."""

    def keep_lost(self, lost: LostRun) -> None:
        """Keep a run that broke its process."""

    def keep_refined(self, failure: str, detail: Any) -> None:
        """Keep what refining has made of a failure."""


class KeepError(Exception):
    """What is done can't be kept any more: the disk is full, say."""


class TaskSize:
    """How many runs are handed out at a time."""

    def __init__(self) -> None:
        self._size = _FIRST_SIZE

    def took(self, runs: int, seconds: float) -> None:
        """Take note of how long a part took; the size at most doubles."""
        if runs > 0 and seconds > 0:
            fitting = max(1, int(_TASK_S * runs / seconds))
            self._size = min(fitting, 2 * self._size, _SIZE_MAX)

    def of(self, left: int | None, workers: int) -> int:
        """Return the next size, where so many numbers are left: the last ones are shared."""
        if left is None or workers == 1:
            return self._size  # A worker alone shares with nobody; each task costs it some 30 us.
        return max(1, min(self._size, -(-left // (2 * workers))))


class Sweeping:
    """One sweep.

    Args:
        crew: What does the tasks.
        first: The first number that is handed out; all below are done.
        end: The number behind the last; None: as far as it goes.
        stop: After how many different failures to stop; None: never.
        refines: Whether the details of failures are refined.
        seconds: For how many real seconds to go on.
        keeper: Is given what is done and found, as it comes.
        tick: Called with this now and then.
    """

    def __init__(
        self,
        crew: Crew,
        *,
        first: int = 1,
        end: int | None = None,
        stop: int | None = None,
        refines: bool = False,
        seconds: float | None = None,
        keeper: Keeper | None = None,
        tick: Callable[[Sweeping], object] = lambda _: None,
    ) -> None:
        self._crew = crew
        self._stop = stop
        self._refines = refines
        self._seconds = seconds
        self._keeper = keeper
        self._tick = tick
        self._end = end
        self._has_ended = False  # Whether a worker told that there are no more.
        self.done: Ranges = Ranges()
        self.done.add(1, first)
        self._next = first
        self._size = TaskSize()
        self._returned: deque[Runs] = deque()
        self._in_work: list[Task] = []
        self._best: dict[str, Finding] = {}
        self._settled: dict[str, Finding] = {}
        self._refined: dict[str, Any] = {}
        self._asked: dict[str, None] = {}  # Whose detail is being refined.
        self._parts: list[Part] = []
        self._error: tuple[int, Raised] | None = None
        self._cut: int | None = None  # The number of the failure at which it stopped.
        self._numbers: dict[str, list[int]] = {}
        self.tallies: Tallies = {}
        self.lost: list[LostRun] = []
        self.is_exhausted: bool = False
        self.is_interrupted: bool = False
        self.why_ended: str = ""
        """What ended it early, in words, if it was neither time nor Ctrl-C."""

    def run(self) -> None:
        """Sweep.

        Raises:
            BaseException: What a run raised that ends the sweep, at the lowest number.
        """
        began_s = real_clock.monotonic()
        try:
            try:
                self._crew.start()
                self._search(began_s)
                self._crew.stop()
                if self._cut is None:
                    self._drain(_DRAIN_S)
                self._refine_all()
            except CrewError as error:
                self.why_ended = str(error)
            except KeyboardInterrupt:
                self.is_interrupted = True
                self._crew.stop()
                self._drain(_INTERRUPTED_S)
        finally:
            self._crew.close()
        self._settle(is_over=True)
        if self._error is not None and self._cut is None and not self.is_interrupted:
            raise self._error[1].error

    @property
    def ran(self) -> int:
        """How many numbers are done: up to where it stopped, or all in all."""
        return self.done.count if self._cut is None else self._cut

    @property
    def found(self) -> int:
        """How many different failures there are so far."""
        return len(self._best)

    def findings(self) -> list[tuple[Finding, Any]]:
        """Return each failure at its lowest number, in order, with what refining made of it."""
        found = sorted(self._best.values(), key=lambda each: each.number)
        if self._cut is not None:
            found = [each for each in found if each.number <= self._cut]
        return [(each, self._refined.get(each.failure)) for each in found]

    def numbers_of(self, failure: str) -> list[int]:
        """Return the numbers that failed so, in order."""
        return sorted(self._numbers.get(failure, ()))

    def settled(self) -> list[tuple[Finding, Any]]:
        """Return the failures that are settled, in order, with what refining has come to."""
        return [(each, self._refined.get(each.failure)) for each in self._settled.values()]

    def lost_in_order(self) -> list[LostRun]:
        """Return what is lost, in order, up to where it stopped."""
        lost = sorted(self.lost, key=lambda each: each.number)
        return [each for each in lost if self._cut is None or each.number <= self._cut]

    # What was done before ----------------------------------------------------------------------

    def know(self, parts: Iterable[Part], lost: Iterable[LostRun]) -> None:
        """Take note of parts that were done before, in another process."""
        keeper, self._keeper = self._keeper, None  # It has them.
        for part in parts:
            self._take_part(part)
        self._keeper = keeper
        for each in lost:
            if self.done.add(each.number, each.number + 1):
                self.lost.append(each)
        self._settle()

    def refine_to(self, failure: str, detail: Any) -> None:
        """Take note of what refining had come to."""
        self._refined[failure] = detail
        self._asked[failure] = None

    # The search --------------------------------------------------------------------------------

    def _search(self, began_s: float) -> None:
        while not self._is_over(began_s):
            self._hand_out()
            if not self._in_work:
                break
            self._take_all(_WAIT_S)
            self._settle()
            self._tick(self)
        self.is_exhausted = self._has_ended and self._cut is None

    def _is_over(self, began_s: float) -> bool:
        if self.why_ended:
            return True
        if self._cut is not None or (
            self._error is not None and self.done.end_of(1) >= self._error[0]
        ):
            return True
        return self._seconds is not None and real_clock.monotonic() - began_s >= self._seconds

    def _hand_out(self) -> None:
        while self._crew.has_room():
            task = self._next_task()
            if task is None:
                return
            self._in_work.append(task)
            self._crew.give(task)

    def _next_task(self) -> Task | None:
        if self._refines:
            for finding in self._settled.values():
                if finding.failure not in self._asked:
                    self._asked[finding.failure] = None
                    return Refining(finding.failure, finding.detail)
        limit = self._limit()
        while self._returned:
            task = self._returned.popleft()
            end = task.end if limit is None else min(task.end, limit)
            for first, stop in self.done.missing(task.first, end):
                if stop < end:
                    self._returned.appendleft(Runs(stop, end, task.alone))
                return Runs(first, stop, task.alone)
        return self._fresh(limit)

    def _fresh(self, limit: int | None) -> Runs | None:
        first = self.done.end_of(self._next)
        if limit is not None and first >= limit:
            return None
        size = self._size.of(None if limit is None else limit - first, self._crew.size)
        end = first + size if limit is None else min(first + size, limit)
        first, end = next(self.done.missing(first, end))
        self._next = end
        return Runs(first, end)

    def _limit(self) -> int | None:
        """Return the number from which on nothing is of interest."""
        limits = [] if self._end is None else [self._end]
        if self._error is not None:
            limits.append(self._error[0])
        if self._stop is not None and len(self._best) >= self._stop:
            numbers = sorted(each.number for each in self._best.values())
            limits.append(numbers[self._stop - 1] + 1)
        return min(limits, default=None)

    # Events ------------------------------------------------------------------------------------

    def _take_all(self, timeout_s: float) -> None:
        for event in self._crew.wait(timeout_s):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Told):
            self._take_told(event)
        elif isinstance(event, Refined):
            self._refined[event.failure] = event.detail
            self._keep("keep_refined", event.failure, event.detail)
        elif isinstance(event, Ended):
            self._in_work.remove(event.task)
        elif isinstance(event, Returned):
            self._in_work.remove(event.task)
            self._give_back(event.task)
        else:
            self._in_work.remove(event.task)
            self._take_broken(event)

    def _take_told(self, event: Told) -> None:
        part = event.part
        self._take_part(part)
        self._size.took(part.end - part.first, part.seconds)
        if part.error is not None and (self._error is None or part.end < self._error[0]):
            self._error = part.end, part.error
        if part.is_last and (self._end is None or part.end < self._end):
            self._end, self._has_ended = part.end, True
        if part.is_short_of_memory:
            self._returned.appendleft(Runs(part.end + 1, event.task.end))
            self._returned.appendleft(Runs(part.end, part.end + 1, alone=True))

    def _take_part(self, part: Part) -> None:
        if part.first == part.end:
            return
        if next(self.done.missing(part.first, part.end), None) != (part.first, part.end):
            return  # Some of it was done before, so it can't be counted.
        self.done.add(part.first, part.end)
        for finding in part.findings:
            best = self._best.get(finding.failure)
            if best is None or finding.number < best.number:
                self._best[finding.failure] = finding
        self._parts.append(part)
        self._keep("keep", part)

    def _keep(self, how: str, *what: Any) -> None:
        """Have something kept; where that can't be done any more, the sweep ends."""
        if self._keeper is not None and not self.why_ended:
            try:
                getattr(self._keeper, how)(*what)
            except KeepError as error:
                self.why_ended = str(error)

    def _give_back(self, task: Task) -> None:
        if isinstance(task, Refining):
            self._asked.pop(task.failure, None)
        else:
            self._returned.append(task)

    def _take_broken(self, event: Broken) -> None:
        """Have the run that broke a worker run once more, alone; or name it, if it was."""
        task, number = event.task, event.number
        if isinstance(task, Refining):
            self._refined[task.failure] = None  # It stays as it was found.
        elif task.alone:
            lost = LostRun(task.first, event.how, event.told)
            self.done.add(lost.number, lost.number + 1)
            self.lost.append(lost)
            self._keep("keep_lost", lost)
        elif number is not None and task.first <= number < task.end:
            self._returned.appendleft(Runs(number + 1, task.end))
            self._returned.appendleft(Runs(task.first, number))
            self._returned.appendleft(Runs(number, number + 1, alone=True))
        elif task.end - task.first == 1:
            self._returned.appendleft(task._replace(alone=True))
        else:
            # It may take long until a lost worker is told of, so few rounds find the run.
            size = -(-(task.end - task.first) // _PIECES)
            for first in reversed(range(task.first, task.end, size)):
                self._returned.appendleft(Runs(first, min(first + size, task.end)))

    # What is settled ---------------------------------------------------------------------------

    def _settle(self, *, is_over: bool = False) -> None:
        """Settle the findings below which all is done, and add up what is counted now."""
        frontier = self.done.end_of(1)
        if len(self._settled) < len(self._best):
            for finding in sorted(self._best.values(), key=lambda each: each.number):
                if finding.number < frontier and self._cut is None:
                    self._settled[finding.failure] = finding
                    if self._stop is not None and len(self._settled) >= self._stop:
                        self._cut = finding.number
        limit = frontier if self._cut is None else self._cut + 1
        left = []
        for part in self._parts:
            if part.end <= limit or (is_over and self._cut is None):
                self._add_up(part)
            else:
                left.append(part)
        self._parts = left

    def _add_up(self, part: Part) -> None:
        for failure, numbers in part.numbers.items():
            self._numbers.setdefault(failure, []).extend(numbers)
        for name, (kind, asked, true) in part.tallies.items():
            _, before, true_before = self.tallies.get(name, (kind, 0, 0))
            self.tallies[name] = kind, before + asked, true_before + true

    # The end -----------------------------------------------------------------------------------

    def _drain(self, timeout_s: float) -> None:
        """Take what workers still tell of the runs that they had."""
        until_s = real_clock.monotonic() + timeout_s
        while any(isinstance(each, Runs) for each in self._in_work):
            left_s = until_s - real_clock.monotonic()
            if left_s <= 0:
                return
            self._take_all(left_s)

    def _refine_all(self) -> None:
        """Refine what was not refined during the search."""
        if not self._refines:
            return
        for finding, _ in self.findings():
            self._settled[finding.failure] = finding
        while True:
            for finding, _ in self.findings():
                if finding.failure not in self._asked:
                    self._asked[finding.failure] = None
                    task = Refining(finding.failure, finding.detail)
                    self._in_work.append(task)
                    self._crew.give(task)
            if not any(isinstance(each, Refining) for each in self._in_work):
                return
            self._take_all(_WAIT_S)
            self._tick(self)
