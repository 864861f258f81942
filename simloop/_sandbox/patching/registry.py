"""The mechanism: what is replaced while a run is on, and its replacement and return.

Owns: one list for the whole process of everything that is patched, made once, and the count of
runs that want it patched. Entering a run is a walk over that list, not a search.

Must not know: what is patched with what.

Invariants:

- Everything is patched exactly while at least one run is on, in whatever thread.
- Undoing puts back what was there when patching began. Applying and undoing may be repeated: a
  walk that is interrupted half-way is undone whole.
- A name of an owner is set by one of us.
- Patches for modules that are not loaded cost one dictionary look-up and never load them.
"""

from __future__ import annotations

import sys
from _thread import LockType, allocate_lock
from collections import deque
from contextlib import contextmanager
from operator import call
from typing import TYPE_CHECKING, Any, Protocol

from .c_functions import (
    METHOD_TYPES,
    MethodRedirect,
    Redirect,
    behind,
    clone,
    clone_method,
    type_dict,
)
from .memory import MemoryPatch
from .python_functions import Rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = [
    "Patch",
    "apply_new",
    "awaits",
    "before_install",
    "entry",
    "install",
    "is_loaded_without_patches",
    "load_without_patches",
    "loaded",
    "method",
    "original",
    "patch",
    "redirect",
    "redirect_present",
    "registering",
    "rewrite",
    "uninstall",
    "when_any_loaded",
    "when_loaded",
    "without_patches",
]

_redirects: list[Redirect | MethodRedirect | Rewrite] = []
_by_target: dict[int, Redirect | MethodRedirect] = {}
"""By identity of what is redirected, which lives as long as the process: the latest one."""

_memory_patch = MemoryPatch(())
_counted = 0
"""Of how many redirects ``_memory_patch`` are."""

_patches: list[Patch] = []
_awaited: dict[str, list[Callable[[ModuleType], None]]] = {}
_packages: dict[str, Callable[[ModuleType], None]] = {}
_of_packages: dict[str, ModuleType] = {}
"""Their modules that were registered."""
_loaded_without: list[str] = []
_modules_seen = 0
"""How many modules were loaded when the awaited ones were last looked for."""

_searches: list[Callable[[], None]] = []
_lock = allocate_lock()
_acquire, _release = clone_method(LockType, "acquire"), clone_method(LockType, "release")
"""Out of reach of redirects, which would make a lock of runs of it: each run comes by twice."""
_users = 0

_MISSING: Any = object()


class Patch(Protocol):
    """Something that can be replaced and put back, any number of times."""

    def on(self) -> None:
        """Replace it."""

    def off(self) -> None:
        """Put back what was there, if it was replaced."""


class Attribute:
    """A name of a class written in Python."""

    __slots__ = ("_before", "_name", "_namespace", "_owner", "_value")

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._owner = owner
        self._namespace = vars(owner)
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
            return  # Never put there, or another tool's patch came later: its own to undo.
        if self._before is _MISSING:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)


class _ModuleNames:
    """Names of modules, written to directly."""

    __slots__ = ("_before", "_entries")

    def __init__(self) -> None:
        self._entries: list[tuple[int, dict[str, Any], str, Any]] = []
        self._before: list[Any] = []

    def add(self, module: ModuleType, name: str, value: Any) -> None:
        """Put one more there in runs."""
        self._entries.append((len(self._entries), vars(module), name, value))
        self._before.append(_MISSING)

    def on(self) -> None:
        """Put our values there."""
        before, missing = self._before, _MISSING
        for number, namespace, name, value in self._entries:
            found = namespace.get(name, missing)
            if found is not value:  # It may be ours, put back by a tool that patched it in a run.
                before[number] = found
                namespace[name] = value

    def off(self) -> None:
        """Put back what was there."""
        all_before, missing = self._before, _MISSING
        for number, namespace, name, value in self._entries:
            if namespace.get(name) is not value:
                continue  # Never put there, or another tool's patch came later: its own to undo.
            before = all_before[number]
            if before is missing:
                del namespace[name]
            else:
                namespace[name] = before


_module_names = _ModuleNames()
_patches.append(_module_names)


def redirect(target: Any, function: Callable[..., Any]) -> Any:
    """Send a builtin function to a Python one during runs; returns the real one, for its use.

    A function may be redirected twice: the later one is called, and its real one is the earlier.

    Raises:
        UsageError: The name no longer holds the builtin, because it was replaced.
    """
    return _add(Redirect(behind(target), function))


def redirect_present(module: Any, name: str, function: Callable[..., Any]) -> Any:
    """Redirect a function that not every platform has; returns None where this one has not."""
    target = getattr(module, name, None)
    return None if target is None else redirect(target, function)


def method(owner: type, name: str, function: Callable[..., Any]) -> Any:
    """Send a method of a class written in C to a Python function during runs; see above."""
    return _add(MethodRedirect(behind(type_dict(owner)[name], METHOD_TYPES), function))


def _add(made: Redirect | MethodRedirect) -> Any:
    earlier = _by_target.get(id(made.target))
    _by_target[id(made.target)] = made
    _redirects.append(made)
    return made.real if earlier is None else earlier.function


def original(function: Any) -> Any:
    """Return the function itself, out of reach of redirects, also in the middle of a run."""
    for each in _redirects:
        if isinstance(each, Redirect) and each.target is function:
            return each.real
    return clone(function)


@contextmanager
def registering() -> Iterator[None]:
    """Apply what the block registers at once where runs are on: it comes late."""
    known = len(_patches)
    yield
    with _lock:
        if _users:
            _look_for_awaited()
            for each in _patches[known:]:
                each.on()
            _module_names.on()
            _memory_patch_of_all().on()


def patch(each: Patch) -> None:
    """Apply this during runs."""
    _patches.append(each)


def rewrite(function: Any, replacement: Callable[..., Any]) -> Any:
    """Send a Python function to another one during runs; returns the real one, for its use."""
    made = Rewrite(function, replacement)
    _redirects.append(made)
    return made.real


def entry(owner: Any, name: str, value: Any) -> None:
    """Set a name of a module, or of a class written in Python, during runs."""
    if isinstance(owner, type):
        patch(Attribute(owner, name, value))
    else:
        _module_names.add(owner, name, value)


def when_loaded(module: str, register: Callable[[ModuleType], None]) -> None:
    """Register patches of a module when it turns out to be loaded; never load it."""
    global _modules_seen  # noqa: PLW0603 - the state of the process
    _awaited.setdefault(module, []).append(register)
    _modules_seen = 0


def load_without_patches(module: str) -> None:
    """Load this extension module in a run as if outside: it keeps what it finds in other ones."""
    _loaded_without.append(module)


def is_loaded_without_patches(module: str) -> bool:
    """Return whether this is such a module."""
    return module in _loaded_without


def when_any_loaded(package: str, register: Callable[[ModuleType], None]) -> None:
    """Do the same for a package and each module in it, which patch nothing in the registry."""
    global _modules_seen  # noqa: PLW0603 - the state of the process
    _packages[package] = register
    _modules_seen = 0


def awaits(module: str) -> bool:
    """Tell whether patches wait for a module to be loaded."""
    is_named = module in _awaited or module in _loaded_without
    return is_named or module.partition(".")[0] in _packages


def loaded(module: ModuleType) -> None:
    """Apply the patches that have waited for a module, in the middle of a run."""
    with _lock:
        known = len(_patches)
        registers = _awaited.pop(module.__name__, ())
        for register in registers:
            register(module)
        _register_of_package(module.__name__, module)
        if _users and registers:
            for each in _patches[known:]:
                each.on()
            _module_names.on()
            _memory_patch_of_all().on()


def apply_new() -> None:
    """Apply what was redirected and rewritten since the runs that are on began, if any are."""
    with _lock:
        if _users:
            _memory_patch_of_all().on()


def before_install(search: Callable[[], None]) -> None:
    """Call a function that finds more to patch, each time before patching; it must be quick."""
    _searches.append(search)


def install() -> None:
    """Patch, unless it is done already; each call wants one of :func:`uninstall`."""
    global _users  # noqa: PLW0603 - the state of the process, kept where it is used
    _acquire(_lock)
    try:
        if not _users:
            try:
                _apply()
            except BaseException:
                _undo()
                raise
        _users += 1
    finally:
        _release(_lock)


def uninstall() -> None:
    """Undo when the last run has left."""
    global _users  # noqa: PLW0603 - as above
    _acquire(_lock)
    try:
        _users -= 1
        if not _users:
            _undo()
    finally:
        _release(_lock)


def without_patches(function: Callable[[], object]) -> None:
    """Call a function written in C while what is written in C is as it is outside of runs.

    All is one loop in C: no other thread, of a run or not, sees them so. For tools that write into
    C functions themselves.
    """
    if not _users:
        function()
        return
    words = _memory_patch_of_all()
    try:
        deque(map(call, (*words.steps_off(), function)), maxlen=0)
    finally:
        words.on()


@contextmanager
def sealed() -> Iterator[None]:
    """Keep the process patched for a block of many runs, which then need not patch it each.

    Between its runs a thread is outside: what is patched leaves it alone.
    """
    install()
    try:
        yield
    finally:
        uninstall()


def _apply() -> None:
    if len(sys.modules) != _modules_seen:
        _look_for_awaited()
    for search in _searches:
        search()
    for each in _patches:
        each.on()
    _memory_patch_of_all().on()


def _memory_patch_of_all() -> MemoryPatch:
    global _memory_patch, _counted  # noqa: PLW0603 - as above
    if _counted != len(_redirects):
        _counted = len(_redirects)
        _memory_patch = MemoryPatch(word for each in _redirects for word in each.words)
    return _memory_patch


def _undo() -> None:
    _memory_patch.off()
    for each in reversed(_patches):
        each.off()


def _look_for_awaited() -> None:
    global _modules_seen  # noqa: PLW0603 - as above
    _modules_seen = len(sys.modules)
    for name in [name for name in _awaited if sys.modules.get(name) is not None]:
        for register in _awaited.pop(name):
            register(sys.modules[name])
    # Copied in one go: what is collected between two names may import, as Python's own warnings do.
    for name, module in sys.modules.copy().items():
        _register_of_package(name, module)


def _register_of_package(name: str, module: ModuleType) -> None:
    register = _packages.get(name.partition(".")[0])
    if register is not None and _of_packages.get(name) is not module and module is not None:
        _of_packages[name] = module
        register(module)
