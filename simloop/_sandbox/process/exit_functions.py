"""Functions for the end of a process: ``atexit``, and what ``weakref.finalize`` does there.

A program ends with its run, or with its process on a host. The interpreter ends later: outside of
the world, on the real files, and once for all runs. So what a program registers is called when *it*
ends, the last first, as CPython does (Modules/atexitmodule.c): in its process and in virtual time.
One that is killed never comes to it.

Owns: which registrations are a program's, and calling them.

Must not know: when a process ends.

Invariants:

- What the standard library registers for itself, and what a module registers while it is imported,
  stays the interpreter's: both are done once for all runs. (But a module that a process has a copy
  of its own of is imported for that process.)
- Functions are called once. An error in one is told as Python tells it, and ends nothing.
"""

from __future__ import annotations

import atexit
import sys
import traceback
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from simloop._sandbox.entropy.first_use import is_apart
from simloop._sandbox.patching.registry import redirect, rewrite
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ExitFunctions"]

_ROOM = 64
"""How many finalizers are kept before those are looked for that are through."""


class ExitFunctions:
    """What one process has registered for its end.

    Args:
        finalizes: Whether objects with a ``weakref.finalize`` are finalized at its end. Those of
            the program of a run may be what the run returns.
    """

    def __init__(self, *, finalizes: bool = False) -> None:
        self._functions: list[tuple[Any, tuple[Any, ...], Mapping[str, Any]]] = []
        self._finalizers: list[weakref.finalize[Any, Any]] | None = [] if finalizes else None
        self._room = _ROOM

    def __bool__(self) -> bool:
        return bool(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def add(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Have a function called at the end."""
        self._functions.append((function, args, kwargs))

    def remove(self, function: object) -> None:
        """Forget a function, as often as it was registered."""
        self._functions = [each for each in self._functions if not each[0] == function]  # noqa: SIM201 - as atexit compares

    def add_finalizer(self, finalizer: weakref.finalize[Any, Any]) -> None:
        """Call a finalizer at the end, if its object is still there and nothing speaks against it.

        The first one takes its place among the functions, as in ``weakref``.
        """
        finalizers = self._finalizers
        if finalizers is None:
            return
        if not finalizers:
            self.add(self._finalize, (), {})
        finalizers.append(finalizer)
        if len(finalizers) > self._room:  # The first stays: it says that the place was taken.
            finalizers[1:] = [each for each in finalizers[1:] if each.alive]
            self._room = 2 * len(finalizers) + _ROOM

    def run(self) -> None:
        """Call them all, the last first."""
        while self._functions:
            function, args, kwargs = self._functions.pop()
            _call(function, args, kwargs)

    def _finalize(self) -> None:
        finalizers, self._finalizers = self._finalizers or [], None
        for finalizer in reversed(finalizers):
            if finalizer.alive and finalizer.atexit:
                _call(finalizer, (), {})

    def drop(self) -> list[object]:
        """Forget them all, because the process was killed; return what they had."""
        had: list[object] = [*self._functions]
        self._functions.clear()
        finalizers, self._finalizers = self._finalizers or [], None
        return had + [finalizer.detach() for finalizer in finalizers]


def _call(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    try:
        function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - atexit takes all, SystemExit too
        _tell(function, error)


def _tell(function: object, error: BaseException) -> None:
    """Tell of an error that nobody can take, to the hook for these."""
    what = "Exception ignored in atexit callback"
    hook: Any = sys.unraisablehook
    if hook is not sys.__unraisablehook__:  # That one takes only what C code made.
        hook(SimpleNamespace(
            exc_type=type(error), exc_value=error, exc_traceback=error.__traceback__,
            err_msg=what, object=function,
        ))  # fmt: skip
    elif sys.stderr is not None:
        sys.stderr.write(f"{what}: {function!r}\n")
        traceback.print_exception(error, file=sys.stderr)


def _of_caller() -> ExitFunctions | None:
    """Return what the calling code's process has registered; None where that is not a world's."""
    run = by_thread.get(get_ident())
    process = None if run is None or run.identity is None else run.identity.of_caller()
    if process is None or not process.calls_exit_functions:
        return None
    own: ExitFunctions | None = process.exit_functions
    if own is None:
        own = process.exit_functions = ExitFunctions()
    return own


def _of_registering() -> ExitFunctions | None:
    """Return the same for what registers just now, two frames up; None where it is a module's."""
    own = _of_caller()
    if own is None:
        return None
    name = str(sys._getframe(2).f_globals.get("__name__"))
    is_of_library = name.partition(".")[0] in sys.stdlib_module_names
    return None if is_of_library or _is_for_all(name) else own


def _is_for_all(name: str) -> bool:
    """Return whether a module that is imported just now is imported for all runs."""
    run = by_thread[get_ident()]
    assert run.identity is not None
    return is_apart(run) and not run.identity.has_own_copy_of(name)


def _register(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    own = _of_registering()
    if own is None or not callable(func):
        return _real_register(func, *args, **kwargs)
    own.add(func, args, kwargs)
    return func


def _unregister(func: Any, /) -> None:
    own = _of_caller()
    if own is not None:
        own.remove(func)
    _real_unregister(func)


def _run_exitfuncs() -> None:
    own = _of_caller()
    if own is None:
        _real_run()
    else:
        own.run()


def _clear() -> None:
    own = _of_caller()
    if own is None:
        _real_clear()
    else:
        own.drop()


def _ncallbacks() -> int:
    own = _of_caller()
    return _real_count() if own is None else len(own)


def _init(
    self: weakref.finalize[Any, Any], obj: Any, func: Any, /, *args: Any, **kwargs: Any
) -> None:
    _real_init(self, obj, func, *args, **kwargs)
    own = _of_caller()
    if own is not None and not is_apart(by_thread[get_ident()]):
        own.add_finalizer(self)


_real_register: Any = redirect(atexit.register, _register)
_real_unregister: Any = redirect(atexit.unregister, _unregister)
_real_run: Any = redirect(atexit._run_exitfuncs, _run_exitfuncs)
_real_clear: Any = redirect(atexit._clear, _clear)
_real_count: Any = redirect(atexit._ncallbacks, _ncallbacks)
_real_init: Any = rewrite(weakref.finalize.__init__, _init)
