"""The mechanism: what is replaced while a run is on, and its replacement and return.

Owns: one list for the whole process of everything that is patched, made once, and the count of
runs that want it patched. Entering a run is a walk over that list, not a search.

Must not know: what is patched with what.

Invariants:

- Everything is patched exactly while at least one run is on, in whatever thread.
- Undoing puts back what was there when patching began. Applying and undoing may be repeated: a
  walk that is interrupted half-way is undone whole.
- A name is either an entry or an attribute of its owner, and owned by one of us.
- Patches for modules that are not loaded cost one dictionary look-up and never load them.
"""

from __future__ import annotations

import operator
import sys
import types
from _thread import allocate_lock
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from .c_functions import Redirect, behind, type_dict, type_modified
from .memory import MemoryPatch, address_of
from .python_functions import Rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = [
    "Patch",
    "attribute",
    "awaits",
    "before_install",
    "entry",
    "install",
    "is_loaded_without_patches",
    "load_without_patches",
    "loaded",
    "patch",
    "redirect",
    "rewrite",
    "uninstall",
    "when_any_loaded",
    "when_loaded",
    "without_patches",
]

_redirects: list[Redirect | Rewrite] = []
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
_users = 0

_MISSING: Any = object()

_IMMUTABLE = 1 << 8
"""The flag of a class that refuses changes."""

_IN_C = (
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.BuiltinFunctionType,
)
"""What such a class has."""


class Patch(Protocol):
    """Something that can be replaced and put back, any number of times."""

    def on(self) -> None:
        """Replace it."""

    def off(self) -> None:
        """Put back what was there, if it was replaced."""


class Attribute:
    """A name of a class written in Python that it must be told of, for instance ``__new__``."""

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
            return  # Never put there, or another tool's patch came later: its own to undo.
        if self._before is _MISSING:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, self._before)


class _Names:
    """Names of modules and classes, written to directly; what caches a class's is told."""

    __slots__ = ("_before", "_classes", "_entries", "_methods")

    def __init__(self) -> None:
        self._entries: list[tuple[dict[str, Any], str, Any]] = []
        self._before: list[Any] = []
        # Of classes written in C: they refuse changes by others, so all of one go at once.
        self._methods: dict[int, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {}
        self._classes: dict[int, type] = {}

    def add(self, owner: Any, name: str, value: Any) -> None:
        """Put one more there in runs."""
        namespace = owner.__dict__
        if isinstance(owner, type):
            self._classes[address_of(owner)] = owner
            namespace = type_dict(owner)
            if owner.__flags__ & _IMMUTABLE:
                _, ours, theirs = self._methods.setdefault(address_of(owner), (namespace, {}, {}))
                ours[name], theirs[name] = value, behind(namespace[name], _IN_C)
                return
        self._entries.append((namespace, name, value))
        self._before.append(_MISSING)

    def on(self) -> None:
        """Put our values there."""
        self._before = [  # What we find may be ours, put back by a tool that patched it in a run.
            before if (found := namespace.get(name, _MISSING)) is value else found
            for (namespace, name, value), before in zip(self._entries, self._before, strict=True)
        ]
        for namespace, name, value in self._entries:
            namespace[name] = value
        self.on_methods()

    def on_methods(self) -> None:
        """Put those of classes written in C there."""
        for namespace, ours, _ in self._methods.values():
            namespace.update(ours)
        for address in self._classes:
            type_modified(address)

    def steps_on(self) -> list[Callable[[], object]]:
        """Return calls of C functions that put methods of classes written in C there."""
        steps = [partial(namespace.update, ours) for namespace, ours, _ in self._methods.values()]
        return [*steps, *self._tell()]

    def steps_off(self) -> list[Callable[[], object]]:
        """Return calls of C functions that put back the methods of these classes."""
        steps = [partial(space.update, theirs) for space, _, theirs in self._methods.values()]
        return [*steps, *self._tell()]

    def _tell(self) -> list[Callable[[], object]]:
        return [partial(type_modified, address) for address in self._classes]

    def off(self) -> None:
        """Put back what was there."""
        for (namespace, name, value), before in zip(self._entries, self._before, strict=True):
            if namespace.get(name) is not value:
                continue  # Never put there, or another tool's patch came later: its own to undo.
            if before is _MISSING:
                del namespace[name]
            else:
                namespace[name] = before
        for namespace, _, theirs in self._methods.values():
            namespace.update(theirs)
        for address in self._classes:
            type_modified(address)


_names = _Names()
_patches.append(_names)


def redirect(target: Any, function: Callable[..., Any]) -> Any:
    """Send a builtin function to a Python one during runs; returns the real one, for its use.

    A function may be redirected twice: the later one is called, and its real one is the earlier.

    Raises:
        UsageError: The name no longer holds the builtin, because it was replaced.
    """
    target = behind(target)
    earlier = [each for each in _redirects if isinstance(each, Redirect) and each.target is target]
    made = Redirect(target, function)
    _redirects.append(made)
    return earlier[-1].function if earlier else made.real


def patch(each: Patch) -> None:
    """Apply this during runs."""
    _patches.append(each)


def rewrite(function: Any, replacement: Callable[..., Any]) -> Any:
    """Send a Python function to another one during runs; returns the real one, for its use."""
    made = Rewrite(function, replacement)
    _redirects.append(made)
    return made.real


def entry(owner: Any, name: str, value: Any) -> None:
    """Set a name of a module or a class during runs, also of a class written in C.

    Names that a class must be told of, such as operators, want :func:`attribute`.
    """
    _names.add(owner, name, value)


def attribute(owner: type, name: str, value: Any) -> None:
    """Set an operator or constructor of a Python class during runs."""
    patch(Attribute(owner, name, value))


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
            _names.on()
            _memory_patch_of_all().on()


def before_install(search: Callable[[], None]) -> None:
    """Call a function that finds more to patch, each time before patching; it must be quick."""
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


def without_patches(call: Callable[[], object]) -> None:
    """Call a function written in C while C functions and classes are as they are outside of runs.

    All is one loop in C: no other thread, of a run or not, sees them so. For tools that write into
    C functions themselves.
    """
    if not _users:
        call()
        return
    words = _memory_patch_of_all()
    try:
        steps = (words.steps_off(), _names.steps_off(), (call,), _names.steps_on())
        deque(map(operator.call, [step for some in steps for step in some]), maxlen=0)
    finally:
        _names.on_methods()
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
    for name in [name for name in _awaited if name in sys.modules]:
        for register in _awaited.pop(name):
            register(sys.modules[name])
    for name, module in tuple(sys.modules.items()):
        _register_of_package(name, module)


def _register_of_package(name: str, module: ModuleType) -> None:
    register = _packages.get(name.partition(".")[0])
    if register is not None and _of_packages.get(name) is not module and module is not None:
        _of_packages[name] = module
        register(module)
