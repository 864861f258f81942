"""Explored properties of Hypothesis: inputs are shrunk first, then the schedule.

Owns: what Hypothesis calls with an example. Must not know how inputs are made and shrunk.

Invariant: an example is explored under the same schedules each time, so that it fails again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis

from simloop._sandbox import drop_engine_entries
from simloop.errors import UsageError
from simloop.exploration.properties.tallies import add_up

from .explored_tests import program_of, replay, replay_line, report_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from simloop.exploration.exploring import Exploration
    from simloop.exploration.properties.tallies import Tally

    from .asked_exploration import Asked

__all__ = ["Examples", "without_deadline"]


class Examples:
    """A property of Hypothesis whose examples are explored, each under the same schedules.

    Hypothesis looks for the smallest inputs that fail, and takes an example for failing if one of
    its schedules does. Only then is the schedule of that one shrunk.

    Args:
        item: The test.
        function: What the property calls with an example.
        asked: What to do with each.
        options: Those of its runs.

    Raises:
        UsageError: It is to be explored for some time, which no two examples would be alike in.
    """

    def __init__(
        self,
        item: pytest.Function,
        function: Callable[..., Any],
        asked: Asked,
        options: Mapping[str, Any],
    ) -> None:
        if asked.seconds is not None:
            raise UsageError(
                f"{item.nodeid} is a property of Hypothesis: each example must be explored alike:"
                " say how many schedules, explore=20, and not for how long, seconds="
            )
        self.function = function
        self._item, self._asked, self._options = item, asked, options
        self.properties: dict[str, Tally] = {}
        """What became of the test's properties in all examples."""
        self._failed: Callable[[], Any] | None = None

    def run(self, /, *args: Any, **kwargs: Any) -> None:
        """Explore one example, or replay a schedule with it."""
        __tracebackhide__ = True
        ended: list[BaseException] = []
        main = program_of(self.function, args, kwargs, ended)
        if self._asked.replay is not None:
            self._replay(main, self._asked.replay)
        else:
            exploration = self._exploration(main, shrinks=False)
            found = self._asked.run(exploration)
            add_up(self.properties, found.properties)
            if found.failures:
                self._failed = main
                error = found.failures[0].error
                drop_engine_entries(error)  # Else pytest shows what is behind Hypothesis's own.
                raise error
        if ended:
            raise ended[0].with_traceback(None)

    def _replay(self, main: Callable[[], Any], schedule: str) -> None:
        """Run an example under a schedule; one that never asks for it is not the example."""
        __tracebackhide__ = True
        try:
            replay(self._item, main, schedule)
        except UsageError:
            hypothesis.reject()

    def explain(self) -> None:
        """Shrink the schedule of the example that failed last, the smallest, for the report."""
        if self._failed is not None:
            found = self._asked.run(self._exploration(self._failed, shrinks=True))
            for failure in found.failures:
                report_failure(self._item, failure)

    def _exploration(self, main: Callable[[], Any], *, shrinks: bool) -> Exploration:
        return self._asked.exploration(
            main,
            self._options,
            name=self._item.nodeid,
            replay_line=replay_line(self._item),
            shrinks=shrinks,
        )


def without_deadline(function: Any) -> None:
    """Let examples take their time, as each is many runs; the name is Hypothesis's own."""
    function = getattr(function, "__func__", function)  # A method's is set on its function.
    given = getattr(function, "_hypothesis_internal_use_settings", None)
    if given is not None:
        function._hypothesis_internal_use_settings = hypothesis.settings(given, deadline=None)
