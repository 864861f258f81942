"""What a test class gets when it is made: coroutine ``setUpClass``, and ``setUp`` of both kinds.

Owns: the loop that a class with a coroutine ``setUpClass`` or ``tearDownClass`` shares with its
tests, and the wrappers that let plain and coroutine functions call each other by ``super()``. It
must not know how a test is run.

unittest and pytest call class fixtures as plain functions, so that a coroutine one is wrapped when
the class is made. Invariants:

- A class whose fixtures are plain is left as it is.
- A wrapped fixture that is called on its running loop gives the coroutine, to be awaited; called
  off it, it runs to its end. What was plain gives something to await as well.
- The shared loop is closed after the class's last cleanup.
"""

from __future__ import annotations

import functools
import inspect
import unittest
from typing import Any
from unittest.util import strclass

from asynctest_compat._mocks.coroutines import (
    as_coroutine,
    is_coroutine,
    is_coroutine_function,
)

from .case_loops import InForce, factory_of

_CLASS_LOOP = "_asynctest_class_loop"


class _Nothing:
    """The result of a plain fixture, for callers that await it."""

    def __await__(self) -> Any:
        return iter(())

    def __repr__(self) -> str:
        return "None"


NOTHING = _Nothing()


class ClassLoop:
    """The loop that a class and its tests share."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._in_force = InForce(factory_of(cls), strclass(cls))
        self.loop = self._in_force.begin()
        self._in_force.end()
        setattr(cls, _CLASS_LOOP, self)

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the class, and run what it gives if that is a coroutine."""
        if self.loop.is_running():
            result = function(*args, **kwargs)
            return NOTHING if result is None else result
        in_force = InForce(factory_of(self._cls), strclass(self._cls))
        in_force.begin(self.loop)
        try:
            result = function(*args, **kwargs)
            if is_coroutine(result):
                self.loop.run_until_complete(as_coroutine(result))
        finally:
            in_force.end()
        return NOTHING

    def close(self) -> None:
        """Close it, and leave the class as it was."""
        delattr(self._cls, _CLASS_LOOP)
        try:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


def class_loop_of(cls: type) -> ClassLoop | None:
    """Return the loop that ``cls`` shares with its tests now, if there is one."""
    found: ClassLoop | None = vars(cls).get(_CLASS_LOOP)
    return found


class _ClassFixture(classmethod):  # type: ignore[type-arg]  # generic in the stubs only
    """A ``setUpClass`` or ``tearDownClass`` that runs on the class's loop."""

    def __init__(self, raw: Any) -> None:
        function = raw.__func__ if isinstance(raw, (classmethod, staticmethod)) else raw
        takes_class = not isinstance(raw, staticmethod)

        @functools.wraps(function)
        def fixture(cls: Any) -> Any:
            shared = class_loop_of(cls)
            if shared is None:
                shared = ClassLoop(cls)
                # Cleanups run last in, first out: this one after all of the class's own.
                cls._class_cleanups.insert(0, (shared.close, (), {}))
            return shared.call(function, *((cls,) if takes_class else ()))

        super().__init__(fixture)


def prepare(cls: Any, *bases: type) -> None:
    """Wrap the fixtures of a new class where that is needed. ``bases`` are this package's own."""
    raw = {name: inspect.getattr_static(cls, name) for name in ("setUpClass", "tearDownClass")}
    if any(isinstance(f, _ClassFixture) or is_coroutine_function(f) for f in raw.values()):
        for name, fixture in raw.items():
            if not isinstance(fixture, _ClassFixture):
                setattr(cls, name, _ClassFixture(fixture))
    for name in ("setUp", "tearDown"):
        _mix(cls, name, (*bases, unittest.TestCase, unittest.FunctionTestCase, object))


def _mix(cls: type, name: str, ours: tuple[type, ...]) -> None:
    """Make fixtures of both kinds in one line of ancestors callable from each other."""
    owners = [c for c in cls.__mro__ if name in vars(c) and c not in ours]
    kinds = [is_coroutine_function(vars(c)[name]) for c in owners]
    if any(kinds) and not all(kinds):
        for owner, is_async in zip(owners, kinds, strict=True):
            function = vars(owner)[name]
            if not hasattr(function, "_asynctest_mixes"):
                setattr(owner, name, _either_way(function, is_async=is_async))


def _either_way(function: Any, *, is_async: bool) -> Any:
    return (_async_fixture if is_async else _plain_fixture)(function)


def _plain_fixture(function: Any) -> Any:
    """Make a plain fixture awaitable for a coroutine one, with what it could not await."""

    @functools.wraps(function)
    def fixture(self: Any) -> Any:
        outer = vars(self).get(_LEFT)
        left: list[Any] = []
        setattr(self, _LEFT, left)
        try:
            result = function(self)
        finally:
            setattr(self, _LEFT, outer)
        if is_coroutine(result):
            return result
        return _await_all(left) if left else NOTHING

    return _marked(fixture)


def _async_fixture(function: Any) -> Any:
    """Make a coroutine fixture callable for a plain one; it runs to its end if it can."""

    @functools.wraps(function)
    def fixture(self: Any) -> Any:
        coroutine = as_coroutine(function(self))
        finish = getattr(self, "_asynctest_finish", None)
        if finish is None:
            return coroutine  # another kind of test case
        if self.loop.is_running():
            left = vars(self).get(_LEFT)
            if left is not None:
                left.append(coroutine)
            return coroutine
        finish(coroutine)
        return NOTHING

    return _marked(fixture)


# What a plain fixture could not await, because it was called by a coroutine one: it is awaited
# when that one awaits the plain one.
_LEFT = "_asynctest_left"


async def _await_all(coroutines: list[Any]) -> None:
    for coroutine in coroutines:
        await coroutine


def _marked(fixture: Any) -> Any:
    fixture._asynctest_mixes = True  # so that none is wrapped twice
    return fixture
