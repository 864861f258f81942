"""A search that workers share: the schedules of an exploration from some number on.

Owns: what goes between an exploration and a sweep: failures that are known, those that are found,
and what is lost.

Must not know: how failures become schedules; it calls what does that.

Invariant: failures are recorded in the order of their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop.exploration.findings import Lost
from simloop.exploration.properties.tallies import Tally
from simloop.sweeps.sweeping import Sweeping
from simloop.sweeps.work import Finding, Part

from .schedule_work import ScheduleWork, detail_of, taken_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simloop.exploration.findings import Found
    from simloop.exploration.schedules.schedule import Schedule
    from simloop.sweeps.journal import Journal
    from simloop.sweeps.sweeping import LostRun
    from simloop.sweeps.worker_options import WorkerOptions

    from .searcher import Searcher

__all__ = ["SharedSearch"]


class SharedSearch:
    """One search.

    Args:
        searcher: What runs schedules; each worker has a copy.
        found: What was found so far; what is found is added.
        workers: Which workers there are.
        stop: After how many different failures to stop, those that were found so far included.
        shrinks: Whether failures are shrunk.
        journal: What keeps all.
    """

    def __init__(
        self,
        searcher: Searcher,
        found: Found,
        workers: WorkerOptions,
        *,
        stop: int | None,
        shrinks: bool,
        journal: Journal | None = None,
    ) -> None:
        self._searcher = searcher
        self._found = found
        self._workers = workers
        self._stop = stop
        self._shrinks = shrinks
        self._journal = journal

    def run(
        self,
        schedules: int | None,
        seconds: float | None,
        packed: Callable[[], bytes],
        keep: Callable[[int, Mapping[str, Any]], object],
        schedule_of: Callable[..., Schedule],
        show: Callable[[], object],
    ) -> None:
        """Search.

        Args:
            schedules: The number of the last schedule; None: as far as it goes.
            seconds: For how many real seconds.
            packed: Returns the work as it travels to an executor.
            keep: Records a failure, given its number and its detail.
            schedule_of: Makes a schedule of an error, a digest and deviations.
            show: Called now and then.
        """
        found = self._found
        before = self._before()
        recorded = len(before.findings)

        def record(sweeping: Sweeping) -> None:
            """Record failures as they are settled; wait for one that is still being shrunk."""
            nonlocal recorded
            for finding, detail in sweeping.settled()[recorded:]:
                if self._shrinks and detail is None:
                    break
                keep(finding.number, detail or finding.detail)
                recorded += 1

        def tick(sweeping: Sweeping) -> None:
            record(sweeping)
            found.ran = sweeping.ran
            show()

        work = ScheduleWork(self._searcher, found.ran + 1)
        sweeping = Sweeping(
            self._workers.crew(work, packed),
            end=None if schedules is None else schedules + 1,
            stop=self._stop,
            refines=self._shrinks,
            seconds=seconds,
            keeper=self._journal,
            tick=tick,
        )
        self._tell_before(sweeping, before)
        sweeping.run()
        for finding, detail in sweeping.findings()[recorded:]:
            keep(finding.number, detail or finding.detail)
        found.ran = sweeping.ran
        found.exhausted = sweeping.is_exhausted
        found.interrupted = sweeping.is_interrupted
        if sweeping.why_ended:
            found.interrupted = True
            found.notes.append(sweeping.why_ended)
        found.properties = {name: Tally(*each) for name, each in sweeping.tallies.items()}
        found.lost += [_lost(each, schedule_of) for each in sweeping.lost_in_order()]

    def _before(self) -> Part:
        """Return what was done before it is shared, as a part."""
        found = self._found
        known, shrunk = [], {}
        for each in found.failures:
            failure = str(each.identity)
            known.append(Finding(each.found_at, failure, detail_of(each)))
            shrunk[failure] = [each.found_at]
        tallies = {name: (it.kind, it.asked, it.true) for name, it in found.properties.items()}
        return Part(1, found.ran + 1, known, shrunk, tallies, seconds=found.seconds)

    def _tell_before(self, sweeping: Sweeping, before: Part) -> None:
        """Tell a sweep what was done: here, and by others before it, as the journal has it."""
        journal = self._journal
        if journal is not None:
            kept = journal.kept()
            self._found.resumed = kept.done.count
            if kept.done.end_of(1) < before.end and not kept.parts:
                journal.keep(before)
            sweeping.know(kept.parts, kept.lost)
            for failure, detail in kept.refined.items():
                sweeping.refine_to(failure, detail)
        sweeping.know([before], [])
        for finding in before.findings:
            sweeping.refine_to(finding.failure, finding.detail)


def _lost(run: LostRun, schedule_of: Callable[..., Schedule]) -> Lost:
    if not run.told:
        return Lost(run.number, run.how)  # It died somewhere else, where nothing can be told.
    taken = taken_of({"taken": list(run.told)})
    return Lost(run.number, run.how, schedule_of(run.how, "", taken, permuted=False))
