"""Patches that live as long as a coroutine or a generator runs: the scopes GLOBAL and LIMITED.

Owns: wrapping a function whose calls run in steps, and a ``Session`` per call that puts its patches
in force and takes them back. It must not know how a patch makes its mock; of a patch it uses
``scope``, ``copy``, ``__enter__`` and ``__exit__``, and what unittest.mock itself uses
(``attribute_name``, ``new``).

Invariants:

- Nothing is patched before the first step. Whatever way a call ends (return, raise, ``close``,
  collection), its patches are gone.
- While the body runs, all of its patches are in force, also while it handles ``GeneratorExit``.
  While it is paused, those of scope GLOBAL are and those of scope LIMITED are not.
- Each call makes its own mocks, and keeps them over all of its steps.
- What the body changes in a dict that is patched with scope LIMITED is taken back at each pause and
  put there again at each step.
- ``inspect`` and asyncio see the kind of function that was decorated.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
import unittest.mock
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from asynctest_compat._mocks import borrowed as _borrowed
from asynctest_compat._mocks.coroutines import YieldableCoroutine, is_coroutine_function

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

__all__ = ["GLOBAL", "LIMITED", "PatchScope"]


class PatchScope(enum.Enum):
    """When a patch on a coroutine or a generator is in force."""

    LIMITED = 1
    GLOBAL = 2


LIMITED = PatchScope.LIMITED
GLOBAL = PatchScope.GLOBAL

_MISSING = object()


def decorate_steps(function: Any, patching: Any) -> Any | None:
    """Apply ``patching`` to a function whose calls run in steps; None if it is not one."""
    if getattr(function, "_asynctest_steps", False):
        function.patchings.append(patching)
        return function
    patchings = [patching]
    shown = function
    inner = getattr(function, "__wrapped__", None)
    if hasattr(function, "patchings") and _wrapper_for(inner) is not None:
        # A patch of unittest.mock is there already: take its place, so that one session has all.
        function, patchings = inner, [*function.patchings, patching]
    make = _wrapper_for(function)
    if make is None:
        return None
    patched = make(function, patchings)
    functools.update_wrapper(patched, shown)
    patched.__wrapped__ = function
    patched.patchings = patchings
    patched._asynctest_steps = True
    return patched


def _wrapper_for(function: Any) -> Callable[[Any, list[Any]], Any] | None:
    if inspect.isasyncgenfunction(function):
        return _patched_async_generator
    if inspect.iscoroutinefunction(function) and inspect.isroutine(function):
        return _patched_coroutine
    if inspect.isgeneratorfunction(function):
        return _patched_generator
    return _patched_marked if is_coroutine_function(function) else None


def _patched_coroutine(function: Any, patchings: list[Any]) -> Any:
    async def patched(*args: Any, **kwargs: Any) -> Any:
        return await Session(patchings).steps(function, args, kwargs)

    return patched


def _patched_generator(function: Any, patchings: list[Any]) -> Any:
    def patched(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from Session(patchings).steps(function, args, kwargs))

    return types.coroutine(patched) if is_coroutine_function(function) else patched


def _patched_marked(function: Any, patchings: list[Any]) -> Any:
    def patched(*args: Any, **kwargs: Any) -> YieldableCoroutine[Any]:
        steps = Session(patchings).steps(function, args, kwargs)
        return YieldableCoroutine(steps, getattr(function, "__name__", None))

    return patched


def _patched_async_generator(function: Any, patchings: list[Any]) -> Any:
    async def patched(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        session = Session(patchings)
        with session:
            args, kwargs = session.start(args, kwargs)
            body = function(*args, **kwargs)
            step = body.asend(None)
            while True:
                try:
                    item = await session.steps_of(step)
                except StopAsyncIteration:
                    return
                session.pause()
                try:
                    value = yield item
                except GeneratorExit:
                    session.resume()
                    await session.steps_of(body.aclose())
                    raise
                except BaseException as error:  # noqa: BLE001  # it belongs to the body
                    step = body.athrow(error)
                else:
                    step = body.asend(value)
                session.resume()

    return patched


class Session:
    """One call of a patched function: its patches, put in force and taken back step by step."""

    def __init__(self, patchings: list[Any]) -> None:
        self._patchings = [patching.copy() for patching in patchings]
        self._is_limited = [_scope(patching) is LIMITED for patching in self._patchings]
        # Whether patches of both scopes are at work where each one is.
        self._is_tangled = [False] * len(self._patchings)
        # Number and patch, in the order in which they were entered; they leave in the reverse one.
        self._in_force: list[tuple[int, Any]] = []
        # What to enter at the next step: the patch itself, then one that puts the same mock there.
        self._again: list[Any] = list(self._patchings)
        self._changes: list[_Changes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._leave(lambda _: True)

    @types.coroutine
    def steps(
        self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Generator[Any, Any, Any]:
        """Call ``function`` and run what it gives, to be awaited or delegated to."""
        with self:
            args, kwargs = self.start(args, kwargs)
            return (yield from self.steps_of(function(*args, **kwargs)))

    @types.coroutine
    def steps_of(self, awaitable: Any) -> Generator[Any, Any, Any]:
        """Run an awaitable or a generator, paused at each of its steps."""
        body = _iterator(awaitable)
        # Coroutines know only send(), other iterators only next().
        begin = functools.partial(body.send, None) if hasattr(body, "send") else None
        step: Callable[[], Any] = begin or functools.partial(next, body)
        while True:
            try:
                awaited = step()
            except StopIteration as stop:
                return stop.value
            self.pause()
            try:
                value = yield awaited
            except GeneratorExit:
                self.resume()
                with suppress(AttributeError):
                    body.close()
                raise
            except BaseException as error:  # noqa: BLE001  # it belongs to the body
                step = functools.partial(body.throw, error)
            else:
                step = functools.partial(body.send, value)
            self.resume()

    def start(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Put all patches in force; return the call's arguments with the mocks added."""
        mocks: list[Any] = []
        kwargs = dict(kwargs)
        for index, patching in enumerate(self._patchings):
            result = self._enter(index)
            if isinstance(patching, _borrowed.PatchDict):
                if _scope(patching) is LIMITED:
                    self._changes.append(_Changes(patching.in_dict))
            elif patching.attribute_name is not None:
                kwargs.update(result)
            elif patching.new is unittest.mock.DEFAULT:
                mocks.append(result)
            if hasattr(patching, "again"):
                self._again[index] = patching.again()
        self._is_tangled = _tangled(self._patchings)
        for changes in self._changes:
            changes.note_start()
        return (*args, *mocks), kwargs

    def pause(self) -> None:
        """Leave in force only what is GLOBAL."""
        for changes in self._changes:
            changes.note_pause()
        self._leave(lambda index: self._is_limited[index] or self._is_tangled[index])
        self._enter_again(lambda index: self._is_tangled[index] and not self._is_limited[index])

    def resume(self) -> None:
        """Put everything in force again, and what the body changed in dicts."""
        self._leave(lambda index: self._is_tangled[index])
        self._enter_again(lambda index: self._is_limited[index] or self._is_tangled[index])
        for changes in self._changes:
            changes.put_back()

    def _enter_again(self, which: Callable[[int], bool]) -> None:
        for index in filter(which, range(len(self._again))):
            self._enter(index)

    def _enter(self, index: int) -> Any:
        patching = self._again[index]
        result = patching.__enter__()
        self._in_force.append((index, patching))
        return result

    def _leave(self, which: Callable[[int], bool]) -> None:
        leaving = [entry for entry in self._in_force if which(entry[0])]
        self._in_force = [entry for entry in self._in_force if not which(entry[0])]
        for _, patching in reversed(leaving):
            patching.__exit__(None, None, None)


class _Changes:
    """What a body has changed in a dict since its patches were put in force."""

    def __init__(self, in_dict: Any) -> None:
        self._dict = in_dict
        self._start: dict[Any, Any] = {}
        self._set: dict[Any, Any] = {}
        self._deleted: dict[Any, None] = {}

    def note_start(self) -> None:
        self._start = {key: self._dict[key] for key in self._dict}

    def note_pause(self) -> None:
        now = {key: self._dict[key] for key in self._dict}
        for key, value in now.items():
            if self._start.get(key, _MISSING) is not value:
                self._set[key] = value
                self._deleted.pop(key, None)
        for key in self._start:
            if key not in now:
                self._deleted[key] = None
                self._set.pop(key, None)

    def put_back(self) -> None:
        for key, value in self._set.items():
            self._dict[key] = value
        for key in self._deleted:
            if key in self._dict:
                del self._dict[key]
        self.note_start()


def _scope(patching: Any) -> PatchScope:
    scope: PatchScope = getattr(patching, "scope", GLOBAL)  # unittest.mock's patches have none
    return scope


def _tangled(patchings: list[Any]) -> list[bool]:
    """Tell which patches change what one of the other scope changes too, by way of others or not.

    These have to be put in force anew at each step, all of them, to be in their order.
    """
    groups: list[list[int]] = []
    places = [_places(patching) for patching in patchings]
    for index in range(len(patchings)):
        touched = [g for g in groups if any(_meet(places[index], places[i]) for i in g)]
        groups = [g for g in groups if g not in touched]
        groups.append([*(i for group in touched for i in group), index])
    scopes = [_scope(patching) for patching in patchings]
    tangled = [i for group in groups for i in group if len({scopes[j] for j in group}) > 1]
    return [index in tangled for index in range(len(patchings))]


def _places(patching: Any) -> list[tuple[Any, str | None]]:
    """Each target, by identity, and the attribute of it that is patched; of a dict, all."""
    if isinstance(patching, _borrowed.PatchDict):
        return [(patching.in_dict, None)]
    return [(p.getter(), p.attribute) for p in (patching, *patching.additional_patchers)]


def _meet(some: list[tuple[Any, str | None]], others: list[tuple[Any, str | None]]) -> bool:
    return any(
        name == other_name and target is other
        for target, name in some
        for other, other_name in others
    )


def _iterator(awaitable: Any) -> Any:
    return awaitable if hasattr(awaitable, "send") else iter(awaitable.__await__())
