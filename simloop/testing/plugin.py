"""The pytest plugin's front: what pytest loads in every run, so it costs next to nothing.

Owns: the names that pytest knows us by (an ini option, a command line option, a mark, a fixture)
and the hooks. What a hook does stands beside it in ``_marked``, which is imported, and the engine
with it, when the first test needs it: a run without such a test never pays for it, and coverage,
which starts after plugins are loaded, sees all of it.

Must not know: loops and worlds. It imports nothing at its top but pytest.
"""

from __future__ import annotations

import inspect
import os
import shlex
import unittest
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__: list[str] = []

_MARK = "simloop"
_FIXTURE = "simloop_loop"
_SEED = "simloop_seed"
_OTHERS = ("asyncio", "anyio", "trio", "tornado", "twisted", "looptime")
"""Marks of plugins that run async tests themselves: the auto mode leaves those alone."""
_test = pytest.StashKey[Any]()
"""The function of a test that is ours to run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini option and the command line option."""
    parser.addini(
        "simloop_mode",
        "strict: run the async tests marked with simloop; auto: run every async test that no other"
        " plugin's mark claims",
        default="strict",
    )
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
    config.addinivalue_line(
        "markers",
        "simloop(*, seed, autojump, start_time, max_time, ..., require): run an async test in"
        " virtual time, with these options of simloop.run(); require names properties that must"
        " be true at some time.",
    )
    mode = config.getini("simloop_mode")
    if mode not in ("strict", "auto"):
        raise pytest.UsageError(f"simloop_mode is {mode!r}; it is strict or auto")
    _seeds(config)
    if config.getoption("simloop_seed") == "random":
        if hasattr(config, "workerinput"):
            config.option.simloop_seed = config.workerinput["simloop_seed"]
            return
        from . import _marked  # noqa: PLC0415 - as the docstring says

        config.option.simloop_seed = str(_marked.draw_seed())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker of xdist."""
    node.workerinput["simloop_seed"] = node.config.getoption("simloop_seed")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return a line with the seed, if one was asked for."""
    seed = config.getoption("simloop_seed")
    return None if seed is None else f"simloop: seed {seed}"


def _seeds(config: pytest.Config) -> list[int]:
    """Return the seeds that each test is to run with, if several were asked for."""
    asked = config.getoption("simloop_seeds")
    if asked is None:
        return []
    if config.getoption("simloop_seed") is not None:
        raise pytest.UsageError("--simloop-seed and --simloop-seeds: give one of them")
    found: list[int] = []
    for part in asked.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else not last)):
            raise pytest.UsageError(
                f"--simloop-seeds={asked}: {part!r} is no range of seeds; write 0-49, or 1,5,10-19"
            )
        if dash and int(last) < int(first):
            raise pytest.UsageError(f"--simloop-seeds={asked}: {part!r} ends before it begins")
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed, if several were asked for and the mark names none."""
    item, function = metafunc.definition, metafunc.function
    if metafunc.config.getoption("simloop_seeds") is None or not _wants_seeds(item, function):
        return
    seeds = _seeds(metafunc.config)
    metafunc.fixturenames.append(_SEED)
    metafunc.parametrize(_SEED, seeds, ids=[f"seed{seed}" for seed in seeds], indirect=True)


def _wants_seeds(item: Any, function: Any) -> bool:
    function = function.hypothesis.inner_test if hasattr(function, "hypothesis") else function
    if not inspect.iscoroutinefunction(inspect.unwrap(function)) or _is_case(item):
        return False
    marks = list(item.iter_markers(_MARK))
    if any("seed" in mark.kwargs for mark in marks):
        return False
    is_auto = item.config.getini("simloop_mode") == "auto"
    return bool(marks) or (is_auto and not any(item.get_closest_marker(each) for each in _OTHERS))


@pytest.fixture
def simloop_seed(request: pytest.FixtureRequest) -> Any:
    """Return the seed of the test's world."""
    from . import _marked  # noqa: PLC0415 - as the docstring says

    return getattr(request, "param", None) or _marked.seed_of(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the auto mode, mark what no other plugin runs; load the engine if a test wants it."""
    if config.getini("simloop_mode") == "auto":
        for item in items:
            if (
                _is_coroutine(item)
                and not _is_case(item)
                and not any(item.get_closest_marker(mark) for mark in _OTHERS)
            ):
                item.add_marker(_MARK)
    if not config.option.collectonly and any(map(_is_ours, items)):
        # Before a fixture puts others in the place of what the engine patches.
        from . import _marked  # noqa: F401, PLC0415 - as the docstring says


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give a marked test its loop, so that its async fixtures find it."""
    if _is_ours(item):
        # Before another plugin wraps it, to run it on its own loop.
        item.stash[_test] = item.obj  # type: ignore[attr-defined]  # a Function
        if _FIXTURE not in item.fixturenames:  # type: ignore[attr-defined]  # the same
            item.fixturenames.append(_FIXTURE)  # type: ignore[attr-defined]
    elif item.get_closest_marker(_MARK) is not None and _is_case(item) and _is_async(item):
        from . import _marked  # noqa: PLC0415 - as the docstring says

        _marked.refuse_case(item)


@pytest.fixture
def simloop_loop(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the test's loop in virtual time: a simloop.SimLoop with the options of its mark."""
    from . import _marked  # noqa: PLC0415 - as the docstring says

    yield from _marked.living(request.node)


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

    with _marked.fixture_on_loop(fixturedef, request):
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
    if _test not in item.stash:
        return (yield)
    from . import _marked  # noqa: PLC0415 - as the docstring says

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
    if report.failed and _FIXTURE in getattr(item, "fixturenames", ()):
        from . import _marked  # noqa: PLC0415 - as the docstring says

        report.sections += [(_MARK, text) for text in _marked.tell(item)]
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Annotate failures of explored tests, where GitHub shows that, with the schedule's token."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
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
