"""The mock classes: unittest.mock's, with coroutine functions mocked by ``CoroutineMock``.

Owns: which class a child mock gets, what calling a ``CoroutineMock`` gives, and the family ties
between the classes. It must not know patches, autospec (which ``SpecAware`` asks for lazily) or the
selector.

Each instance of a mock has a class of its own, made in ``__new__``; attributes of that class carry
the instance's magic methods. unittest.mock would put its own AsyncMock machinery below a mock whose
spec is asynchronous; ``SpecAware`` makes the class itself and so keeps it out.

Invariants:

- A child is a ``CoroutineMock`` exactly if what it stands for (by spec, or by ``wraps``) is a
  coroutine function, or if it is a magic method that Python awaits.
- No property of a spec is run to find that out, and mocks may be specs.
- A mock is never taken for a coroutine function because of its spec; only a ``CoroutineMock`` and a
  non-callable mock with ``is_coroutine`` are.
"""

from __future__ import annotations

import functools
import inspect
import types
import unittest.mock
from typing import TYPE_CHECKING, Any, NoReturn, Self

from . import borrowed as _borrowed
from .awaiting import AwaitAssertions, AwaitEvent
from .coroutines import ASYNCIO_MARK, INSPECT_MARK, YieldableCoroutine, is_coroutine_function

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

#: The magic methods that have to be coroutine functions.
async_magic_coroutines: set[str] = {"__aenter__", "__aexit__", "__anext__"}

#: The module that shows as the home of the classes, as in asynctest.
_HOME = "asynctest_compat.mock"

# Code objects are what inspect judges functions by. A mock with a function as its spec looks like
# one, and must not be taken for a coroutine function: it gets the code of a plain one.
_PLAIN_CODE = (lambda *args, **kwargs: None).__code__  # noqa: ARG005  # only its kind matters


class FakeInheritanceMeta(type):
    """Give the classes the family ties of their unittest.mock namesakes.

    ``MagicMock()`` is a ``Mock``, and every mock is a ``NonCallableMock``, although each class
    inherits from its namesake only.
    """

    def __instancecheck__(cls, instance: object) -> bool:
        if super().__instancecheck__(instance):
            return True
        kin: tuple[type, ...] = ()
        if cls is NonCallableMock:
            kin = (NonCallableMagicMock, Mock, MagicMock)
        elif cls is Mock:
            kin = (MagicMock,)
        return issubclass(type(instance), kin)


class MockMetaMixin(FakeInheritanceMeta):
    """Make a class of mocks aware of coroutine functions in specs."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
    ) -> MockMetaMixin:
        return super().__new__(cls, name, _with(SpecAware, bases), namespace)


class IsCoroutineArgMeta(MockMetaMixin):
    """Give a class of mocks the argument and the property ``is_coroutine`` too."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
    ) -> IsCoroutineArgMeta:
        made = super().__new__(cls, name, _with(IsCoroutineProperty, bases), namespace)
        assert isinstance(made, IsCoroutineArgMeta)  # what type.__new__ promises
        return made


def _with(mixin: type, bases: tuple[type, ...]) -> tuple[type, ...]:
    return bases if any(issubclass(base, mixin) for base in bases) else (mixin, *bases)


class SpecAware(_borrowed.Base):
    """What all classes here share: how instances and children are made, and how specs are read."""

    __code__ = _PLAIN_CODE

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG004  # __init__ takes them
        metaclass: Any = type(cls)
        namespace = {"__doc__": cls.__doc__, "__module__": cls.__module__}
        return object.__new__(metaclass(cls.__name__, (cls,), namespace))

    def _mock_add_spec(
        self,
        spec: Any,
        spec_set: Any,
        _spec_as_instance: bool = False,  # noqa: FBT001, FBT002  # unittest.mock's signature
        _eat_self: bool = False,  # noqa: FBT001, FBT002  # unittest.mock's signature
    ) -> None:
        names, of_class, signature = spec, None, None
        coroutines: list[str] = []
        if spec is not None and not isinstance(spec, (list, tuple)):
            names = dir(spec)
            if isinstance(spec, unittest.mock.NonCallableMock):
                of_class, signature = spec.__class__, vars(spec).get("_spec_signature")
                coroutines = _coroutines_of_mock(spec)
            else:
                coroutines = [n for n in names if is_coroutine_function(_static(spec, n))]
                of_class = spec if isinstance(spec, type) else type(spec)
                signature = _signature(spec, _spec_as_instance, _eat_self)
        self.__dict__.update(
            _spec_class=of_class,
            _spec_set=spec_set,
            _spec_signature=signature,
            _mock_methods=names,
            _spec_asyncs=coroutines,
            _spec_coroutines=coroutines,
        )

    def _get_child_mock(self, /, *args: Any, **kwargs: Any) -> Any:
        if vars(self).get("_mock_sealed"):
            self._refuse_child(kwargs)
        return self._class_of_child(kwargs)(*args, **kwargs)

    def _refuse_child(self, kwargs: dict[str, Any]) -> NoReturn:
        suffix = f".{kwargs['name']}" if "name" in kwargs else "()"
        full_name = self._extract_mock_name() + suffix
        raise AttributeError(full_name)

    def _class_of_child(self, kwargs: dict[str, Any]) -> type:
        name, kind = kwargs.get("_new_name"), type(self)
        is_magic = issubclass(kind, (MagicMock, NonCallableMagicMock))
        if name in vars(self)["_spec_coroutines"] or is_coroutine_function(kwargs.get("wraps")):
            return CoroutineMock
        if is_magic and name in async_magic_coroutines:
            return CoroutineMock
        if issubclass(kind, CoroutineMock):
            return MagicMock
        if not issubclass(kind, unittest.mock.CallableMixin):
            return MagicMock if is_magic else Mock
        return kind.__mro__[1]

    def __getattr__(self, name: str) -> Any:
        state = vars(self).get("_mock_children", {}).get(name)
        if isinstance(state, _borrowed.SpecState) and hasattr(state, "build"):
            # A child of an autospec that is asked for the first time: ours, not unittest's.
            vars(self)["_mock_children"][name] = state.build()
        return super().__getattr__(name)  # type: ignore[misc]  # unittest.mock has it, its stubs do not


class IsCoroutineProperty(SpecAware):
    """The argument and the property ``is_coroutine`` of the mocks that can't be called."""

    def __init__(  # asynctest's signature
        self,
        spec: Any = None,
        wraps: Any = None,
        name: str | None = None,
        spec_set: Any = None,
        is_coroutine: object = None,
        parent: Any = None,
        **kwargs: Any,
    ) -> None:
        self.__dict__["_mock_is_coroutine"] = bool(is_coroutine)
        super().__init__(
            spec=spec, wraps=wraps, name=name, spec_set=spec_set, parent=parent, **kwargs
        )

    @property
    def is_coroutine(self) -> bool:
        """True if the object mocked is a coroutine function."""
        return bool(vars(self)["_mock_is_coroutine"])

    @property
    def _is_coroutine(self) -> object:
        return ASYNCIO_MARK if self.is_coroutine else False

    @property
    def _is_coroutine_mark(self) -> object:
        return INSPECT_MARK if self.is_coroutine else False

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "is_coroutine":  # also where a spec_set allows no other name
            self.__dict__["_mock_is_coroutine"] = bool(value)
        else:
            super().__setattr__(name, value)


class AsyncMagicMixin:
    """Mock ``__aenter__``, ``__aexit__``, ``__aiter__`` and ``__anext__``.

    unittest.mock sets these up itself by now, and ``SpecAware`` decides which class mocks them.
    Only its ``__aiter__`` gives an iterator that is not iterable itself; here it is.
    """

    def _mock_set_magics(self) -> None:
        super()._mock_set_magics()  # type: ignore[misc]  # of unittest.mock's MagicMixin
        if isinstance(vars(type(self)).get("__aiter__"), unittest.mock.MagicProxy):
            type.__setattr__(type(self), "__aiter__", _AiterProxy("__aiter__", self))


class _AiterProxy(unittest.mock.MagicProxy):
    """Make ``__aiter__`` when it is first asked for."""

    parent: Any

    def create_mock(self) -> Any:
        mock = super().create_mock()
        mock.side_effect = functools.partial(_iterate_return_value, mock)
        return mock


def _iterate_return_value(aiter_mock: Any) -> Any:
    """Go through what ``__aiter__.return_value`` is: an iterable of either kind."""
    values = aiter_mock._mock_return_value
    if values is unittest.mock.DEFAULT:
        values = ()
    if hasattr(type(values), "__aiter__"):
        return values.__aiter__()
    return _AsyncIterator(iter(values))


class _AsyncIterator:
    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        for value in self._iterator:
            return value
        raise StopAsyncIteration


class NonCallableMock(
    IsCoroutineProperty, unittest.mock.NonCallableMock, metaclass=IsCoroutineArgMeta
):
    """Mock an object that can't be called.

    Attributes that are coroutine functions in ``spec`` or ``spec_set``, or in the object that is
    wrapped (``wraps``), become ``CoroutineMock`` objects. With ``is_coroutine=True`` the mock
    itself passes for a coroutine function.
    """


class NonCallableMagicMock(
    IsCoroutineProperty,
    AsyncMagicMixin,
    unittest.mock.NonCallableMagicMock,
    metaclass=IsCoroutineArgMeta,
):
    """Mock an object that can't be called, with its magic methods. See ``MagicMock``."""


class Mock(SpecAware, unittest.mock.Mock, metaclass=MockMetaMixin):
    """Mock an object; attributes that are coroutine functions become ``CoroutineMock`` objects.

    Which attributes are coroutine functions is read from ``spec``, ``spec_set`` or ``wraps``. To
    mock a coroutine function itself use ``CoroutineMock``.

    >>> class Client:
    ...     async def get(self): ...
    ...     def close(self): ...
    >>> type(Mock(Client()).get)
    <class 'asynctest_compat.mock.CoroutineMock'>
    >>> type(Mock(Client()).close)
    <class 'asynctest_compat.mock.Mock'>
    """


class MagicMock(SpecAware, AsyncMagicMixin, unittest.mock.MagicMock, metaclass=MockMetaMixin):
    """Mock an object with its magic methods, the asynchronous ones included.

    ``async with`` and ``async for`` work. ``mock.__aiter__.return_value`` is an iterable or an
    iterator with the values to go through, by default none; ``__aexit__`` returns False, so that
    exceptions pass. ``__await__`` can't be mocked: a ``CoroutineMock`` does what is wanted.
    """


def _coroutines_of_mock(mock: Any) -> list[str]:
    children = vars(mock).get("_mock_children", {})
    made = [name for name, child in children.items() if is_coroutine_function(child)]
    return [*made, *vars(mock).get("_spec_asyncs", ())]


def _static(spec: object, name: str) -> object:
    """Get an attribute of a spec as it is stored, unless it takes a descriptor to know it.

    Properties stay unasked: a test's spec may be an object that is not to be touched.
    """
    try:
        found = inspect.getattr_static(spec, name)
        if isinstance(found, _TELLING) or inspect.isdatadescriptor(found):
            return found
    except AttributeError:
        pass  # made up on demand, by __getattr__
    try:
        return getattr(spec, name, None)
    except Exception:  # noqa: BLE001  # whatever the spec's own code raises, it is no coroutine
        return None


#: Attributes that say by themselves whether they are coroutine functions, or surely are not.
_TELLING = (
    *(types.FunctionType, classmethod, staticmethod, functools.partial),
    *(property, functools.cached_property),
)


def _signature(spec: Any, as_instance: bool, eat_self: bool) -> inspect.Signature | None:  # noqa: FBT001  # flags of unittest.mock
    found = _borrowed.get_signature_object(spec, as_instance, eat_self)
    return found[1] if found else None


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def outcome() -> NoReturn:
        raise error

    return outcome


def _iterate(awaitable: Any) -> Any:
    """Get what ``yield from`` takes: coroutines and generators as they are."""
    is_native = isinstance(awaitable, (types.CoroutineType, types.GeneratorType))
    return awaitable if is_native else awaitable.__await__()


def _await_record(name: str) -> Any:
    """Make a property that lives in the mock, or in the function that stands before it.

    ``create_autospec`` puts a function with the right signature before the mock of a function.
    """
    key = f"_mock_{name}"

    def fget(self: Any) -> Any:
        delegate = vars(self).get("_mock_delegate")
        return vars(self)[key] if delegate is None else getattr(delegate, name)

    def fset(self: Any, value: Any) -> None:
        delegate = vars(self).get("_mock_delegate")
        if delegate is None:
            vars(self)[key] = value
        else:
            setattr(delegate, name, value)

    return property(fget, fset)


_AWAIT_RECORDS = ("awaited", "await_count", "await_args", "await_args_list")


class CoroutineMock(AwaitAssertions, Mock):
    """Mock a coroutine function: it passes for one, and calling it gives a coroutine.

    >>> import asyncio
    >>> mock = CoroutineMock(return_value="done")
    >>> asyncio.iscoroutine(mock())
    True
    >>> asyncio.run(mock())
    'done'

    ``side_effect`` is used at the call, its outcome is what the coroutine gives: a function's
    result, an exception to raise, the next of an iterable's values. Only an iterable that has no
    value left raises ``StopIteration`` at the call. Without one, the coroutine gives
    ``return_value``, by default a ``MagicMock``. An outcome that is awaitable is awaited too.
    """

    awaited: AwaitEvent = _await_record("awaited")
    await_count: int = _await_record("await_count")
    await_args: Any = _await_record("await_args")
    await_args_list: Any = _await_record("await_args_list")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Into the instance's dict: a spec_set would refuse the names.
        self.__dict__.update(_is_coroutine=ASYNCIO_MARK, _is_coroutine_mark=INSPECT_MARK)
        self._forget_awaits()
        super().__init__(*args, **kwargs)

    def _forget_awaits(self) -> None:
        self.awaited = AwaitEvent(self)
        self.await_count = 0
        self.await_args = None
        self.await_args_list = _borrowed.CallList()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _AWAIT_RECORDS:  # kept by properties, whatever a spec_set allows
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _mock_call(self, /, *args: Any, **kwargs: Any) -> YieldableCoroutine[Any]:
        steps = self._await_outcome(self._outcome(args, kwargs), self.call_args)
        return YieldableCoroutine(steps, self._called())

    def _called(self) -> str:
        return str(vars(self).get("_mock_name") or "CoroutineMock")

    def _outcome(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
        """Make the call now; return a function that gives its outcome, when it is awaited."""
        try:
            result = super()._mock_call(*args, **kwargs)
        except StopIteration as error:
            effect = self.side_effect
            if effect is not None and not callable(effect):
                raise
            return _raiser(error)
        except BaseException as error:  # noqa: BLE001  # any of them belongs to the await
            return _raiser(error)
        return lambda: result

    @types.coroutine
    def _await_outcome(self, outcome: Callable[[], Any], made_by: Any) -> Generator[Any, Any, Any]:
        try:
            result = outcome()
            if inspect.isawaitable(result):
                result = yield from _iterate(result)
        except GeneratorExit:  # closed while it waited: it must not wait for anything again
            self._end_of_await(made_by)
            raise
        except BaseException:
            self._end_of_await(made_by)
            yield from self.awaited._notify()
            raise
        self._end_of_await(made_by)
        yield from self.awaited._notify()
        return result

    def _end_of_await(self, made_by: Any) -> None:
        self.await_count += 1
        self.await_args = made_by
        self.await_args_list.append(made_by)

    def reset_mock(self, *args: Any, **kwargs: Any) -> None:
        """Forget calls and awaits; see ``unittest.mock.Mock.reset_mock``."""
        super().reset_mock(*args, **kwargs)
        self._forget_awaits()


for _class in (
    AsyncMagicMixin,
    CoroutineMock,
    FakeInheritanceMeta,
    IsCoroutineArgMeta,
    MagicMock,
    Mock,
    MockMetaMixin,
    NonCallableMagicMock,
    NonCallableMock,
):
    _class.__module__ = _HOME
