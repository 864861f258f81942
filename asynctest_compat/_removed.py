"""What Python removed after asynctest's time, put back on request.

Owns: the list. Everything here changes modules of the standard library for the whole process, so
that nothing of it happens unless ``put_back`` is called; what a Python still has is left alone.

- ``asyncio.coroutine``, and ``loop=`` in the functions and classes that took it (it is ignored: the
  loop that runs is the one that was meant).
- The old names of unittest's assertions, and its old loader functions.
- ``inspect.getargspec``, and the abstract classes that ``collections`` once had.
"""

from __future__ import annotations

import asyncio
import collections
import collections.abc
import functools
import inspect
import types
import unittest
from typing import TYPE_CHECKING, Any

from ._mocks.coroutines import YieldableCoroutine, can_run, is_coroutine_function, mark

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_ASSERTIONS = {
    "assertEquals": "assertEqual",
    "assertNotEquals": "assertNotEqual",
    "assertAlmostEquals": "assertAlmostEqual",
    "assertNotAlmostEquals": "assertNotAlmostEqual",
    "assertRegexpMatches": "assertRegex",
    "assertNotRegexpMatches": "assertNotRegex",
    "assertRaisesRegexp": "assertRaisesRegex",
    "assert_": "assertTrue",
    "failUnless": "assertTrue",
    "failIf": "assertFalse",
    "failUnlessEqual": "assertEqual",
    "failIfEqual": "assertNotEqual",
    "failUnlessAlmostEqual": "assertAlmostEqual",
    "failIfAlmostEqual": "assertNotAlmostEqual",
    "failUnlessRaises": "assertRaises",
}

_WITH_LOOP = (
    *("sleep", "wait", "wait_for", "gather", "shield", "as_completed", "open_connection"),
    *("start_server", "open_unix_connection", "start_unix_server"),
    *("create_subprocess_exec", "create_subprocess_shell"),
)
_CLASSES_WITH_LOOP = (
    *("Event", "Lock", "Condition", "Semaphore", "BoundedSemaphore"),
    *("Queue", "PriorityQueue", "LifoQueue"),
)
_ABSTRACT = ("Callable", "Iterable", "Iterator", "Mapping", "MutableMapping", "Sequence", "Set")


def coroutine(function: Any) -> Any:
    """Make a coroutine function of a generator, or of a function: ``asyncio.coroutine``.

    Its calls can be awaited, delegated to by ``yield from``, and made into tasks.
    """
    if inspect.iscoroutinefunction(function):
        return function
    if inspect.isgeneratorfunction(function):
        steps = types.coroutine(function)
    else:

        @types.coroutine
        def steps(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            result = function(*args, **kwargs)
            if can_run(result):
                steps_of: Any = result if hasattr(result, "send") else result.__await__()
                result = yield from steps_of
            return result

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> YieldableCoroutine[Any]:
        name = getattr(function, "__qualname__", None)
        return YieldableCoroutine(steps(*args, **kwargs), name)

    return mark(call)


def put_back() -> None:
    """Put everything back that this Python does not have. Calling it again changes nothing."""
    _supply(asyncio, "coroutine", coroutine)
    _supply(asyncio.coroutines, "CoroWrapper", type("CoroWrapper", (), {}))  # nothing is one
    for name in _WITH_LOOP:
        _accept_loop(asyncio, name)
    for name in _CLASSES_WITH_LOOP:
        _accept_loop(getattr(asyncio, name), "__init__")
    for old, new in _ASSERTIONS.items():
        _supply(unittest.TestCase, old, getattr(unittest.TestCase, new))
    _supply(unittest.TestCase, "assertDictContainsSubset", _assert_dict_contains_subset)
    for function in (makeSuite, findTestCases, getTestCaseNames):
        _supply(unittest, function.__name__, function)
    _supply(inspect, "getargspec", _getargspec)
    for name in _ABSTRACT:
        _supply(collections, name, getattr(collections.abc, name))


def _supply(owner: Any, name: str, value: Any) -> None:
    if not hasattr(owner, name):
        setattr(owner, name, value)


def _accept_loop(owner: Any, name: str) -> None:
    function = getattr(owner, name)
    if hasattr(function, "_asynctest_ignores_loop"):
        return

    @functools.wraps(function)
    def wrapper(*args: Any, loop: Any = None, **kwargs: Any) -> Any:  # noqa: ARG001  # that is the point
        return function(*args, **kwargs)

    wrapper._asynctest_ignores_loop = True  # type: ignore[attr-defined]  # a mark, so that none is wrapped twice
    setattr(owner, name, mark(wrapper) if is_coroutine_function(function) else wrapper)


def _assert_dict_contains_subset(
    case: unittest.TestCase, subset: dict[Any, Any], dictionary: dict[Any, Any], msg: Any = None
) -> None:
    case.assertEqual(dictionary, {**dictionary, **subset}, msg)


def _getargspec(function: Callable[..., Any]) -> tuple[Any, Any, Any, Any]:
    spec = inspect.getfullargspec(function)
    return spec.args, spec.varargs, spec.varkw, spec.defaults


# asynctest's own top level has these three, on each Python.


def _loader(prefix: str, sort: Any = None, suite: Any = None) -> unittest.TestLoader:
    loader = unittest.TestLoader()
    loader.testMethodPrefix = prefix
    if sort is not None:
        loader.sortTestMethodsUsing = sort
    if suite is not None:
        loader.suiteClass = suite
    return loader


def getTestCaseNames(  # unittest's name
    testCaseClass: type[unittest.TestCase],  # noqa: N803  # unittest's name
    prefix: str,
    sortUsing: Any = None,  # noqa: N803  # unittest's name
) -> Any:
    """Return the names of the test methods of a class."""
    return _loader(prefix, sortUsing).getTestCaseNames(testCaseClass)


def makeSuite(  # unittest's name
    testCaseClass: type[unittest.TestCase],  # noqa: N803  # unittest's name
    prefix: str = "test",
    sortUsing: Any = None,  # noqa: N803  # unittest's name
    suiteClass: Any = None,  # noqa: N803  # unittest's name
) -> unittest.TestSuite:
    """Return a suite of the tests of a class."""
    return _loader(prefix, sortUsing, suiteClass).loadTestsFromTestCase(testCaseClass)


def findTestCases(  # unittest's name
    module: types.ModuleType,
    prefix: str = "test",
    sortUsing: Any = None,  # noqa: N803  # unittest's name
    suiteClass: Any = None,  # noqa: N803  # unittest's name
) -> unittest.TestSuite:
    """Return a suite of the tests of a module."""
    return _loader(prefix, sortUsing, suiteClass).loadTestsFromModule(module)
