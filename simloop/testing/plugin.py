"""The pytest plugin's front: what pytest loads in every run, so it costs next to nothing.

Owns: the names that pytest knows us by (an ini option, a command line option, a mark, a fixture)
and the hooks. What a hook does stands beside it in ``_marked``, which is imported, and the engine
with it, when the first test needs it: a run without such a test never pays for it, and coverage,
which starts after plugins are loaded, sees all of it.

Must not know: loops and worlds. It imports nothing of the engine's at its top.
"""

from __future__ import annotations

import inspect
import os
import re
import shlex
import unittest
from typing import TYPE_CHECKING, Any

import pytest

from simloop._only_copy import bring_back
from simloop._presence import by_thread

from . import _settings
from ._foreign import ForeignLoops

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from simloop import SimLoop, World
    from simloop.testing import Clock

__all__: list[str] = []

_MARK = "simloop"
_FIXTURE = "simloop_loop"
_SEED = "simloop_seed"
_SIM_CASE = "_is_in_virtual_time"
"""An attribute of SimTestCase, whose errors tell all that by themselves."""
_OTHERS = ("asyncio", "anyio", "trio", "tornado", "twisted", "looptime")
"""Marks of plugins that run async tests themselves: the auto mode leaves those alone."""
_virtual = pytest.StashKey[bool]()
"""Whether a test without a mark runs in virtual time, by the mode."""
_foreign = pytest.StashKey[ForeignLoops]()
"""The loops of ours that other plugins make."""
_seeded = pytest.StashKey[bool]()
"""Whether a test was made of each of several seeds."""
_test = pytest.StashKey[Any]()
"""The function of a test that is ours to run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini option and the command line option."""
    parser.addini(
        "simloop_mode",
        "strict: run the async tests marked with simloop; auto: run every async test that no other"
        " plugin's mark claims, those of unittest's cases too; all: give plain tests a world, too",
        default="strict",
    )
    _settings.declare(parser)
    parser.getgroup("simloop", "simloop: asyncio tests in virtual time").addoption(
        "--simloop-seed",
        default=None,
        metavar="SEED",
        help="the seed of tests whose mark names none: a number, a word, or 'random' to draw one",
    )
    add = parser.getgroup("simloop").addoption
    add(
        "--simloop-seeds",
        default=None,
        metavar="RANGE",
        help="run each test in virtual time with each of these seeds: 0-49, or 1,5,10-19",
    )
    add(
        "--simloop-explore",
        type=int,
        default=None,
        metavar="N",
        help="run each test in virtual time under N schedules, and explain the one that breaks it",
    )
    add(
        "--simloop-seconds",
        type=float,
        default=None,
        metavar="S",
        help="explore each test for S seconds",
    )
    add(
        "--simloop-replay",
        default=None,
        metavar="FILE|TOKEN",
        help="run a test under the schedule that broke it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark; draw the seed if it is to be random, once for all workers of xdist."""
    bring_back()  # A pytest that ran in a test of this process may have loaded the engine.
    config.addinivalue_line(
        "markers",
        "simloop(*, seed, seeds, autojump, start_time, max_time, ..., require, trace): run an async"
        " test in virtual time, with these options of simloop.run(); seeds makes a test of each of"
        " them; require names properties that must be true at some time; trace is where a trace of"
        " it is written, for simloop show.",
    )
    if re.fullmatch(r"\d+-\d+(,.*)?", config.getoption("simloop_seed") or ""):
        asked = config.getoption("simloop_seed")
        raise pytest.UsageError(
            f"--simloop-seed={asked} is one seed, and looks like a range: for many seeds there is"
            f" --simloop-seeds={asked}"
        )
    mode = config.getini("simloop_mode")
    if mode not in ("strict", "auto", "all"):
        raise pytest.UsageError(f"simloop_mode is {mode!r}; it is strict, auto or all")
    _asked_seeds(config)
    config.stash[_settings.SETTINGS] = _settings.read(config)
    if config.getoption("simloop_seed") == "random":
        if hasattr(config, "workerinput"):
            config.option.simloop_seed = config.workerinput["simloop_seed"]
        else:
            from . import _marked  # noqa: PLC0415 - as the docstring says

            config.option.simloop_seed = str(_marked.draw_seed())
    seed = _settings.read_seed(config.getoption("simloop_seed"))
    config.stash[_foreign] = loops = ForeignLoops(seed)
    config.add_cleanup(loops.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Bring back what a pytest that ran in the test has forgotten at its end."""
    try:
        return (yield)
    finally:
        if "pytester" in getattr(item, "fixturenames", ()):
            bring_back()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker of xdist."""
    node.workerinput["simloop_seed"] = node.config.getoption("simloop_seed")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return a line with the seed, if one was asked for."""
    seed = config.getoption("simloop_seed")
    return None if seed is None else f"simloop: seed {seed}"


def _asked_seeds(config: pytest.Config) -> list[int]:
    """Return the seeds that each test is to run with, if several were asked for."""
    asked = config.getoption("simloop_seeds")
    if asked is None:
        return []
    if config.getoption("simloop_seed") is not None:
        raise pytest.UsageError("--simloop-seed and --simloop-seeds: give one of them")
    from ._many_runs import seed_ranges  # noqa: PLC0415 - as the docstring says

    return seed_ranges.read_range(asked)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed, where the mark or the command line has several."""
    try:
        _make_tests_of_seeds(metafunc)
    except pytest.UsageError as error:
        refusal = str(error)
    else:
        return
    pytest.fail(refusal, pytrace=False)  # Told as pytest tells wrong parameters: without frames.


def _make_tests_of_seeds(metafunc: pytest.Metafunc) -> None:
    item, function, config = metafunc.definition, metafunc.function, metafunc.config
    marked = _marked_seeds(item)
    if marked is None and config.getoption("simloop_seeds") is None:
        return
    if not _wants_seeds(item, function, drives=_FIXTURE in metafunc.fixturenames):
        return
    from ._many_runs import seed_ranges  # noqa: PLC0415 - as the docstring says

    seeds = _asked_seeds(config) or seed_ranges.read_seeds(marked, item.nodeid)
    config.stash[_seeded] = True
    metafunc.fixturenames.append(_SEED)
    metafunc.parametrize(
        _SEED, seeds, ids=[seed_ranges.name_of(seed) for seed in seeds], indirect=True
    )


def _marked_seeds(item: Any) -> Any:
    """Return the seeds of a test's mark; None if it has none, or a nearer one has a single seed."""
    for mark in item.iter_markers(_MARK):
        if "seeds" in mark.kwargs:
            if "seed" in mark.kwargs:
                raise pytest.UsageError(
                    f"the mark {_MARK} of {item.nodeid} has seed= and seeds=: give one of them"
                )
            return mark.kwargs["seeds"]
        if "seed" in mark.kwargs:
            return None
    return None


def _wants_seeds(item: Any, function: Any, *, drives: bool) -> bool:
    """Return whether a test in virtual time has no seed; a plain one may drive its loop itself."""
    function = function.hypothesis.inner_test if hasattr(function, "hypothesis") else function
    is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
    if _is_case(item) or not (is_async or drives):
        return False
    marks = list(item.iter_markers(_MARK))
    if _marked_seeds(item) is None and any("seed" in mark.kwargs for mark in marks):
        return False
    is_auto = item.config.getini("simloop_mode") != "strict"
    return bool(marks) or (is_auto and not any(item.get_closest_marker(each) for each in _OTHERS))


@pytest.fixture
def simloop_seed(request: pytest.FixtureRequest) -> int | str:
    """Return the seed of the test's world."""
    from . import _marked  # noqa: PLC0415 - as the docstring says

    seed: int | str = getattr(request, "param", None) or _marked.seed_of(request.node)
    return seed


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the auto mode, mark what no other plugin runs; load the engine if a test wants it."""
    if config.getini("simloop_mode") != "strict":
        for item in items:
            if (
                _is_coroutine(item)
                and not _is_case(item)
                and not any(item.get_closest_marker(mark) for mark in _OTHERS)
            ):
                item.add_marker(_MARK)
    if not config.option.collectonly and any(_is_ours(item) or _way(item) for item in items):
        # Before a fixture puts others in the place of what the engine patches.
        from . import _marked  # noqa: F401, PLC0415 - as the docstring says


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_collection_finish(session: pytest.Session) -> Generator[None, None, None]:
    """Let the tests run first that failed with their seed the last time."""
    if _seeded in session.config.stash:
        from ._many_runs import seed_ranges  # noqa: PLC0415 - as the docstring says

        seed_ranges.kept_first(session.config, session.items)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give a marked test its loop, so that its async fixtures find it."""
    item.config.stash[_foreign].test_begins()
    if (callspec := getattr(item, "callspec", None)) is not None and _SEED in callspec.params:
        item.user_properties.append((_SEED, callspec.params[_SEED]))
    if _is_ours(item):
        # Before another plugin wraps it, to run it on its own loop.
        item.stash[_test] = item.obj  # type: ignore[attr-defined]  # a Function
        if _FIXTURE not in item.fixturenames:  # type: ignore[attr-defined]  # the same
            item.fixturenames.append(_FIXTURE)  # type: ignore[attr-defined]
    elif _way(item):
        return
    elif item.get_closest_marker(_MARK) is not None and _is_case(item) and _is_async(item):
        from . import _marked  # noqa: PLC0415 - as the docstring says

        _marked.refuse_case(item)


@pytest.fixture
def simloop_loop(request: pytest.FixtureRequest) -> Iterator[SimLoop]:
    """Return the test's loop in virtual time: a simloop.SimLoop with the options of its mark."""
    from . import _marked  # noqa: PLC0415 - as the docstring says

    yield from _marked.living(request.node)


@pytest.fixture
async def simloop_world(simloop_loop: SimLoop) -> World:
    """Return the test's world: its hosts, network, names and programs."""
    del simloop_loop  # Which makes this fixture run in the world; an explored test has many.
    from simloop import current_world  # noqa: PLC0415 - as the docstring says

    return current_world()


@pytest.fixture
def simloop_clock(request: pytest.FixtureRequest) -> Clock:
    """Return the clock of a test in virtual time, which stands still until the test moves it."""
    if _FIXTURE not in request.fixturenames:
        pytest.fail(
            "simloop_clock is the clock of tests with the mark simloop; elsewhere use"
            " simloop.current_loop().advance(seconds)",
            pytrace=False,
        )
    from ._clock import Clock  # noqa: PLC0415 - as the docstring says

    return Clock()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Run async fixtures of marked tests on the test's loop."""
    function = fixturedef.func
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if not is_async or _FIXTURE not in request.fixturenames:
        return (yield)
    from . import _marked  # noqa: PLC0415 - as the docstring says

    with _marked.fixture_on_loop(fixturedef, request, is_run=_is_ours(request.node)):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked async test in virtual time."""
    __tracebackhide__ = True
    if _test not in pyfuncitem.stash:
        return None
    from . import _marked  # noqa: PLC0415 - as the docstring says

    return _marked.run_test(pyfuncitem, pyfuncitem.stash[_test]) or None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Demand what a property of Hypothesis requires, when all of its examples have run."""
    __tracebackhide__ = True
    way = _way(item)
    if _test not in item.stash and not way:
        return (yield)
    from . import _marked  # noqa: PLC0415 - as the docstring says

    _marked.name_folder(item.config)
    if way:
        item.stash[_virtual] = True
        with _marked.case_on_loop(item) if way == "case" else _marked.in_world(item):
            return (yield)
    try:
        result = yield
    except Exception:
        _marked.explain_example(item)
        raise
    _marked.check_examples(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Add to the report of a failure in virtual time what replays it."""
    report = yield
    is_ours = _virtual in item.stash or _FIXTURE in getattr(item, "fixturenames", ())
    if report.failed and is_ours:
        from . import _marked  # noqa: PLC0415 - as the docstring says

        report.sections += [(_MARK, text) for text in _marked.tell(item)]
    elif report.failed and not getattr(getattr(item, "cls", None), _SIM_CASE, False):
        used = item.config.stash[_foreign].last_used()
        if used is not None:
            path = os.path.relpath(item.path, item.config.invocation_params.dir)
            line = ["pytest", path + "".join(item.nodeid.partition("::")[1:])]
            line += [] if used[1] is None else [f"--simloop-seed={used[1]}"]
            report.sections.append((_MARK, f"{used[0]}\nreplay: {shlex.join(line)}\n"))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell which of several seeds failed, and annotate failures where GitHub shows that."""
    reports = (each for ending in terminalreporter.stats.values() for each in ending)
    if any(_SEED in dict(getattr(each, "user_properties", ())) for each in reports):
        from ._many_runs import seed_ranges  # noqa: PLC0415 - as the docstring says

        seed_ranges.keep(config, terminalreporter.stats)
        lines = list(seed_ranges.tell_failed(config, terminalreporter.stats))
        if lines:
            terminalreporter.section("simloop: seeds")
        for line in lines:
            terminalreporter.write_line(line)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _annotate(terminalreporter)


def _annotate(terminalreporter: Any) -> None:
    """Write what GitHub shows at the line of a test that failed under a schedule."""
    for report in terminalreporter.stats.get("failed", ()):
        token = dict(getattr(report, "user_properties", ())).get("simloop_schedule")
        if token is None:
            continue
        path, line, name = report.location
        what = report.longrepr.reprcrash.message.partition("\n")[0]
        replay = f"pytest {shlex.quote(report.nodeid)} --simloop-replay={token}"
        # Of GitHub's workflow commands: these three characters end a message, or part it.
        text = f"{what}\nReplay: {replay}".replace("%", "%25").replace("\r", "%0D")
        text = text.replace("\n", "%0A")
        terminalreporter.write_line(
            f"::error file={path},line={(line or 0) + 1},title={name} under a schedule::{text}"
        )


def _way(item: pytest.Item) -> str:
    """Return how the mode lets a test that is not ours run in virtual time, if it does.

    "case": unittest gets our loop for it. "world": it runs in a world, in which what it asks of
    asyncio is virtual.
    """
    mode = item.config.getini("simloop_mode")
    if mode == "strict" or not isinstance(item, pytest.Function) or _is_ours(item):
        return ""
    if any(item.get_closest_marker(each) for each in _OTHERS) or _is_in_run():
        return ""
    if _is_case(item) and issubclass(item.cls, unittest.IsolatedAsyncioTestCase):
        is_sim = getattr(item.cls, _SIM_CASE, False)
        return "" if is_sim else "case"  # Plain tests, too: asyncSetUp is a coroutine function.
    if _is_case(item) and _is_async(item):
        return "world"  # Its class runs coroutine functions itself, as Django's cases do.
    is_plain = not _is_async(item) and _FIXTURE not in item.fixturenames
    is_wrapped = getattr(_function(item), "is_in_virtual_time", False)
    return "world" if mode == "all" and is_plain and not is_wrapped else ""


def _is_in_run() -> bool:
    """Return whether pytest itself runs in a world, by ``simloop run pytest``: all is virtual."""
    if not by_thread:
        return False
    from simloop.exploration.properties.presence import world_of_caller  # noqa: PLC0415 - rare

    return world_of_caller() is not None


def _is_ours(item: pytest.Item) -> bool:
    return item.get_closest_marker(_MARK) is not None and _is_async(item) and not _is_case(item)


def _is_async(item: pytest.Item) -> bool:
    """Return whether a test is a coroutine function, or a decorator's wrapper of one."""
    function = _function(item)
    if getattr(function, "is_in_virtual_time", False):
        return False  # It runs itself, by the decorator of that name.
    return function is not None and inspect.iscoroutinefunction(inspect.unwrap(function))


def _is_coroutine(item: pytest.Item) -> bool:
    """Return whether a test is a coroutine function itself."""
    return inspect.iscoroutinefunction(_function(item))


def _function(item: pytest.Item) -> Any:
    """Return a test's function, or the one within if Hypothesis calls it; else None."""
    function: Any = getattr(item, "obj", None)
    if not isinstance(item, pytest.Function):
        return None
    return function.hypothesis.inner_test if hasattr(function, "hypothesis") else function


def _is_case(item: pytest.Item) -> bool:
    """Return whether a test is a method of a unittest case, which runs it on a loop of its own."""
    cls = getattr(item, "cls", None)
    return cls is not None and issubclass(cls, unittest.TestCase)
