"""Explored tests: a test of the pytest plugin under many schedules.

Owns: reading what was asked (mark and command line), running the test and its async fixtures anew
for each schedule, keeping what was found, and the lines of the report.

Must not know: how schedules are made.

Invariants: async fixtures run inside each schedule, before the test in the order of the request,
and end after it in the opposite order; other fixtures run once, before the first schedule.
"""

from __future__ import annotations

import inspect
import os
import shlex
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from simloop.errors import NondeterminismError, UsageError
from simloop.exploration.keeping import FOLDER, KeptSchedules
from simloop.exploration.replaying import replay_program, schedule_of
from simloop.testing._required import demand_of_test
from simloop.testing._settings import SETTINGS
from simloop.testing._traces import trace_path, tracing, with_error

from .asked_exploration import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from simloop.exploration import Failure, Found
    from simloop.exploration.explored_run import ExploredWorld
    from simloop.exploration.schedules.schedule import Schedule
    from simloop.trace import EventFile
    from simloop.world.outcome import Outcome

__all__ = [
    "OPTIONS",
    "FixtureOfSchedule",
    "program_of",
    "replay",
    "replay_line",
    "report_failure",
    "report_of",
    "run",
    "wanted",
]

OPTIONS = ("explore", "seconds", "strategy", "delays", "failures")
"""What the mark takes for explorations, beside the options of a run."""

_report = pytest.StashKey[list[str]]()


def wanted(item: pytest.Item, mark: str) -> Asked | None:
    """Return what was asked, or None for a test that runs once."""
    settings = item.config.stash[SETTINGS]
    given = {"explore": settings["explore"]} if "explore" in settings else {}
    for each in reversed(list(item.iter_markers(mark))):
        given |= {name: value for name, value in each.kwargs.items() if name in OPTIONS}
    option = item.config.getoption
    for name in ("explore", "seconds", "replay"):
        if option(f"simloop_{name}") is not None:
            given[name] = option(f"simloop_{name}")
    asked = Asked(**{name: value for name, value in given.items() if value is not None})
    return asked if asked.is_any else None  # A strategy alone is for the command line's number.


class _TooEarlyError(UsageError, AttributeError):
    """Something was asked of a fixture's value before there is one; it has no attribute yet."""


class FixtureOfSchedule:
    """Stands for the value of an async fixture, which each schedule has one of its own.

    Args:
        name: The fixture's name.
        function: The fixture's function.
        arguments: Its arguments, among them others of these.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]
    ) -> None:
        self._name = name
        self._function = function
        self._arguments = arguments

    def __getattr__(self, attribute: str) -> Any:
        raise _TooEarlyError(
            f"the async fixture {self._name!r} is made anew for each schedule of an explored test,"
            " so a plain fixture cannot use it: make that one async, too"
        )

    async def value_in(self, stack: AsyncExitStack, known: dict[FixtureOfSchedule, Any]) -> Any:
        """Return the fixture's value of this schedule, and have it ended with the stack."""
        if self not in known:
            arguments = {
                name: await _value_of(value, stack, known)
                for name, value in self._arguments.items()
            }
            if inspect.isasyncgenfunction(self._function):
                context = asynccontextmanager(self._function)(**arguments)
                known[self] = await stack.enter_async_context(context)
            else:
                known[self] = await self._function(**arguments)
        return known[self]


async def _value_of(value: Any, stack: AsyncExitStack, known: dict[FixtureOfSchedule, Any]) -> Any:
    is_later = isinstance(value, FixtureOfSchedule)
    return await value.value_in(stack, known) if is_later else value


def run(
    item: pytest.Function,
    function: Callable[..., Any],
    asked: Asked,
    options: Mapping[str, Any],
    required: Collection[str] = (),
) -> None:
    """Explore a test; its first failure is raised, with its explanation in the report."""
    __tracebackhide__ = True
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
    # Of a test that is skipped, or expected to fail, while it runs: no failure of a schedule.
    ended: list[BaseException] = []
    main = program_of(function, (), arguments, ended)
    name = os.path.relpath(item.path, item.config.rootpath) + item.nodeid.partition("::")[2]
    try:
        if asked.replay is not None:
            replay(item, main, asked.replay)
        else:
            found = _explore(item, main, asked, options, name)
            if ended:
                raise ended[0].with_traceback(None)
            demand_of_test(found.properties, required)
    except (UsageError, NondeterminismError) as error:
        refusal = str(error)
    else:
        return
    pytest.fail(refusal, pytrace=False)


def program_of(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    arguments: Mapping[str, Any],
    ended: list[BaseException],
) -> Callable[[], Any]:
    """Return a test as a program; a skip of it is no error, and is noted in ``ended``."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            known: dict[FixtureOfSchedule, Any] = {}
            values = {
                name: await _value_of(value, stack, known) for name, value in arguments.items()
            }
            try:
                await function(*args, **values)
            except (pytest.skip.Exception, pytest.xfail.Exception) as outcome:
                ended.append(outcome)

    main.__qualname__ = function.__qualname__  # Reports name the test by it.
    return main


# What is told -------------------------------------------------------------------------------------


def replay(item: pytest.Function, main: Any, schedule: str) -> None:
    __tracebackhide__ = True
    outcome = _replayed(item, main, schedule_of(schedule))
    item.stash[_report] = [f"replayed {schedule}: digest {outcome.digest}, {outcome.steps} steps"]
    if outcome.error is not None:
        raise outcome.error


def _explore(
    item: pytest.Function, main: Any, asked: Asked, options: Mapping[str, Any], name: str
) -> Found:
    __tracebackhide__ = True
    exploration = asked.exploration(main, options, name=item.nodeid, replay_line=replay_line(item))
    kept = KeptSchedules(item.config.rootpath / FOLDER, name)
    tried = kept.load()
    try:
        found = asked.run(exploration, tried)
    except KeyboardInterrupt:
        kept.update(tried, exploration.found)
        raise
    kept.update(tried, found)
    if found.failures:
        failure = found.failures[0]
        report_failure(item, failure)
        if trace_path(item) is not None:
            _replayed(item, main, failure.schedule)
        raise failure.error
    return found


def _replayed(item: pytest.Function, main: Any, schedule: Schedule) -> Outcome[Any]:
    """Run a test once more under a schedule, with a trace if its mark asks for one."""
    with ExitStack() as stack:
        files: list[EventFile] = []

        def prepare(world: ExploredWorld, _gate: object) -> None:
            if (path := trace_path(item)) is not None:
                files.append(stack.enter_context(tracing(world, path, item.nodeid)))

        outcome = replay_program(main, schedule, prepare=prepare, name=item.nodeid)
        for file in files:
            with_error(file, outcome.error)
    return outcome


def report_failure(item: pytest.Item, failure: Failure) -> None:
    """Put an explanation into the report, and the token into its properties."""
    item.stash[_report] = [f"{failure.explain()}\n"]
    item.user_properties.append(("simloop_schedule", failure.schedule.token))


def replay_line(item: pytest.Item) -> str:
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    _, colons, name = item.nodeid.partition("::")
    command = ["pytest", path + colons + name]
    if item.config.getoption("simloop_seeds") is not None:
        seed = item.callspec.params["simloop_seed"]  # type: ignore[attr-defined]  # a Function
        command.append(f"--simloop-seeds={seed}")  # Which the test's name holds.
    return f"{shlex.join(command)} --simloop-replay={{token}}"


def report_of(item: pytest.Item) -> list[str]:
    """Return what the report of an explored test says beside its error."""
    return item.stash.get(_report, [])
