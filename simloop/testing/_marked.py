"""What the pytest plugin does for a marked test.

Owns: reading the mark, the test's life between its first async fixture and its last, and what a
failure's report says. The hooks themselves stand in ``plugin``.

Invariants:

- A test and its async fixtures run on one loop; nothing is left of it when the test has ended.
- The line in the report that replays a failure, pasted into a shell, runs that test with that seed.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from simloop._sandbox import drop_engine_entries
from simloop._sandbox.time import real_clock
from simloop.errors import UsageError
from simloop.exploration.properties.tallies import Tally, add_up
from simloop.trace.plain_text import let_stand

from ._life import TestRun, options_of
from ._required import demand_of_test, required_of
from ._settings import SETTINGS, read_seed
from ._traces import line_of, trace_path, tracing, with_error

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from simloop.world.run_options import RunOptions

__all__ = [
    "case_on_loop",
    "check_examples",
    "draw_seed",
    "explain_example",
    "fixture_on_loop",
    "in_world",
    "living",
    "refuse_case",
    "run_test",
    "seed_of",
    "tell",
]

_MARK = "simloop"
_FIXTURE = "simloop_loop"
_SEED = "simloop_seed"
_CLOCK = "simloop_clock"
_ASKING = ("explore", "seconds", "replay")
"""What the command line asks of an exploration."""
_EXPLORING = ("explore", "seconds", "strategy", "delays", "failures")
"""What the mark takes for one; see ``explored_tests``."""
_NOT_OF_RUN = (*_EXPLORING, "require", "seeds", "trace")
"""What the mark takes that is no option of a run."""
_life = pytest.StashKey[TestRun]()
_examples = pytest.StashKey[Any]()
"""The examples of a property that are explored."""
_total = pytest.StashKey[dict[str, Tally]]()
"""What became of the properties of a test in all examples of Hypothesis."""


def draw_seed() -> int:
    """Draw a seed from the real world."""
    return int.from_bytes(real_clock.urandom(4), "big")


def _given(item: pytest.Item) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return the options of a test's run, and what was given to its marks without a name."""
    given: dict[str, Any] = {
        name: value for name, value in item.config.stash[SETTINGS].items() if name != "explore"
    }
    if _CLOCK in getattr(item, "fixturenames", ()):
        given["autojump"] = False
    if (seed := item.config.getoption("simloop_seed")) is not None:
        given["seed"] = read_seed(seed)
    args: tuple[Any, ...] = ()
    for mark in reversed(list(item.iter_markers(_MARK))):
        given |= {name: each for name, each in mark.kwargs.items() if name not in _NOT_OF_RUN}
        args += mark.args
    if (callspec := getattr(item, "callspec", None)) is not None and _SEED in callspec.params:
        given["seed"] = callspec.params[_SEED]
    return given, args


def seed_of(item: pytest.Item) -> Any:
    """Return the seed of a test's world."""
    return _given(item)[0].get("seed", 0)


def _options(item: pytest.Item) -> RunOptions:
    """Read a test's marks, the nearest last, and the command line for the seed."""
    given, args = _given(item)
    try:
        return options_of(f"the mark {_MARK} of {item.nodeid}", given, *args, further=_NOT_OF_RUN)
    except UsageError as error:
        refusal = str(error)
    pytest.fail(refusal, pytrace=False)


def name_folder(config: pytest.Config) -> None:
    """Keep the number of pytest's session out of digests, or no schedule of one would replay.

    ``tmp_path`` is in a folder that each session numbers anew, and programs print paths.
    """
    folder = getattr(getattr(config, "_tmp_path_factory", None), "_basetemp", None)
    if folder is not None:
        let_stand("<the session's folder>", str(folder))


def refuse_case(item: pytest.Item) -> None:
    """Refuse a mark that could do nothing: unittest runs the test, on its own or on our loop."""
    from ._case import SimTestCase  # noqa: PLC0415 - most suites have none

    cls: Any = item.cls  # type: ignore[attr-defined]  # a method of one
    mark = item.get_closest_marker(_MARK)
    assert mark is not None
    if issubclass(cls, SimTestCase):
        if mark.args or mark.kwargs:
            pytest.fail(
                f"the options of a SimTestCase are attributes of its class; {cls.__qualname__} has"
                f" the mark {_MARK} with some",
                pytrace=False,
            )
        return
    pytest.fail(
        f"the mark {_MARK} does nothing in a unittest case: derive {cls.__qualname__} from"
        " simloop.testing.SimTestCase, whose class attributes are the options",
        pytrace=False,
    )


def living(item: pytest.Item) -> Iterator[Any]:
    """Yield the test's loop, and end it when the test and its fixtures are done."""
    life = _started(item)
    item.stash[_life] = life
    try:
        yield life.loop
    finally:
        life.close()


@contextmanager
def case_on_loop(item: pytest.Item) -> Iterator[None]:
    """Let unittest's async case run its test on a loop in virtual time, unless it has a factory."""
    case = item.instance  # type: ignore[attr-defined]  # a Function
    if getattr(case, "loop_factory", None) is None:
        life = _started(item)
        item.stash[_life] = life
        if sys.version_info >= (3, 13):
            case.loop_factory = life.make_loop
        else:
            case._setupAsyncioRunner = functools.partial(_set_up_runner, case, life)
        with life.ending():
            yield
        return
    yield


def _set_up_runner(case: Any, life: TestRun) -> None:
    """Make the runner of a case, as unittest does it up to Python 3.12, with our loop."""
    case._asyncioRunner = asyncio.Runner(debug=True, loop_factory=life.make_loop)


@contextmanager
def in_world(item: pytest.Item) -> Iterator[None]:
    """Let a plain test run in a world: what it asks of asyncio, time and sockets is virtual."""
    life = _started(item)
    item.stash[_life] = life
    try:
        with life.world.inside():
            yield
        life.finish()
    except BaseException as error:
        life.error = error
        raise
    finally:
        if life.world.threads.sim_threads:
            with life.world.inside():
                life.world.threads.end_all()
        life.close()


def _started(item: pytest.Item) -> TestRun:
    """Make the world and the loop of a test; a value that means nothing is told in one line."""
    options = _options(item)
    path = trace_path(item)
    try:
        life = TestRun(options)
    except UsageError as error:
        refusal = f"the mark {_MARK} of {item.nodeid} got {error}"
        pytest.fail(refusal, pytrace=False)
    if path is not None and _explored(item) is None:  # Else each schedule has a world of its own.
        life.trace(tracing(life.world, path, item.nodeid), with_error)
    return life


def _explored(item: pytest.Item) -> tuple[Any, Any] | None:
    """Return the module of explored tests and what was asked, or None for a test that runs once."""
    option = item.config.getoption
    is_asked = any(option(f"simloop_{name}") is not None for name in _ASKING)
    is_asked |= "explore" in item.config.stash[SETTINGS]
    if not is_asked and not any(
        name in mark.kwargs for mark in item.iter_markers(_MARK) for name in _EXPLORING
    ):
        return None
    from ._many_runs import explored_tests  # noqa: PLC0415 - most tests run once

    try:
        asked = explored_tests.wanted(item, _MARK)
    except UsageError as error:
        refusal = f"the mark {_MARK} of {item.nodeid}, or the command line, got {error}"
    else:
        return None if asked is None else (explored_tests, asked)
    pytest.fail(refusal, pytrace=False)


def run_test(item: pytest.Function, function: Any) -> bool:
    """Run an async test on its loop."""
    __tracebackhide__ = True
    explored = _explored(item)
    if explored is not None:
        if hasattr(function, "hypothesis"):
            _let_examples_be_explored(item, function, explored[1])
            return False
        explored[0].run(item, function, explored[1], _given(item)[0], required_of(item))
        return True
    if hasattr(function, "hypothesis"):
        _let_examples_run(item, function.hypothesis)
        return False  # Hypothesis calls it, as a plain function from now on.
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
    required = required_of(item)
    result = function(**arguments)
    if inspect.iscoroutine(result):
        life = item.stash[_life]
        life.run(result)
        life.finish()
        if required:
            demand_of_test(life.tallies(), required)
    return True


def _let_examples_run(item: pytest.Function, hypothesis: Any) -> None:
    """Run each example of a property in a world of its own, with the same options."""
    total: dict[str, Tally] = {}
    item.stash[_total] = total
    function = hypothesis.inner_test
    function = getattr(function, "__wrapped__", function)

    @functools.wraps(function)
    def run_example(*args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True
        life = _started(item)
        item.stash[_life] = life
        try:
            life.run(function(*args, **kwargs))
            life.finish()
        except BaseException as error:
            drop_engine_entries(error)  # Else pytest shows what is behind Hypothesis's own.
            raise
        finally:
            life.close()
        add_up(total, life.tallies())

    hypothesis.inner_test = run_example


def _let_examples_be_explored(item: pytest.Function, function: Any, asked: Any) -> None:
    """Explore each example of a property."""
    from ._many_runs.explored_examples import Examples, without_deadline  # noqa: PLC0415 - it imports Hypothesis

    inner = function.hypothesis.inner_test
    try:
        examples = Examples(item, getattr(inner, "__wrapped__", inner), asked, _given(item)[0])
    except UsageError as error:
        refusal = str(error)
    else:
        item.stash[_total] = examples.properties
        item.stash[_examples] = examples
        without_deadline(function)

        @functools.wraps(examples.function)
        def explore_example(*args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            examples.run(*args, **kwargs)

        function.hypothesis.inner_test = explore_example
        return
    pytest.fail(refusal, pytrace=False)


def check_examples(item: pytest.Item) -> None:
    """Demand what a test requires of all examples together, where Hypothesis has run some."""
    if (total := item.stash.get(_total, None)) is not None:
        demand_of_test(total, required_of(item))


def explain_example(item: pytest.Item) -> None:
    """Explain the smallest example that failed, if one was explored."""
    if (examples := item.stash.get(_examples, None)) is not None:
        examples.explain()


@contextmanager
def fixture_on_loop(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest, *, is_run: bool
) -> Iterator[None]:
    """Make a fixture's async function a plain one, which runs it on the test's loop.

    Args:
        fixturedef: The fixture.
        request: Who asks for it.
        is_run: Whether we run the test, and so explore it; a plain one drives its loop itself.
    """
    function = fixturedef.func
    # Without its attributes, by which another plugin may know the function for one of its own.
    fixturedef.func = functools.wraps(function, updated=())(  # type: ignore[misc]  # as every plugin with async fixtures does
        _plain(fixturedef, request, is_run=is_run)
    )
    try:
        yield
    finally:
        fixturedef.func = function  # type: ignore[misc]  # the same


def _plain(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest, *, is_run: bool
) -> Callable[..., Any]:
    """Return the plain function in place of an async one; for what can't be, one that refuses."""
    if refusal := _refusal(fixturedef):
        # By the function and not here: pytest then knows of the failure and takes the fixture down.
        return functools.partial(_refuse, refusal)
    loop = request.getfixturevalue(_FIXTURE)
    life = request.node.stash[_life]
    assert life.loop is loop
    bound = _bind(fixturedef.func, request.instance)
    explored = _explored(request.node) if is_run else None
    if explored is not None:
        of_schedule = explored[0].FixtureOfSchedule
        return lambda **arguments: of_schedule(fixturedef.argname, bound, arguments)
    runs = _run_generator if inspect.isasyncgenfunction(fixturedef.func) else _run_coroutine
    return functools.partial(runs, life, bound, request)


def _refusal(fixturedef: pytest.FixtureDef[Any]) -> str:
    """Return why this fixture can't be made on a test's loop, with the way out, or nothing."""
    name = fixturedef.argname
    if asyncio._get_running_loop() is not None:
        return (
            f"the async fixture {name!r} was asked for while a loop runs, which can't be driven"
            f" from within; name {name!r} among the test's arguments, or mark the test with"
            f" pytest.mark.usefixtures({name!r})"
        )
    if fixturedef.scope != "function":
        return (
            f"the async fixture {name!r} has scope {fixturedef.scope!r}, and each simloop test has"
            " a loop of its own; give it scope 'function', or make it sync"
        )
    return ""


def _refuse(text: str, **_arguments: Any) -> None:
    """Fail the test or its setup by a line without frames."""
    pytest.fail(text, pytrace=False)


def _bind(function: Any, instance: Any) -> Any:
    """Bind a fixture that is a method to the test's instance, as pytest would."""
    owner = getattr(function, "__self__", None)
    if owner is not None and instance is not None and type(owner) is type(instance):
        return function.__func__.__get__(instance)
    return function


def _run_coroutine(
    life: TestRun,
    function: Callable[..., Coroutine[Any, Any, Any]],
    _request: pytest.FixtureRequest,
    **arguments: Any,
) -> Any:
    __tracebackhide__ = True
    return life.run(function(**arguments))


def _run_generator(
    life: TestRun, function: Any, request: pytest.FixtureRequest, **arguments: Any
) -> Any:
    __tracebackhide__ = True
    generator = function(**arguments)

    async def begin() -> Any:
        return await anext(generator)

    async def end() -> None:
        async for value in generator:
            raise UsageError(f"the async fixture {request.fixturename!r} yielded again: {value!r}")

    def finish() -> None:
        __tracebackhide__ = True
        life.run(end())

    value = life.run(begin())
    request.addfinalizer(finish)
    return value


def tell(item: pytest.Item) -> Iterator[str]:
    """Yield how far a test came in its world, if it had one yet, and what replays it."""
    life = item.stash.get(_life, None)
    if life is None:
        return
    if (trace := trace_path(item)) is not None:
        yield line_of(item, trace)
    try:
        explored = _explored(item)
    except pytest.fail.Exception:
        return  # That is what has failed.
    if explored is not None:
        yield from explored[0].report_of(item)
        return
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    _, colons, name = item.nodeid.partition("::")
    command = ["pytest", path + colons + name]
    if item.config.getoption("simloop_seeds") is not None:
        command.append(f"--simloop-seeds={life.world.seed}")  # Which the test's name holds.
    elif not any(
        name in mark.kwargs for mark in item.iter_markers(_MARK) for name in ("seed", "seeds")
    ):
        command.append(f"--simloop-seed={life.world.seed}")
    yield f"{life}\nreplay: {shlex.join(command)}\n"
