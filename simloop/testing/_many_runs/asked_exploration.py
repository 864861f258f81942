"""What a test asks of an exploration, whatever framework runs it.

Owns: the record, reading it from options, and one exploration or replay of a test that is a
coroutine function. Files and reports are the framework's.

Must not know: pytest, unittest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from simloop.errors import UsageError
from simloop.exploration import Delays
from simloop.exploration.explored_run import FAILURES
from simloop.exploration.exploring import Exploration, check_counts, check_seconds
from simloop.exploration.program import Program, quiet
from simloop.exploration.replaying import replay_program, schedule_of
from simloop.exploration.strategies import strategy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from simloop.exploration import Found, Schedule

__all__ = ["EXPLORING", "Asked", "explore_test", "separated"]


@attrs.frozen
class Asked:
    """What was asked of an explored test."""

    explore: int | None = None
    """How many schedules."""
    seconds: float | None = None
    """For how many real seconds."""
    strategy: Any = "timing"
    delays: Delays = attrs.field(factory=Delays)
    failures: Any = FAILURES
    replay: str | None = None
    """The one schedule to run, by token or file."""

    def __attrs_post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            UsageError: One is such.
        """
        check_counts(explore=self.explore)
        check_seconds(self.seconds)

    @property
    def is_any(self) -> bool:
        """Whether there is something to explore or to replay."""
        return any(each is not None for each in (self.explore, self.seconds, self.replay))

    def exploration(
        self,
        main: Callable[[], Coroutine[Any, Any, Any]],
        options: Mapping[str, Any],
        *,
        name: str | None,
        replay_line: str,
        shrinks: bool = True,
    ) -> Exploration:
        """Return the exploration of a test; see :meth:`run`."""
        program = Program(main, options, self.delays, failures=self.failures, name=name)
        program.replay_line = replay_line
        strategy = strategy_of(self.strategy, sleeps=self.delays.sleeps > 0)
        return Exploration(program, strategy, options.get("seed", 0), shrinks=shrinks)

    def run(self, exploration: Exploration, first: Iterable[Schedule] = ()) -> Found:
        """Run as many schedules as were asked for.

        Raises:
            KeyboardInterrupt: The user interrupted.
        """
        with quiet():
            found = exploration.run(self.explore, self.seconds, first=tuple(first))
        if found.interrupted:
            raise KeyboardInterrupt
        return found


EXPLORING = tuple(each.name for each in attrs.fields(Asked))
"""What may be asked of an exploration, by name."""


def separated(call: str, given: Mapping[str, Any]) -> tuple[Asked | None, dict[str, Any]]:
    """Return what of some options is for an exploration, and what for a run.

    Raises:
        UsageError: There is something that has no effect, as nothing is explored.
    """
    of_run = {name: value for name, value in given.items() if name not in EXPLORING}
    chosen = {name: given[name] for name in EXPLORING if given.get(name) is not None}
    asked = Asked(**chosen)
    if not asked.is_any:
        if chosen:
            raise UsageError(
                f"{call} got {next(iter(chosen))}=, which has no effect unless it explores: say"
                " how many schedules, explore=200, or for how long, seconds=10"
            )
        return None, of_run
    return asked, of_run


def explore_test(
    main: Callable[[], Coroutine[Any, Any, Any]],
    asked: Asked,
    options: Mapping[str, Any],
    *,
    name: str,
    replay_line: str,
) -> None:
    """Explore a test, or replay it.

    Args:
        main: The test.
        asked: What to do.
        options: Those of its runs.
        name: What reports call it.
        replay_line: What replays it; the token takes the place of ``{token}``.

    Raises:
        BaseException: Its first failure, with the explanation as a note.
        UsageError: An option means nothing, or the schedule is of another test.
    """
    __tracebackhide__ = True
    if asked.replay is not None:
        outcome = replay_program(main, schedule_of(asked.replay), name=name)
        if outcome.error is not None:
            raise outcome.error
        return
    asked.run(asked.exploration(main, options, name=name, replay_line=replay_line)).raise_first()
