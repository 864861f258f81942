"""``create_autospec``: mocks with the interface of an object, all the way down.

Owns: walking a spec and choosing a mock for it and for each of its attributes. It must not know
patches. Signature checks (to whose errors the call is added) are unittest.mock's own, and the
lazily built children are its ``_SpecState``, which here know how to build themselves: so the
classes of mocks need not know this file.

Invariant: every mock that it makes, at any depth, is one of this package's.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import Any

from . import borrowed as _borrowed
from .coroutines import is_coroutine_function, mark
from .mock_classes import CoroutineMock, MagicMock, NonCallableMagicMock

_FUNCTIONS: tuple[type, ...] = _borrowed.FUNCTION_TYPES

#: What the function before a coroutine mock offers of it.
_AWAIT_ASSERTIONS = tuple(
    name for name in dir(CoroutineMock) if name.startswith("assert_") and "await" in name
)


def create_autospec(  # the arguments with an underscore are unittest.mock's own
    spec: Any,
    spec_set: bool = False,  # noqa: FBT001, FBT002  # asynctest's signature
    instance: bool = False,  # noqa: FBT001, FBT002  # asynctest's signature
    _parent: Any = None,
    _name: str | None = None,
    **kwargs: Any,
) -> Any:
    """Create a mock that has the attributes of ``spec`` and the signatures of its functions.

    Args:
        spec: A function, a coroutine function, a class or any other object.
        spec_set: Refuse to set attributes that the spec does not have.
        instance: The spec is a class, and the mock stands for an instance of it.
        kwargs: Handed on to the mock.

    Raises:
        RuntimeError: ``instance`` together with a coroutine function.

    A call with arguments that the spec would not take raises TypeError.

    """
    if not kwargs.pop("unsafe", False):
        _borrowed.check_spec_typos(kwargs)
    if isinstance(spec, (list, tuple)):
        spec = type(spec)  # as a spec, a list would be a list of names
    if instance and is_coroutine_function(spec):
        raise RuntimeError(
            "Instance can not be True when create_autospec is mocking a coroutine function:"
            f" {spec!r}"
        )
    mock = _top(spec, spec_set, instance, _parent, kwargs.pop("name", _name), kwargs)
    if isinstance(spec, _FUNCTIONS):
        mock = _with_signature(mock, spec)
    else:
        _check_signature(spec, mock, isinstance(spec, type), instance)
    if _parent is not None and not instance:
        _parent._mock_children[_name] = mock
    wraps = kwargs.get("wraps")
    if isinstance(spec, type) and not instance and "return_value" not in kwargs:
        more = {} if wraps is None else {"wraps": wraps}
        mock.return_value = create_autospec(
            spec, spec_set, instance=True, _name="()", _parent=mock, **more
        )
    for name, original in _attributes(spec):
        _add_child(mock, spec, name, original, spec_set, wraps)
    return mock


class _Child(_borrowed.SpecState):  # type: ignore[misc]  # unittest.mock's, untyped
    """A child that is built when it is first asked for."""

    def build(self) -> Any:
        return create_autospec(self.spec, self.spec_set, self.instance, self.parent, self.name)


def _class_for(spec: Any, instance: bool) -> type:  # noqa: FBT001  # private
    if inspect.isdatadescriptor(spec):
        return MagicMock
    if is_coroutine_function(spec):
        return CoroutineMock
    if not _borrowed.is_callable(spec):
        return NonCallableMagicMock
    if isinstance(spec, type) and instance and not _borrowed.instance_is_callable(spec):
        return NonCallableMagicMock
    return MagicMock


def _top(  # the same arguments as its one caller's
    spec: Any,
    spec_set: bool,  # noqa: FBT001  # private
    instance: bool,  # noqa: FBT001  # private
    parent: Any,
    name: str | None,
    kwargs: dict[str, Any],
) -> Any:
    known: dict[str, Any] = {}
    if spec is not None and not inspect.isdatadescriptor(spec):
        # Nobody can tell what type a descriptor will give, so that it has no spec.
        known["spec_set" if spec_set else "spec"] = spec
        if instance:
            known["_spec_as_instance"] = True
    mock: Any = _class_for(spec, instance)(
        parent=parent,
        _new_parent=parent,
        _new_name="" if parent is None else name,
        name=name,
        **{**known, **kwargs},
    )
    if instance and isinstance(spec, type) and dataclasses.is_dataclass(spec):
        # Fields without a default are attributes of the instances only.
        fields = [field.name for field in dataclasses.fields(spec)]
        vars(mock)["_mock_methods"] = [*(vars(mock)["_mock_methods"] or ()), *fields]
    return mock


def _with_signature(mock: Any, spec: Any) -> Any:
    """Put a function before the mock that takes exactly what ``spec`` takes."""
    function = _borrowed.set_signature(mock, spec)
    if function is mock:
        return mock
    known = function.__globals__  # its own, made for it
    known["_checksig_"] = _telling(known["_checksig_"], spec.__name__)
    if is_coroutine_function(spec):
        mark(function)
        # From here on the mock keeps its records of awaits in the function.
        for record in ("awaited", "await_count", "await_args", "await_args_list"):
            setattr(function, record, vars(mock)[f"_mock_{record}"])
        for name in _AWAIT_ASSERTIONS:
            setattr(function, name, getattr(mock, name))
    return function


def _check_signature(spec: Any, mock: Any, skipfirst: bool, instance: bool = False) -> None:  # noqa: FBT001, FBT002  # private
    """Check the mock's calls against the signature of ``spec``."""
    _borrowed.check_signature(spec, mock, skipfirst, instance)
    check = vars(type(mock)).get("_mock_check_sig")
    if check is not None:
        type(mock)._mock_check_sig = _telling(check, getattr(spec, "__name__", "mock"), 1)


def _telling(check: Any, name: str, skipped: int = 0) -> Any:
    """Add the call, without its first ``skipped`` arguments, to what a check raises."""

    @functools.wraps(check)
    def checksig(*args: Any, **kwargs: Any) -> None:
        try:
            check(*args, **kwargs)
        except TypeError as error:
            made = _borrowed.format_call_signature(name, args[skipped:], kwargs)
            raise TypeError(f"{error}, in the call {made}") from None

    return checksig


def _attributes(spec: Any) -> list[tuple[str, Any]]:
    found = []
    for name in dir(spec):
        if _borrowed.is_magic(name):
            continue
        try:
            found.append((name, getattr(spec, name)))
        except AttributeError:
            continue
        except Exception:  # noqa: BLE001  # a property that fails here: mock it without a spec
            found.append((name, inspect.getattr_static(spec, name)))
    return found


def _add_child(  # private, one caller
    mock: Any,
    spec: Any,
    name: str,
    original: Any,
    spec_set: bool,  # noqa: FBT001  # private
    wraps: Any,
) -> None:
    if not isinstance(original, _FUNCTIONS):
        mock._mock_children[name] = _Child(original, spec_set, parent=mock, name=name)
        return
    parent = mock.mock if isinstance(spec, _FUNCTIONS) and hasattr(mock, "mock") else mock
    eat_self = _borrowed.must_skip(spec, name, isinstance(spec, type))
    more: dict[str, Any] = {"spec_set" if spec_set else "spec": original}
    if wraps is not None and hasattr(wraps, name):
        more["wraps"] = getattr(wraps, name)
    kind: Any = CoroutineMock if is_coroutine_function(original) else MagicMock
    child = kind(
        parent=parent,
        name=name,
        _new_name=name,
        _new_parent=parent,
        _eat_self=eat_self,
        **more,
    )
    mock._mock_children[name] = child
    _check_signature(original, child, eat_self)


__all__ = ["create_autospec"]
