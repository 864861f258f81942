"""The corpus of reported bugs: sound in itself, and what an exploration finds in it.

Two questions. Is each program what it says: right on the undisturbed schedule, here and on the real
loop, with a source of its own? And does `simloop.explore` find each bug, shrink it and leave its
twin, and the programs that rely on asyncio's order, alone?
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import logging
import sys
from pathlib import Path

import pytest

import simloop

ROOT = Path(__file__).parent
if str(ROOT) not in sys.path:  # The corpus is a package of its own, which other tools import too.
    sys.path.append(str(ROOT))

from bugs.registry import BUGS, RIGHT  # noqa: E402 - found by the line above

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

STARTS = (0, 1, 2)  # Seeds of the search.
FAILURES = ("error", "deadlock", "limit", "unretrieved", "callback")  # All but tasks left behind.
SCHEDULES = 400  # Within so many each bug is found from each start.
GLANCE = 40  # As many as a fast test can look at.
DEVIATIONS = 6  # Of so many at most is what is left of a schedule when it was shrunk.

PROGRAMS = {
    f"{bug.name}-{which}": getattr(bug, which) for bug in BUGS for which in ("buggy", "fixed")
}
PROGRAMS |= {right.name: right.main for right in RIGHT}
RACES = {bug.buggy: bug for bug in BUGS if bug.name.startswith("preempted.")}
SILENT = {f"{bug.name}-fixed": bug.fixed for bug in BUGS}
SILENT |= {right.name: right.main for right in RIGHT}

needs_explore = pytest.mark.skipif(
    not hasattr(simloop, "explore"), reason="simloop.explore is not there yet (issue 15)"
)
each_program = pytest.mark.parametrize("main", PROGRAMS.values(), ids=PROGRAMS)
each_bug = pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
each_silent = pytest.mark.parametrize("main", SILENT.values(), ids=SILENT)


def heard(main):
    """The program, failing by what the loop hears: an error in a callback, or never retrieved."""

    async def body():
        reports = []
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
        await main()
        gc.collect()
        assert not reports

    return body


@each_program
def test_a_program_is_right_undisturbed(main):
    """Bug or twin or right, a program passes where nothing is late, whatever the seed."""
    for seed in STARTS:
        outcome = simloop.simulate(heard(main), seed=seed)
        assert outcome.error is None, outcome.error


@each_program
def test_a_program_keeps_no_state(main):
    """A program run again is the same run, step for step."""
    first, second = (simloop.simulate(main) for _ in range(2))
    assert first.digest == second.digest


@pytest.mark.slow
@each_program
def test_a_program_is_right_on_the_real_loop(main, caplog):
    """The programs are about asyncio and not about our loop: they pass on the real one as well."""
    caplog.set_level(logging.CRITICAL, "asyncio")
    race = RACES.get(main)
    if race is not None and race.may_hang:
        pytest.skip("real threads may hang, and nothing ends them")
    attempts = 3 if main.__name__ == "buggy" else 1  # On a machine that is busy, a bug may show.
    for attempt in range(attempts):
        try:
            asyncio.run(asyncio.wait_for(heard(main)(), 10))
        except Exception as error:
            if race is not None and is_expected(race, error):
                return  # Real threads race as well.
            if attempt == attempts - 1:
                raise
        else:
            return


@each_bug
def test_a_bug_has_a_source_and_a_story(bug):
    """Each bug names a public report, tells a story, and says how it fails."""
    assert bug.source.startswith("https://github.com/")
    assert bug.source.split("/")[-2] in {"issues", "pull"}
    assert int(bug.source.split("/")[-1])
    assert "\n\nFails: " in bug.story
    assert bug.errors or bug.may_hang


def test_the_corpus_is_large_and_its_bugs_differ():
    """No name and no source comes twice, a third is held out, and there is enough of each sort."""
    names = [bug.name for bug in BUGS] + [right.name for right in RIGHT]
    assert len(set(names)) == len(names)
    assert len({bug.source for bug in BUGS}) == len(BUGS) >= 28
    assert len(RIGHT) >= 15
    assert 3 * sum(bug.is_held_out for bug in BUGS) >= len(BUGS)
    assert {"assertion", "error", "deadlock", "callback", "unretrieved"} == {
        bug.kind for bug in BUGS
    }


def test_the_registry_is_complete():
    """Each file of the package's themes is in the registry."""
    files = {path.relative_to(ROOT / "bugs") for path in (ROOT / "bugs").glob("*/*.py")}
    programs = {
        str(path.with_suffix("")).replace("/", ".") for path in files if path.stem[0] != "_"
    }
    listed = {bug.name for bug in BUGS} | {right.name.rpartition(".")[0] for right in RIGHT}
    assert programs == listed


@each_program
def test_a_program_takes_nothing(main):
    """A program is a coroutine function without arguments, found by its name in its module."""
    assert inspect.iscoroutinefunction(main)
    assert not inspect.signature(main).parameters
    assert getattr(sys.modules[main.__module__], main.__name__) is main


def test_the_programs_are_plain_python():
    """The corpus imports the standard library and itself: any tool may be tried on it."""
    imported = set()
    for path in (ROOT / "bugs").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert imported - {"bugs"} <= sys.stdlib_module_names


def is_expected(bug, error):
    """Return whether a bug was found by the failure that its story tells of."""
    if isinstance(error, simloop.DeadlockError):
        return bug.may_hang
    return bug.kind in {"callback", "unretrieved"} or isinstance(error, bug.errors)


@needs_explore
@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
@each_bug
def test_a_bug_is_found_and_shrunk(bug, start):
    """Timing alone finds each bug soon, from wherever it starts, and little of it is needed."""
    found = simloop.explore(bug.buggy, schedules=SCHEDULES, seed=start, failures=FAILURES)
    (failure,) = found.failures
    assert is_expected(bug, failure.error), failure.error
    assert 1 < failure.found_at <= SCHEDULES  # The first is the undisturbed one.
    assert 1 <= len(failure.schedule.deviations) <= DEVIATIONS


@needs_explore
@each_silent
def test_a_right_program_is_left_alone_at_a_glance(main):
    """A corrected program, and one that relies on a promise of asyncio's, is not accused."""
    found = simloop.explore(main, schedules=GLANCE, failures=FAILURES)
    assert not found.failures, str(found)


@needs_explore
@pytest.mark.slow
@each_silent
def test_a_right_program_is_left_alone(main):
    """Nor is it in as many schedules as a bug is given, from another start."""
    found = simloop.explore(main, schedules=SCHEDULES, seed=STARTS[-1], failures=FAILURES)
    assert not found.failures, str(found)
