"""``patch`` and its relatives: unittest.mock's, making this package's mocks.

Owns: which mock a patch makes for a target, and decorators that respect the scopes. It must not
know how a patched coroutine is run (``_scopes``). Placing a value and putting the original back is
left to a plain ``_borrowed.Patch``, so that targets behave as they do there on each Python.

Invariants:

- A target is looked up when the patch starts, never when it is made.
- By default a coroutine function is replaced by a ``CoroutineMock``, anything else by a
  ``MagicMock``.
- A patcher may be entered again while it is in force; each exit undoes the latest entry.
- ``stopall`` of this package and of unittest.mock stop the same patches.
"""

from __future__ import annotations

import pkgutil
import unittest.mock
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from . import borrowed as _borrowed
from .autospec import create_autospec
from .coroutines import is_coroutine_function
from .mock_classes import CoroutineMock, MagicMock, NonCallableMagicMock
from .scopes import GLOBAL, PatchScope, decorate_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

__all__ = ["patch"]

DEFAULT = unittest.mock.DEFAULT
F = TypeVar("F")


class _patch(_borrowed.Patch):  # noqa: N801  # unittest.mock's name
    """Replace an attribute of a target. Made by ``patch``, not by hand."""

    scope: PatchScope
    target: Any
    temp_original: Any
    is_local: bool

    def __init__(self, *args: Any, scope: PatchScope = GLOBAL, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scope = _checked(scope)
        self.is_started: bool = False
        # One stack per entry that has not been left yet.
        self._entries: list[ExitStack] = []
        # What was put into the target last, to put the same there again.
        self._placed: Any = DEFAULT

    def copy(self) -> _patch:
        """Return an independent patcher that has not been started."""
        return self._with(
            self.new, self.spec, self.spec_set, self.autospec, self.new_callable, self.kwargs
        )

    def again(self) -> _patch:
        """Return a patcher that puts the value of the last entry into the target."""
        patcher = self._with(self._placed, None, None, None, None, {})
        patcher.additional_patchers = [p.again() for p in self.additional_patchers]
        return patcher

    def _with(self, new: Any, *how: Any) -> _patch:
        spec, spec_set, autospec, new_callable, kwargs = how
        patcher = _patch(
            *(self.getter, self.attribute, new, spec, self.create, spec_set),
            *(autospec, new_callable, kwargs),
            scope=self.scope,
            unsafe=True,  # checked when the first of them was made
        )
        patcher.attribute_name = self.attribute_name
        patcher.additional_patchers = [p.copy() for p in self.additional_patchers]
        return patcher

    def __call__(self, func: F) -> F:
        decorate = _decorate_class if isinstance(func, type) else _decorate_function
        decorated: F = decorate(func, self)
        return decorated

    def decorate_callable(self, func: Any) -> Any:
        """Decorate a function of any kind."""
        return decorate_steps(func, self) or super().decorate_callable(func)

    def decorate_async_callable(self, func: Any) -> Any:
        """Decorate a function of any kind."""
        return self.decorate_callable(func)

    def __enter__(self) -> Any:
        with ExitStack() as stack:
            new = self._place(stack)
            result = new
            if self.attribute_name is not None:  # one of patch.multiple
                result = {self.attribute_name: new} if self.new is DEFAULT else {}
                for more in self.additional_patchers:
                    result.update(stack.enter_context(more))
            self._entries.append(stack.pop_all())
        self.is_started = True
        return result

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> None:
        if self._entries:
            stack = self._entries.pop()
            self.is_started = bool(self._entries)
            stack.__exit__(exc_type, exc, tb)

    def _place(self, stack: ExitStack) -> Any:
        self.target = target = self.getter()
        original, local = self.get_original()
        self.temp_original, self.is_local = original, local
        _check_arguments(self, original)
        new = self._make(original) if self.new is DEFAULT else self.new
        self._placed = new
        if self.autospec and isinstance(original, (classmethod, staticmethod)):
            # A plain function in its place would be bound, and would see one argument more.
            self._placed = staticmethod(new)
        placer: Any = _borrowed.Patch(
            lambda: target, self.attribute, self._placed, None, self.create, None, None, None, {}
        )
        stack.enter_context(placer)
        return new

    def _make(self, original: Any) -> Any:
        if self.autospec:
            spec = original if self.autospec is True else self.autospec
            if isinstance(spec, (classmethod, staticmethod)):
                spec = getattr(self.target, self.attribute)
            return create_autospec(
                spec, spec_set=bool(self.spec_set), _name=self.attribute, **self.kwargs
            )
        how, spec = self._spec(original)
        kind = self.new_callable or _class_for(original, spec)
        if isinstance(kind, type) and issubclass(kind, unittest.mock.NonCallableMock):
            how["name"] = self.attribute
        how.update(self.kwargs)
        new = kind(**how)
        is_mock = isinstance(new, unittest.mock.NonCallableMock)
        if spec is not None and isinstance(original, type) and is_mock:
            # The class is replaced: its instances have the spec too.
            how.pop("name", None)
            if "return_value" not in how:
                of_instance = _class_of_instance(kind, spec)
                new.return_value = of_instance(_new_parent=new, _new_name="()", **how)
        return new

    def _spec(self, original: Any) -> tuple[dict[str, Any], Any]:
        """Return the argument that gives the mock its spec, and the spec, if there is one."""
        spec = original if self.spec is True else self.spec or None
        if self.spec_set is True:
            strict = original if spec is None else spec
        else:
            strict = self.spec_set or None
        if strict is not None:
            return {"spec_set": strict}, strict
        return ({}, None) if spec is None else ({"spec": spec}, spec)


def _checked(scope: object) -> PatchScope:
    if not isinstance(scope, PatchScope):
        raise TypeError(f"scope must be asynctest.GLOBAL or asynctest.LIMITED, not {scope!r}")
    return scope


def _check_arguments(patcher: _patch, original: Any) -> None:
    where = f"patch of {patcher.attribute!r}"
    has_spec = patcher.spec not in (None, False)
    has_autospec = patcher.autospec not in (None, False)
    if has_spec and has_autospec:
        raise TypeError(f"{where}: can't specify spec and autospec")
    if (has_spec or has_autospec) and patcher.spec_set not in (True, False, None):
        raise TypeError(f"{where}: can't provide explicit spec_set *and* spec or autospec")
    if patcher.new is not DEFAULT:
        if has_autospec:
            raise TypeError(
                f"{where}: autospec creates the mock for you. Can't specify autospec and new."
            )
        if patcher.kwargs:
            raise TypeError(
                f"{where}: can't pass kwargs to a mock we aren't creating: {patcher.kwargs!r}"
            )
    elif original is DEFAULT and (has_spec or has_autospec or patcher.spec_set):
        kind = "autospec" if has_autospec else "spec"
        raise TypeError(f"{where}: can't use {kind!r} with create=True")


def _class_for(original: Any, spec: Any) -> Any:
    is_coroutine = is_coroutine_function(original) or is_coroutine_function(spec)
    return CoroutineMock if is_coroutine else MagicMock


def _class_of_instance(kind: Any, spec: Any) -> Any:
    is_list = isinstance(spec, (list, tuple))
    return kind if is_list or _borrowed.instance_is_callable(spec) else NonCallableMagicMock


def _decorate_function(function: Any, patching: Any) -> Any:
    return patching.decorate_callable(function)


def _decorate_class(klass: Any, patching: Any) -> Any:
    """Apply a patcher of its own to each test method, inherited ones included."""
    for name in dir(klass):
        if name.startswith(patch.TEST_PREFIX):
            function = getattr(klass, name)
            if callable(function):
                setattr(klass, name, patching.copy()(function))
    return klass


class _patch_dict(_borrowed.PatchDict):  # noqa: N801  # unittest.mock's name
    """Change a dict and restore it. Made by ``patch.dict``, not by hand."""

    # What pytest asks of each patch on a test, to tell the mocks among its arguments from fixtures.
    attribute_name = None
    new = None

    def __init__(
        self,
        in_dict: Any,
        values: Any = (),
        clear: Any = False,  # noqa: FBT002  # unittest.mock's signature
        scope: PatchScope = GLOBAL,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_dict, values, clear, **kwargs)
        self.scope: PatchScope = _checked(scope)
        self._named = in_dict  # a string stays one in copies, which look it up for themselves
        self._originals: list[Any] = []

    def copy(self) -> _patch_dict:
        """Return an independent patcher that has not been started."""
        return _patch_dict(self._named, dict(self.values), self.clear, self.scope)

    def __call__(self, f: Any) -> Any:
        if isinstance(f, type):
            return _decorate_class(f, self)
        return decorate_steps(f, self) or self.decorate_callable(f)

    def decorate_class(self, klass: Any) -> Any:
        """Decorate the test methods of a class."""
        return _decorate_class(klass, self)

    def _patch_dict(self) -> None:
        super()._patch_dict()  # type: ignore[misc]  # unittest.mock has it, its stubs do not
        self._originals.append(self._original)

    def _unpatch_dict(self) -> None:
        if self._originals:
            self._original = self._originals.pop()
            super()._unpatch_dict()  # type: ignore[misc]  # the same

    def __exit__(self, *args: object) -> None:
        self._unpatch_dict()


class _Patch:
    """Replace what ``target`` names by a mock (or by ``new``), for as long as something runs.

    Use it as a context manager, as a decorator of functions of all kinds and of classes, or by
    ``start`` and ``stop``; see ``unittest.mock.patch``, which it replaces. By default the mock is a
    ``CoroutineMock`` where the target is a coroutine function, else a ``MagicMock``.

    On a coroutine, a generator or an asynchronous generator, ``scope`` tells when it is in force:
    ``GLOBAL`` from the first step until it ends, ``LIMITED`` only while it is running, not while it
    is paused at an ``await`` or a ``yield``. Each call gets mocks of its own.
    """

    #: Which methods a class decorator patches: those whose names start with it.
    TEST_PREFIX = "test"

    def __repr__(self) -> str:
        return "<function patch>"

    def __call__(  # unittest.mock's signature
        self,
        target: str,
        new: Any = DEFAULT,
        spec: Any = None,
        create: bool = False,  # noqa: FBT001, FBT002  # unittest.mock's signature
        spec_set: Any = None,
        autospec: Any = None,
        new_callable: Callable[..., Any] | None = None,
        scope: PatchScope = GLOBAL,
        **kwargs: Any,
    ) -> _patch:
        """Replace what the dotted name ``target`` stands for."""
        getter, attribute = _borrowed.get_target(target)
        how = (spec, create, spec_set, autospec, new_callable)  # As in ``object``: two signatures.
        return _patcher(getter, attribute, new, how, scope, kwargs)

    def object(  # unittest.mock's signature
        self,
        target: Any,
        attribute: str,
        new: Any = DEFAULT,
        spec: Any = None,
        create: bool = False,  # noqa: FBT001, FBT002  # unittest.mock's signature
        spec_set: Any = None,
        autospec: Any = None,
        new_callable: Callable[..., Any] | None = None,
        scope: PatchScope = GLOBAL,
        **kwargs: Any,
    ) -> _patch:
        """Replace the ``attribute`` of the object ``target``."""
        if isinstance(target, str):
            raise TypeError(f"{target!r} must be the actual object to be patched, not a str")
        how = (spec, create, spec_set, autospec, new_callable)
        return _patcher(lambda: target, attribute, new, how, scope, kwargs)

    def multiple(  # unittest.mock's signature
        self,
        target: Any,
        spec: Any = None,
        create: bool = False,  # noqa: FBT001, FBT002  # unittest.mock's signature
        spec_set: Any = None,
        autospec: Any = None,
        new_callable: Callable[..., Any] | None = None,
        scope: PatchScope = GLOBAL,
        **kwargs: Any,
    ) -> _patch:
        """Replace several attributes; those given as ``DEFAULT`` get mocks, passed by keyword."""
        if not kwargs:
            raise ValueError("Must supply at least one keyword argument with patch.multiple")

        def getter() -> Any:
            return pkgutil.resolve_name(target) if isinstance(target, str) else target

        how = (spec, create, spec_set, autospec, new_callable)
        patchers = []
        for attribute, new in kwargs.items():
            patcher = _patcher(getter, attribute, new, how, scope, {})
            patcher.attribute_name = attribute
            patchers.append(patcher)
        first, *others = patchers
        first.additional_patchers = others
        return first

    def dict(
        self,
        in_dict: Any,
        values: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (),
        clear: bool = False,  # noqa: FBT001, FBT002  # unittest.mock's signature
        scope: PatchScope = GLOBAL,
        **kwargs: Any,
    ) -> _patch_dict:
        """Change a dict (or what is like one, or its dotted name) and restore it afterwards."""
        return _patch_dict(in_dict, values, clear, scope, **kwargs)

    def stopall(self) -> None:
        """Stop every patch that ``start`` has put in force, the latest first."""
        unittest.mock.patch.stopall()


def _patcher(  # private: what all of them have in common
    getter: Callable[[], Any],
    attribute: str,
    new: Any,
    how: tuple[Any, ...],
    scope: PatchScope,
    kwargs: dict[str, Any],
) -> _patch:
    unsafe = kwargs.pop("unsafe", False)
    spec, create, spec_set, autospec, new_callable = how
    return _patch(
        *(getter, attribute, new, spec, create, spec_set, autospec, new_callable, kwargs),
        scope=scope,
        unsafe=unsafe,
    )


patch: _Patch = _Patch()
