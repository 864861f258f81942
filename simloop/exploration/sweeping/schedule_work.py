"""Schedules as the work of a sweep.

Owns: running the schedule of a number in a worker, what is told of one that failed, and shrinking.

Must not know: other workers.

Invariant: what is told of a failure is values of JSON: they go through pipes and into journals, and
are all that is needed to have the failure again in any process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import message_of, text_of
from simloop.errors import NondeterminismError
from simloop.exploration.gates import ByKey, Key
from simloop.exploration.properties.tallies import add_up
from simloop.exploration.same_failure import identity_of
from simloop.exploration.shrinking import Shrinker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simloop._kernel.gate import ChoiceGate
    from simloop.exploration.explored_run import Ran
    from simloop.exploration.findings import Failure
    from simloop.exploration.program import Program
    from simloop.exploration.properties.tallies import Tally

    from .searcher import Searcher

__all__ = ["ScheduleWork", "detail_of", "error_line", "is_gone", "lost_again", "taken_of"]


class ScheduleWork:
    """The schedules of one exploration.

    Args:
        searcher: What runs them.
        start: The first number that is shared; all below were run where the sweep was asked for.
    """

    def __init__(self, searcher: Searcher, start: int) -> None:
        self._searcher = searcher
        self._tallies: dict[str, Tally] = {}
        self._ran: Ran | None = None
        self._gate: ChoiceGate | None = None
        searcher.share(start)

    def open(self) -> None:
        """Do nothing: a fork has all."""

    def skip_to(self, number: int) -> None:
        """Go to a number."""
        self._searcher.skip_to(number)

    def run(self, number: int) -> str | None:
        """Run a schedule; return how it failed."""
        # What the last run left is to be gone before this one begins: a world that outlives the
        # collection between both grows old, and is then found by collections of everything only.
        self._ran = self._gate = None
        searcher = self._searcher
        if not searcher.begin(number):
            return None
        ran, self._gate = searcher.search()
        searcher.strategy.ended(has_failed=ran.error is not None)
        return self._told(ran)

    def _told(self, ran: Ran) -> str:
        if ran.world.properties is not None:
            add_up(self._tallies, ran.world.properties.tallies())
        if ran.error is None:
            return ""
        if isinstance(ran.error, MemoryError):
            raise MemoryError  # noqa: TRY004 - it is the error of the run, again
        self._ran = ran
        return str(identity_of(ran.error))

    def detail(self) -> dict[str, Any]:
        """Return what was taken by the run that failed, from a repetition with names."""
        ran, gate = self._ran, self._gate
        assert ran is not None
        assert gate is not None
        assert ran.error is not None
        again, recorded = self._searcher.repeat(gate)
        if again.error is None or identity_of(again.error) != identity_of(ran.error):
            raise lost_again(self._searcher.program, ran, again)
        return {
            "taken": [[*key, value] for key, value in recorded.taken.items()],
            "permuted": self._searcher.strategy.is_stricter,
            "error": error_line(again.error),
            "kind": ran.kind,
            "digest": again.digest,
            "shrunk": None,
            "runs": 0,
        }

    def take_tallies(self) -> dict[str, tuple[str, int, int]]:
        """Return the sums over properties since the last call."""
        tallies, self._tallies = self._tallies, {}
        return {name: (each.kind, each.asked, each.true) for name, each in tallies.items()}

    def refine(self, detail: dict[str, Any]) -> dict[str, Any]:
        """Shrink the deviations of a failure."""
        program, taken, permuted = self._searcher.program, taken_of(detail), detail["permuted"]
        if not taken:
            return detail
        ran, _ = program.play(ByKey(taken), permuted=permuted)
        if ran.error is None:
            return detail  # Where the failure is raised, it is told that it is gone.
        shrinker = Shrinker(program, taken, identity_of(ran.error), permuted=permuted)
        shrinker.shrink()
        ran, gate = program.play(ByKey(shrinker.best), permuted=permuted, has_digest=True)
        return {
            **detail,
            "shrunk": [[*key, value] for key, value in gate.taken.items()],
            "shrunk_digest": ran.digest,
            "runs": shrinker.runs,
        }

    def run_told(self, number: int, tell: Callable[[Any], object]) -> str | None:
        """Run a schedule, and tell each deviation before it has an effect."""
        searcher = self._searcher
        if not searcher.begin(number):
            return None
        ran, self._gate = searcher.search_told(lambda key, value: tell([*key, value]))
        searcher.strategy.ended(has_failed=ran.error is not None)
        return self._told(ran)


def error_line(error: BaseException) -> str:
    """Return how a run failed, in one line: type, place and text."""
    return ": ".join([str(identity_of(error)), *text_of(error).splitlines()[:1]])


def detail_of(failure: Failure) -> dict[str, Any]:
    """Return the detail of a failure that was found without workers."""
    return {
        "taken": [[*each.key, each.value] for each in failure.original.deviations],
        "permuted": failure.original.permuted,
        "error": failure.original.error,
        "kind": failure.kind,
        "digest": failure.original.digest,
        "shrunk": [[*each.key, each.value] for each in failure.schedule.deviations],
        "shrunk_digest": failure.schedule.digest,
        "runs": failure.runs,
    }


def taken_of(detail: Mapping[str, Any], which: str = "taken") -> dict[Key, int]:
    """Return deviations from the detail of a failure: those that it was found or shrunk with."""
    return {Key(kind, name, nth): value for kind, name, nth, value in detail[which]}


def lost_again(program: Program, ran: Ran, again: Ran | None) -> NondeterminismError:
    """Return the error of a failure that was another one, or none, the second time."""
    how = "is gone" if again is None or again.error is None else f"is {message_of(again.error)}"
    assert ran.error is not None
    return is_gone(program, message_of(ran.error), how)


def is_gone(program: Program, what: str, how: str = "is gone") -> NondeterminismError:
    """Return the error of a failure that was not there a second time."""
    return NondeterminismError(
        f"{program.name} failed with {what}, and under the same schedule once more"
        f" the error {how}: the program keeps state between its calls, or depends on something"
        " outside of its seed; simloop.check(main) tells where two runs part"
    )
