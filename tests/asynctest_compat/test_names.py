"""Every public name of asynctest 0.13, where it was, with the arguments that it took.

The tables are the specification: what asynctest's documentation lists, and what it leaves out. A
signature is written as Python and compared part by part; annotations, and a `/` that asynctest
could not write yet, are not.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import re
import types
import unittest
import unittest.mock
import warnings
from pathlib import Path

import pytest

import asynctest_compat as asynctest

#: Module -> the names that it defines; all of them are at the top level as well.
DEFINED = {
    "case": "TestCase ClockedTestCase FunctionTestCase ignore_loop",
    "_fail_on": "fail_on strict lenient",
    "mock": """
        NonCallableMock NonCallableMagicMock Mock MagicMock CoroutineMock
        AsyncMagicMixin FakeInheritanceMeta MockMetaMixin IsCoroutineArgMeta async_magic_coroutines
        patch PatchScope LIMITED GLOBAL create_autospec mock_open return_once
        ANY DEFAULT PropertyMock call sentinel
    """,
    "selector": """
        FileDescriptor fd isfilemock FileMock SocketMock SSLSocketMock TestSelector
        set_read_ready set_write_ready get_registered_events
        fail_on_active_selector_callbacks fail_on_before_test_active_selector_callbacks
    """,
    "helpers": "exhaust_callbacks",
}
#: Names that a module has, and that are something else or nothing at the top level.
INSIDE = {
    "case": "strict lenient fail_on SkipTest skip skipIf skipUnless expectedFailure",
    "_fail_on": "DEFAULTS _FAIL_ON_ATTR _fail_on TimerHandle",
}
#: unittest's names of asynctest's time, those too that Python has removed since.
UNITTEST = """
    SkipTest TestLoader TestResult TestSuite TextTestResult TextTestRunner defaultTestLoader
    expectedFailure findTestCases getTestCaseNames installHandler main makeSuite registerResult
    removeHandler removeResult skip skipIf skipUnless result
"""
LEAKED_NAMES = "DIFF_OMITTED safe_repr strclass DEFAULTS TimerHandle"
LEAKED_MODULES = """
    asyncio asynctest collections contextlib difflib enum functools inspect logging pprint re
    selectors socket ssl sys traceback types unittest warnings case mock selector helpers _fail_on
"""


@pytest.mark.parametrize("module", DEFINED)
def test_a_module_of_asynctest_has_its_names(module) -> None:
    """Each name is in its own module, and the same object is at the top level."""
    inside = importlib.import_module(f"asynctest_compat.{module}")
    assert getattr(asynctest, module) is inside
    for name in DEFINED[module].split():
        assert getattr(inside, name) is getattr(asynctest, name), name
    for name in INSIDE.get(module, "").split():
        assert hasattr(inside, name), name


@pytest.mark.parametrize("name", f"{UNITTEST} {LEAKED_NAMES}".split())
def test_a_name_of_old_is_at_the_top(name) -> None:
    """What unittest had in 2019, and what asynctest let slip, can be had from here."""
    assert hasattr(asynctest, name)


@pytest.mark.parametrize("name", LEAKED_MODULES.split())
def test_a_module_is_at_the_top(name) -> None:
    """Suites reach through the top level for these modules."""
    assert isinstance(getattr(asynctest, name), types.ModuleType)


@pytest.mark.parametrize("name", unittest.__all__)
def test_a_name_of_unittest_is_there(name) -> None:
    """One import is enough: all that unittest exports is here, and overridden only where meant."""
    ours = getattr(asynctest, name)
    overridden = name in f"{DEFINED['case']} {UNITTEST}".split()
    assert ours is getattr(unittest, name) or overridden


def test_a_star_gives_unittest_s_names_and_no_mocks() -> None:
    """`from asynctest import *` is what it was."""
    names: dict[str, object] = {}
    exec("from asynctest_compat import *", names)  # noqa: S102 - a star needs a module's level
    assert names["TestCase"] is asynctest.TestCase
    assert names["main"] is unittest.main
    assert "Mock" not in names


def test_the_classes_of_mocks_say_where_they_live() -> None:
    """The documentation shows a class by its module: mock."""
    for name in ("Mock", "MagicMock", "NonCallableMock", "NonCallableMagicMock", "CoroutineMock"):
        kind = getattr(asynctest, name)
        assert f"{kind.__module__}.{kind.__name__}" == f"asynctest_compat.mock.{name}"


_FROM_NEW = """
    new=DEFAULT, spec=None, create=False, spec_set=None, autospec=None, new_callable=None,
    scope=GLOBAL, **kwargs
"""
_OF_A_SOCKET = """
    side_effect=None, return_value=DEFAULT, wraps=None, name=None, spec_set=None, parent=None,
    **kwargs
"""
SIGNATURES = {
    "TestCase": "methodName='runTest'",
    "TestCase.run": "self, result=None",
    "TestCase.debug": "self",
    "TestCase.setUp": "self",
    "TestCase.tearDown": "self",
    "TestCase.doCleanups": "self",
    "TestCase.addCleanup": "self, function, *args, **kwargs",
    "TestCase.assertAsyncRaises": "self, exception, awaitable",
    "TestCase.assertAsyncRaisesRegex": "self, exception, regex, awaitable",
    "TestCase.assertAsyncWarns": "self, warning, awaitable",
    "TestCase.assertAsyncWarnsRegex": "self, warning, regex, awaitable",
    "TestCase._init_loop": "self",
    "TestCase._unset_loop": "self",
    "TestCase._patch_loop": "self, loop",
    "TestCase._run_test_method": "self, method",
    "FunctionTestCase": "testFunc, setUp=None, tearDown=None, description=None",
    "ClockedTestCase": "methodName='runTest'",
    "ClockedTestCase.advance": "self, seconds",
    "ignore_loop": "func=None",
    "fail_on": "**checks",
    "strict": "func=None",
    "lenient": "func=None",
    "NonCallableMock": """
        spec=None, wraps=None, name=None, spec_set=None, is_coroutine=None, parent=None, **kwargs
    """,
    "NonCallableMagicMock": """
        spec=None, wraps=None, name=None, spec_set=None, is_coroutine=None, parent=None, **kwargs
    """,
    "CoroutineMock": "*args, **kwargs",
    "CoroutineMock.reset_mock": "self, *args, **kwargs",
    "CoroutineMock.assert_awaited": "self",
    "CoroutineMock.assert_awaited_once": "self, *args, **kwargs",
    "CoroutineMock.assert_awaited_with": "self, *args, **kwargs",
    "CoroutineMock.assert_awaited_once_with": "self, *args, **kwargs",
    "CoroutineMock.assert_any_await": "self, *args, **kwargs",
    "CoroutineMock.assert_has_awaits": "self, calls, any_order=False",
    "CoroutineMock.assert_not_awaited": "self",
    "patch": f"target, {_FROM_NEW}",
    "patch.object": f"target, attribute, {_FROM_NEW}",
    "patch.multiple": f"target, {_FROM_NEW.replace('new=DEFAULT, ', '')}",
    "patch.dict": "in_dict, values=(), clear=False, scope=GLOBAL, **kwargs",
    "patch.stopall": "",
    "create_autospec": "spec, spec_set=False, instance=False, _parent=None, _name=None, **kwargs",
    "mock_open": "mock=None, read_data=''",
    "return_once": "value, then=None",
    "FileDescriptor": "*args",
    "fd": "fileobj",
    "isfilemock": "obj",
    "FileMock": "*args, **kwargs",
    "SocketMock": _OF_A_SOCKET,
    "SSLSocketMock": _OF_A_SOCKET,
    "TestSelector": "selector=None",
    "TestSelector.close": "self",
    "TestSelector.modify": "self, fileobj, events, data=None",
    "TestSelector.register": "self, fileobj, events, data=None",
    "TestSelector.select": "self, timeout=None",
    "TestSelector.unregister": "self, fileobj",
    "TestSelector.get_map": "self",
    "set_read_ready": "fileobj, loop",
    "set_write_ready": "fileobj, loop",
    "get_registered_events": "selector",
    "fail_on_active_selector_callbacks": "case",
    "fail_on_before_test_active_selector_callbacks": "case",
    "exhaust_callbacks": "loop",
    "safe_repr": "obj, short=False",
    "strclass": "cls",
}
_NAMES = {"DEFAULT": unittest.mock.DEFAULT, "GLOBAL": asynctest.GLOBAL}


def _parts(function: object) -> list[tuple[str, bool, object]]:
    """Name, whether it collects, and default of each parameter."""
    collecting = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        (re.sub("^kw$", "kwargs", p.name), p.kind in collecting, p.default)
        for p in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_is_asynctest_s(name) -> None:
    """Arguments have asynctest's names, order and defaults, and none is missing or added."""
    ours = asynctest
    for part in name.split("."):
        ours = getattr(ours, part)
    arguments = " ".join(SIGNATURES[name].split())
    documented = eval(f"lambda {arguments}: None", dict(_NAMES))  # noqa: S307 - the table's
    expected, parts = _parts(documented), _parts(ours)
    if name == "FileDescriptor":
        assert [parts[0]] == expected  # an int takes a base by keyword
    else:
        assert parts == expected


_MOCK = ("spec", "side_effect", "return_value", "wraps", "name", "spec_set")


@pytest.mark.parametrize("kind", ["Mock", "MagicMock", "CoroutineMock"])
def test_a_mock_takes_unittest_s_arguments_in_their_order(kind) -> None:
    """Spec, side_effect, return_value, wraps, name: by position and by name."""
    make = getattr(asynctest, kind)
    values = (["attribute"], None, 5, None, "its_name", None)
    for mock in (make(*values), make(**dict(zip(_MOCK, values, strict=True)))):
        assert mock._mock_return_value == 5
        assert "its_name" in repr(mock)
        assert isinstance(mock.attribute, asynctest.Mock)
        with pytest.raises(AttributeError):
            mock.missing  # noqa: B018 - asking is the test
    assert make(["a"], attribute=3).attribute == 3
    with pytest.raises(AttributeError):
        make(spec_set=["a"]).b = 1


@pytest.mark.parametrize("kind", ["NonCallableMock", "NonCallableMagicMock"])
def test_a_mock_that_can_t_be_called_takes_is_coroutine(kind) -> None:
    """is_coroutine is an argument and an attribute that can be set, whatever the spec."""
    make = getattr(asynctest, kind)
    mock = make(["attribute"], None, "its_name", None, True)
    assert mock.is_coroutine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.14
        assert asyncio.iscoroutinefunction(mock)
    assert not callable(mock)
    strict = make(spec_set=["attribute"])
    assert strict.is_coroutine is False
    strict.is_coroutine = True
    assert strict.is_coroutine is True


def test_attributes_of_a_case_have_asynctest_s_defaults() -> None:
    """A case has no loop outside of a test, makes one for each, and forbids nothing."""
    assert asynctest.TestCase.use_default_loop is False
    assert asynctest.TestCase.forbid_get_event_loop is False
    assert asynctest.TestCase("run").loop is None
    assert isinstance(asynctest.FileDescriptor.next_fd, int)
    assert asynctest.patch.TEST_PREFIX == "test"


def test_scopes_are_an_enumeration() -> None:
    """GLOBAL is 2 and LIMITED is 1, as the documentation shows them."""
    assert repr(asynctest.GLOBAL) == "<PatchScope.GLOBAL: 2>"
    assert repr(asynctest.LIMITED) == "<PatchScope.LIMITED: 1>"
    assert asynctest.async_magic_coroutines == {"__aenter__", "__aexit__", "__anext__"}


def test_private_names_that_suites_reach_for_are_there() -> None:
    """Checks are added through _fail_on; the condition behind awaited is an attribute."""
    assert asynctest._fail_on._fail_on.unused_loop
    assert hasattr(asynctest.CoroutineMock().awaited, "_condition")
    decorated = asynctest.strict(type("Case", (asynctest.TestCase,), {}))
    assert isinstance(
        getattr(decorated, asynctest._fail_on._FAIL_ON_ATTR), asynctest._fail_on._fail_on
    )


def test_the_ladder_of_mocks_is_asynctest_s() -> None:
    """Every mock is a NonCallableMock, only a CoroutineMock is one, and each is its namesake."""
    assert isinstance(asynctest.MagicMock(), asynctest.Mock)
    assert isinstance(asynctest.CoroutineMock(), asynctest.Mock)
    for kind in (asynctest.Mock, asynctest.MagicMock):
        assert not isinstance(kind(), asynctest.CoroutineMock)
        assert isinstance(kind(), asynctest.NonCallableMock)
    for name in ("NonCallableMock", "NonCallableMagicMock", "Mock", "MagicMock"):
        mock = getattr(asynctest, name)()
        assert isinstance(mock, getattr(unittest.mock, name))
        assert isinstance(mock, asynctest.NonCallableMock)


def test_type_checkers_see_each_name_of_ours():
    """What the package imports of its own modules it imports "as" itself, or by a star."""
    tree = ast.parse(Path(asynctest.__file__).read_text(encoding="utf-8"))
    ours = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
    names = [each for node in ours for each in node.names if each.name != "*"]
    assert len(names) > 20
    assert [each.name for each in names if each.asname != each.name] == []
