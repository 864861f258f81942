"""``patch`` in all its forms: which mock it makes, in which order, and how long it is in force."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import types
import unittest.mock

import pytest

import asynctest_compat as asynctest
from asynctest_compat import GLOBAL, LIMITED, CoroutineMock, MagicMock, patch
from asynctest_compat._mocks.coroutines import is_coroutine_function

BOTH = pytest.mark.parametrize("scope", [GLOBAL, LIMITED])


class Target:
    value = 1
    other = 1
    numbers: dict[str, int]

    async def coroutine(self):
        return "real"

    @types.coroutine
    def generator_based(self):
        yield

    @classmethod
    async def of_class(cls, argument):
        return argument

    @staticmethod
    async def static(argument):
        return argument

    def plain(self, argument):
        return argument

    @classmethod
    def plain_of_class(cls, argument):
        return argument


@pytest.fixture(autouse=True)
def target():
    """Check after each test that the target is as it was."""
    Target.numbers = {"a": 1}
    before = dict(vars(Target))
    yield
    assert dict(vars(Target)) == before
    assert Target.numbers == {"a": 1}


def here(name: str) -> str:
    return f"{__name__}.Target.{name}"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let patch find this module by its name."""
    import sys

    monkeypatch.setitem(sys.modules, __name__, types.SimpleNamespace(Target=Target))


COROUTINES = ["coroutine", "generator_based", "of_class", "static"]


@pytest.mark.parametrize("name", [*COROUTINES, "plain", "plain_of_class", "value"])
@pytest.mark.parametrize("how", [{}, {"spec": True}, {"spec_set": True}, {"return_value": 3}])
def test_the_target_decides_the_mock(name, how) -> None:
    """A coroutine function of any kind gives a CoroutineMock, everything else a MagicMock."""
    expected = CoroutineMock if name in COROUTINES else MagicMock
    with patch(here(name), **how) as mock:
        assert isinstance(mock, expected)
        assert isinstance(mock, CoroutineMock) == (expected is CoroutineMock)
        assert getattr(Target, name) is mock
    with patch.object(Target, name, **how) as mock:
        assert isinstance(mock, expected)


@pytest.mark.parametrize("name", ["coroutine", "of_class", "static"])
def test_autospec_checks_signatures_of_coroutines(name) -> None:
    """With autospec=True a coroutine stays one, and wrong arguments are a TypeError."""
    with patch.object(Target, name, autospec=True, return_value="mocked") as mock:
        assert is_coroutine_function(mock)
        call = getattr(Target(), name)
        arguments = () if name == "coroutine" else (1,)
        assert asyncio.run(call(*arguments)) == "mocked"
        mock.assert_awaited_once()
        with pytest.raises(TypeError):
            call(1, 2, 3)


def test_new_and_new_callable_win() -> None:
    """What the caller gives is used as it is."""
    with patch(here("coroutine"), 5) as new:
        assert new == Target.coroutine == 5
    with patch(here("coroutine"), new_callable=asynctest.Mock) as mock:
        assert type(mock).__name__ == "Mock"


def test_a_class_with_a_spec_has_instances_with_one(monkeypatch) -> None:
    """Patching a class by spec gives instances whose coroutine methods are CoroutineMocks."""
    holder = types.SimpleNamespace(klass=Target)
    with patch.object(holder, "klass", spec=True) as klass:
        assert isinstance(klass().coroutine, CoroutineMock)
        assert not isinstance(klass().plain, CoroutineMock)
        assert isinstance(klass(), Target)


def test_multiple_gives_mocks_by_keyword() -> None:
    """patch.multiple replaces several, and passes the mocks that it made by their names."""
    default = asynctest.DEFAULT
    with patch.multiple(Target, coroutine=default, plain=default, value=7) as mocks:
        assert Target.value == 7
        assert isinstance(mocks["coroutine"], CoroutineMock)
        assert sorted(mocks) == ["coroutine", "plain"]

    @patch.multiple(Target, coroutine=default, value=8)
    @patch.object(Target, "plain")
    async def patched(*args, **kwargs):
        await asyncio.sleep(0)
        return Target.value, len(args), sorted(kwargs)

    assert asyncio.run(patched()) == (8, 1, ["coroutine"])
    with pytest.raises(ValueError, match="at least one"):
        patch.multiple(Target)


PACKAGES = {"ours": patch, "unittest": unittest.mock.patch}
STACKS = [
    *((outer, inner, kind) for outer in PACKAGES for inner in PACKAGES for kind in ("plain", "co")),
    ("ours", "ours", "generator"),  # unittest's patch does not know generators
]


@pytest.mark.parametrize(("outer", "inner", "kind"), STACKS)
def test_patches_of_both_packages_stack(outer, inner, kind) -> None:
    """Mocks come in the order of the decorators, the lowest first, whoever made them."""

    def body(self, first, second):
        assert Target.value is first
        assert Target.other is second
        return "done"

    async def coroutine(self, first, second):
        await asyncio.sleep(0)
        return body(self, first, second)

    def generator(self, first, second):
        yield body(self, first, second)

    function = {"plain": body, "co": coroutine, "generator": generator}[kind]
    patch_value = PACKAGES[inner].object(Target, "value")
    patch_other = PACKAGES[outer].object(Target, "other")
    result = patch_other(patch_value(function))("self")
    if kind == "co":
        result = asyncio.run(result)
    if kind == "generator":
        (result,) = result
    assert result == "done"
    assert Target.value == Target.other == 1


def test_issues_121_and_148_each_call_gets_mocks_of_its_own() -> None:
    """A patched coroutine does not see the calls of its earlier runs."""
    mocks = []

    @patch.object(Target, "coroutine")
    async def patched(mock):
        await Target.coroutine()
        mock.assert_awaited_once()
        await asyncio.sleep(0)
        assert Target.coroutine is mock
        mocks.append(mock)

    asyncio.run(patched())
    asyncio.run(patched())
    assert mocks[0] is not mocks[1]


@BOTH
def test_coroutines_that_overlap_keep_their_mocks(scope) -> None:
    """Two calls of one patched coroutine that take turns each see their own mock, if LIMITED."""
    seen = []

    @patch.object(Target, "value", scope=scope)
    async def patched(mock):
        for _ in range(3):
            seen.append(Target.value is mock)
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(patched(), patched())

    if scope is LIMITED:
        asyncio.run(main())
        assert seen == [True] * 6
    else:
        asyncio.run(patched())
        assert seen == [True] * 3


def kinds_of_bodies(note):
    """A function of each kind that runs in steps: it notes, waits, notes, waits, notes."""

    def generator():
        for _ in range(2):
            note()
            yield
        note()

    async def coroutine():
        for _ in range(2):
            note()
            await asyncio.sleep(0)
        note()

    async def async_generator():
        note()
        yield 1
        note()
        await asyncio.sleep(0)
        note()

    return {
        "generator": generator,
        "coroutine": coroutine,
        "types.coroutine": types.coroutine(generator),
        "async generator": async_generator,
    }


async def consume(items, note):
    async for _ in items:
        note()


@BOTH
@pytest.mark.parametrize("kind", list(kinds_of_bodies(None)))
def test_the_scope_says_when(scope, kind) -> None:
    """GLOBAL is in force from the first step to the end, LIMITED while the body runs."""
    inside, outside = [], []

    def note(seen):
        seen.append((Target.value, dict(Target.numbers)))

    function = kinds_of_bodies(lambda: note(inside))[kind]
    decorated = patch.object(Target, "value", 2, scope=scope)(function)
    decorated = patch.dict(Target.numbers, {"b": 2}, scope=scope)(decorated)
    steps = decorated()
    assert Target.value == 1, "nothing is patched before the first step"
    if kind == "async generator":
        steps = consume(steps, lambda: note(outside))
    for _ in steps.__await__() if hasattr(steps, "__await__") else steps:
        note(outside)
    patched = (2, {"a": 1, "b": 2})
    assert inside == [patched] * 3
    assert outside == [patched if scope is GLOBAL else (1, {"a": 1})] * 2


@pytest.mark.parametrize("kind", list(kinds_of_bodies(None)))
def test_a_patched_function_stays_of_its_kind(kind) -> None:
    """Whatever asks what a function is gets the same answer as without the patch."""
    function = kinds_of_bodies(None)[kind]
    decorated = patch.dict(Target.numbers)(patch.object(Target, "value")(function))
    for ask in (
        inspect.isgeneratorfunction,
        inspect.iscoroutinefunction,
        inspect.isasyncgenfunction,
        is_coroutine_function,
    ):
        assert ask(decorated) == ask(function)
    assert decorated.__name__ == function.__name__
    assert decorated.__wrapped__ is function


@BOTH
@pytest.mark.parametrize("end", ["return", "raise", "close", "throw", "collect"])
def test_every_end_is_an_end(scope, end) -> None:
    """However a patched generator ends, its patches go, and are in force until it has ended."""
    at_end = []

    @patch.object(Target, "value", 2, scope=scope)
    def patched():
        try:
            yield
            if end == "raise":
                raise OSError("broken")
        finally:
            at_end.append(Target.value)

    steps = patched()
    next(steps)
    with contextlib.suppress(OSError, KeyError, StopIteration):
        if end == "close":
            steps.close()
        elif end == "throw":
            steps.throw(KeyError("thrown"))
        elif end == "collect":
            del steps
            gc.collect()
        else:
            next(steps)
    assert at_end == [2]
    assert Target.value == 1


@BOTH
@pytest.mark.parametrize("end", ["return", "raise", "close", "throw"])
def test_every_end_of_an_asynchronous_generator_is_one(scope, end) -> None:
    """It is patched while it waits in its own finally, and not after that."""
    at_end = []

    @patch.object(Target, "value", 2, scope=scope)
    async def patched():
        try:
            got = yield Target.value
            yield got
            if end == "raise":
                raise OSError("broken")
        finally:
            await asyncio.sleep(0)
            at_end.append(Target.value)

    async def main():
        items = patched()
        assert await anext(items) == 2
        assert await items.asend("sent") == "sent"
        outside = Target.value
        with contextlib.suppress(OSError, KeyError, StopAsyncIteration):
            if end == "close":
                await items.aclose()
            elif end == "throw":
                await items.athrow(KeyError("thrown"))
            else:
                await anext(items)
        return outside

    assert asyncio.run(main()) == (2 if scope is GLOBAL else 1)
    assert at_end == [2]


def test_an_asynchronous_generator_handles_what_is_thrown() -> None:
    """An exception that is thrown into it may be caught, and it goes on patched."""

    @patch.object(Target, "value", 2, scope=LIMITED)
    async def patched():
        try:
            yield 1
        except KeyError as error:
            yield error.args[0], Target.value

    async def main():
        items = patched()
        await anext(items)
        result = await items.athrow(KeyError("thrown"))
        await items.aclose()
        return result

    assert asyncio.run(main()) == ("thrown", 2)


def test_what_is_sent_and_thrown_arrives() -> None:
    """A patched generator is driven as if it were not patched."""

    @patch.object(Target, "value", 2, scope=LIMITED)
    def patched(start):
        got = yield start
        try:
            yield got
        except KeyError as error:
            yield error.args
        return "end"

    steps = patched("start")
    assert next(steps) == "start"
    assert steps.send("sent") == "sent"
    assert steps.throw(KeyError("thrown")) == ("thrown",)
    with pytest.raises(StopIteration, match="end"):
        next(steps)


@BOTH
def test_wrong_arguments_leave_nothing_patched(scope) -> None:
    """A call that the function does not take raises TypeError, and no patch stays."""

    @patch.object(Target, "value", 2, scope=scope)
    async def patched(missing):
        raise AssertionError

    with pytest.raises(TypeError, match="missing"):
        asyncio.run(patched())


@BOTH
def test_a_cancelled_coroutine_is_unpatched(scope) -> None:
    """A patched coroutine is patched while it handles its cancellation, and not after it."""
    seen = []

    @patch.object(Target, "value", 2, scope=scope)
    async def patched():
        try:
            await asyncio.sleep(10)
        finally:
            seen.append(Target.value)

    async def main():
        task = asyncio.ensure_future(patched())
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == [2]


@pytest.mark.parametrize("global_first", [False, True])
def test_both_scopes_on_one_dict_leave_nothing(global_first) -> None:
    """What the body changes is kept from the outside, comes back, and goes at the end."""
    scopes = [LIMITED, GLOBAL] if global_first else [GLOBAL, LIMITED]
    values = {GLOBAL: {"global": 1}, LIMITED: {"limited": 1}}

    @patch.dict(Target.numbers, values[scopes[0]], scope=scopes[0])
    @patch.dict(Target.numbers, values[scopes[1]], scope=scopes[1])
    def patched():
        Target.numbers["changed"] = 1
        del Target.numbers["a"]
        for _ in range(3):
            yield sorted(Target.numbers)

    seen = [(inside, sorted(Target.numbers)) for inside in patched()]
    assert seen == [(["changed", "global", "limited"], ["a", "global"])] * 3


def test_both_scopes_on_one_attribute_leave_nothing() -> None:
    """Patches of both scopes on one attribute do not undo each other."""

    @patch.object(Target, "value", "global", scope=GLOBAL)
    @patch.object(Target, "value", "limited", scope=LIMITED)
    def patched():
        yield Target.value
        yield Target.value

    assert [(inside, Target.value) for inside in patched()] == [("global", "global")] * 2


def test_patch_dict_takes_names_values_and_clear() -> None:
    """Strings are looked up; values come as a dict, pairs or keywords; clear empties it first."""
    with patch.dict(here("numbers"), [("b", 2)], c=3) as numbers:
        assert numbers == {"a": 1, "b": 2, "c": 3}
    with patch.dict(Target.numbers, {"b": 2}, clear=True):
        assert Target.numbers == {"b": 2}

    @patch.dict(Target.numbers, {"b": 2})
    def plain():
        return dict(Target.numbers)

    assert plain() == {"a": 1, "b": 2}


def test_a_class_is_patched_by_its_prefix(monkeypatch) -> None:
    """Each test method is patched, coroutines by scope; other methods are not."""

    @patch.object(Target, "value", 2)
    @patch.dict(Target.numbers, {"b": 2})
    class Case:
        test_attribute = 5

        def test_plain(self):
            return Target.value, len(Target.numbers)

        async def test_coroutine(self):
            await asyncio.sleep(0)
            return Target.value, len(Target.numbers)

        def helper(self):
            return Target.value, len(Target.numbers)

    assert Case().test_plain() == (2, 2)
    assert asyncio.run(Case().test_coroutine()) == (2, 2)
    assert Case().helper() == (1, 1)
    assert Case.test_attribute == 5
    monkeypatch.setattr(patch, "TEST_PREFIX", "check")

    @patch.object(Target, "value", 2)
    class Checks:
        def check(self):
            return Target.value

    assert Checks().check() == 2


def test_start_stop_and_stopall() -> None:
    """Patchers start and stop by hand; stopall of either package stops all of them."""
    patcher = patch.object(Target, "coroutine")
    assert isinstance(patcher.start(), CoroutineMock)
    patcher.stop()
    assert patcher.stop() is None
    for stopall in (patch.stopall, unittest.mock.patch.stopall):
        patch.object(Target, "value", 2).start()
        patch.dict(Target.numbers, {"b": 2}).start()
        unittest.mock.patch.object(Target, "other", 2).start()
        assert Target.value == Target.other == len(Target.numbers) == 2
        stopall()
        assert Target.value == Target.other == len(Target.numbers) == 1


def test_a_patcher_may_be_entered_again() -> None:
    """Recursion and nesting undo in the right order."""

    @patch.object(Target, "value", 2)
    def recursive(depth):
        assert Target.value == 2
        return depth and recursive(depth - 1)

    assert recursive(3) == 0
    patcher = patch.object(Target, "value", 2)
    numbers = patch.dict(Target.numbers, {"b": 2})
    with patcher, patcher, numbers, numbers:
        assert Target.value == len(Target.numbers) == 2


def test_decorators_and_context_managers_mix() -> None:
    """A with block inside of a decorated coroutine undoes its own patches only."""

    @patch.object(Target, "value", 2)
    async def patched():
        with patch.object(Target, "value", 3), contextlib.ExitStack() as stack:
            stack.enter_context(patch.object(Target, "other"))
            await asyncio.sleep(0)
            inner = Target.value
        return inner, Target.value

    assert asyncio.run(patched()) == (3, 2)


BAD = {
    "missing": (AttributeError, lambda: patch(here("missing")).__enter__()),
    "'name'": (TypeError, lambda: patch("name")),
    "Target'": (TypeError, lambda: patch.object("Target", "value")),
    "'extra'": (TypeError, lambda: patch.object(Target, "value", 1, extra=2).__enter__()),
    "autospec and new": (
        TypeError,
        lambda: patch.object(Target, "value", 1, autospec=True).__enter__(),
    ),
    "spec and autospec": (
        TypeError,
        lambda: patch.object(Target, "value", spec=True, autospec=True).__enter__(),
    ),
    "create=True": (
        TypeError,
        lambda: patch.object(Target, "new", create=True, autospec=True).__enter__(),
    ),
    "new_callable": (ValueError, lambda: patch.object(Target, "value", 1, new_callable=MagicMock)),
    "'LIMITED'": (TypeError, lambda: patch.object(Target, "value", scope="LIMITED")),
    "nowhere": (ImportError, lambda: patch("nowhere.at.all").__enter__()),
}


@pytest.mark.parametrize("named", BAD)
def test_bad_arguments_are_refused(named) -> None:
    """What can't be patched is refused by the documented exception, which names it."""
    error, make = BAD[named]
    with pytest.raises(error, match=named):
        make()


def test_attributes_may_be_created() -> None:
    """create=True patches what is not there, and takes it away."""
    with patch.object(Target, "brand_new", create=True) as mock:
        assert Target.brand_new is mock
    assert not hasattr(Target, "brand_new")
