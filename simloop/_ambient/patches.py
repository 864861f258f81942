"""The mechanism: what is replaced while a run is on, and its replacement and return.

Owns: one list for the whole process of everything that is patched, made once, and the count of
runs that want it patched. Entering a run is a walk over that list, not a search.

Must not know: what is patched with what.

Invariants:

- Everything is patched exactly while at least one run is on, in whatever thread.
- Undoing puts back what was there when patching began. Applying and undoing may be repeated: a
  walk that is interrupted half-way is undone whole.
- Patches for modules that are not loaded cost one dictionary look-up and never load them.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from simloop.errors import UsageError

from .redirect import Redirect, is_builtin, redirect_all, restore_all, type_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = [
    "Patch",
    "attribute",
    "before_install",
    "install",
    "patch",
    "redirect",
    "rewrite",
    "type_entry",
    "uninstall",
    "when_loaded",
]

_redirects: list[Redirect] = []
_patches: list[Patch] = []
_awaited: dict[str, Callable[[ModuleType], None]] = {}
_searches: list[Callable[[], None]] = []
_lock = allocate_lock()
_users = 0

_MISSING: Any = object()


class Patch(Protocol):
    """Something that can be replaced and put back, any number of times."""

    def on(self) -> None:
        """Replace it."""

    def off(self) -> None:
        """Put back what was there, if it was replaced."""


class Attribute:
    """A name of a module or of a class written in Python."""

    __slots__ = ("_before", "_name", "_namespace", "_owner", "_value")

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._owner = owner
        self._namespace = owner.__dict__
        self._name = name
        self._value = value
        self._before = _MISSING

    def on(self) -> None:
        """Put our value there."""
        before = self._namespace.get(self._name, _MISSING)
        if before is not self._value:
            self._before = before
            setattr(self._owner, self._name, self._value)

    def off(self) -> None:
        """Put back what was there."""
        if self._namespace.get(self._name, _MISSING) is not self._value:
            return  # Never put there, or somebody else's patch came later: theirs to undo.
        if self._before is _MISSING:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)


class TypeEntry:
    """A method of a class written in C, which refuses ``setattr``."""

    __slots__ = ("_before", "_class", "_modified", "_name", "_namespace", "_value")

    def __init__(self, cls: type, name: str, value: Any) -> None:
        self._class = cls
        self._name = name
        self._value = value
        self._namespace, self._modified = type_dict(cls)
        self._before = self._namespace[name]

    def on(self) -> None:
        """Put our value there."""
        self._namespace[self._name] = self._value
        self._modified(self._class)

    def off(self) -> None:
        """Put back what was there."""
        self._namespace[self._name] = self._before
        self._modified(self._class)


class Rewrite:
    """A Python function that runs other code in place, so that every reference to it follows."""

    __slots__ = ("_code", "_defaults", "_function", "_ours", "_ours_defaults")

    def __init__(self, function: Any, replacement: Callable[..., Any]) -> None:
        self._function = function
        self._code = function.__code__
        self._defaults = function.__kwdefaults__
        self._ours = _stub(len(self._code.co_freevars)).__code__
        self._ours_defaults = {"call": replacement}

    def on(self) -> None:
        """Run our code."""
        self._function.__code__ = self._ours
        self._function.__kwdefaults__ = self._ours_defaults

    def off(self) -> None:
        """Run its own code."""
        self._function.__code__ = self._code
        self._function.__kwdefaults__ = self._defaults


def _stub(free: int) -> Any:
    """Make a function that passes its call on, with as many free variables as are wanted."""
    unused = None

    def plain(*args: Any, call: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    def closed(*args: Any, call: Any, **kwargs: Any) -> Any:
        if False:
            return unused
        return call(*args, **kwargs)

    return (plain, closed)[free]


def redirect(target: Any, function: Callable[..., Any]) -> Any:
    """Send a builtin function to a Python one during runs; returns the real one, for its use.

    A function may be redirected twice: the later one is called, and its real one is the earlier.

    Raises:
        UsageError: The name no longer holds the builtin, because somebody replaced it.
    """
    if not is_builtin(target):
        raise UsageError(
            f"simloop was imported while {target!r} stood in for a builtin function "
            "(freezegun, gevent?); import simloop before that"
        )
    earlier = [each for each in _redirects if each.target is target]
    made = Redirect(target, function)
    _redirects.append(made)
    return earlier[-1].function if earlier else made.real


def patch(each: Patch) -> None:
    """Apply this during runs."""
    _patches.append(each)


def rewrite(function: Any, replacement: Callable[..., Any]) -> Any:
    """Send a Python function to another one during runs; returns the real one, for its use."""
    patch(Rewrite(function, replacement))
    return FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )


def attribute(owner: Any, name: str, value: Any) -> None:
    """Set an attribute of a module or a Python class during runs."""
    patch(Attribute(owner, name, value))


def type_entry(cls: type, name: str, value: Any) -> None:
    """Replace a method of a C class during runs."""
    patch(TypeEntry(cls, name, value))


def when_loaded(module: str, register: Callable[[ModuleType], None]) -> None:
    """Register patches of a module when it turns out to be loaded; never load it."""
    _awaited[module] = register


def before_install(search: Callable[[], None]) -> None:
    """Let somebody look for more to patch each time before patching; it must be quick."""
    _searches.append(search)


def install() -> None:
    """Patch, unless it is done already; each call wants one of :func:`uninstall`."""
    global _users  # noqa: PLW0603 - the state of the process, kept where it is used
    with _lock:
        if not _users:
            try:
                _apply()
            except BaseException:
                _undo()
                raise
        _users += 1


def uninstall() -> None:
    """Undo when the last run has left."""
    global _users  # noqa: PLW0603 - as above
    with _lock:
        _users -= 1
        if not _users:
            _undo()


def _apply() -> None:
    if _awaited:
        _look_for_awaited()
    for search in _searches:
        search()
    for each in _patches:
        each.on()
    redirect_all(_redirects)


def _undo() -> None:
    restore_all(_redirects)
    for each in reversed(_patches):
        each.off()


def _look_for_awaited() -> None:
    for name in [name for name in _awaited if name in sys.modules]:
        _awaited.pop(name)(sys.modules[name])
