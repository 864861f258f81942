"""Functions for the end of a process: ``atexit``, and what ``weakref.finalize`` does there.

A program ends with its run, or with its process on a host. The interpreter ends later: outside of
the world, on the real files, and once for all runs. So what a program registers is called when *it*
ends, the last first, as CPython does (Modules/atexitmodule.c): in its process and in virtual time.
One that is killed never comes to it.

Owns: which registrations are a program's, and calling them; and what comes before them, since
CPython first waits for the threads that are no daemons (Lib/threading.py, ``_shutdown``).

Must not know: when a process ends.

Invariants:

- What the standard library registers for itself, and what a module registers while it is imported,
  stays the interpreter's: both are done once for all runs. (But a module that a process has a copy
  of its own of is imported for that process; and where the interpreter runs one program, as under
  the command, all but the library's is that program's.)
- Functions are called once. An error in one is told as Python tells it, and ends nothing; but an
  error of the world is no program's: it ends the run, as it does anywhere else.
"""

from __future__ import annotations

import atexit
import functools
import sys
import threading
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from simloop._sandbox.entropy.first_use import is_apart
from simloop._sandbox.patching.registry import redirect, rewrite
from simloop._sandbox.run_context import by_thread, get_ident
from simloop._sandbox.shown_errors import write_unraisable
from simloop.errors import SimError

from .pools import end_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simloop._sandbox.contracts import Threads

__all__ = ["ExitFunctions", "end_threads"]

_ROOM = 64
"""How many finalizers are kept before those are looked for that are through."""


class ExitFunctions:
    """What one process has registered for its end.

    Args:
        finalizes: Whether objects with a ``weakref.finalize`` are finalized at its end. Those of
            the program of a run may be what the run returns.
        is_whole: Whether the interpreter runs nothing but this program, so that modules are
            imported for it, and what handlers of :mod:`logging` hold back is its own.
    """

    is_through_with_threads: bool = False
    """Whether it has waited for its threads, or does so: no pool takes a job any more."""

    def __init__(self, *, finalizes: bool = False, is_whole: bool = False) -> None:
        self._functions: list[tuple[Any, tuple[Any, ...], Mapping[str, Any]]] = []
        self._before_threads: list[Callable[[], object]] = []
        self._finalizers: list[weakref.finalize[Any, Any]] | None = [] if finalizes else None
        self._room = _ROOM
        self._is_running = False
        self.is_whole = is_whole
        if is_whole:
            self.add(_shut_down_logging, (list(_log_handlers()),), {})  # It is loaded already.

    def __bool__(self) -> bool:
        return bool(self._functions or self._before_threads)

    def __len__(self) -> int:
        return len(self._functions)

    def add(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Have a function called at the end; for one that asks while they are, it is too late."""
        if not self._is_running:
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

    def add_before_threads(self, function: Callable[[], object]) -> None:
        """Have a function called at the end before threads are waited for.

        Raises:
            RuntimeError: That is over, or has begun.
        """
        if self.is_through_with_threads:
            raise RuntimeError("can't register atexit after shutdown")
        self._before_threads.append(function)

    def call_before_threads(self) -> None:
        """Call these, the last first; an error of one ends the others, as in ``threading``."""
        self.is_through_with_threads = True
        functions, self._before_threads = self._before_threads, []
        for function in reversed(functions):
            function()

    def run(self) -> None:
        """Call them all, the last first.

        Raises:
            SimError: The world has ended one of them, and so the run.
        """
        self._is_running = True
        while self._functions:
            function, args, kwargs = self._functions.pop()
            _call(function, args, kwargs)

    def _finalize(self) -> None:
        """Call the finalizers, the last first, as ``weakref.finalize._exitfunc`` does."""
        while finalizers := self._finalizers:  # One of them may make another.
            finalizer = finalizers.pop()
            if finalizer.alive and finalizer.atexit:
                try:
                    finalizer()
                except SimError:
                    raise
                except Exception as error:  # noqa: BLE001 - as there
                    _without_own_frame(error)
                    sys.excepthook(type(error), error, error.__traceback__)
        self._finalizers = None

    def drop(self) -> list[object]:
        """Forget them all, because the process was killed; return what they had."""
        had: list[object] = [*self._functions, *self._before_threads]
        self._functions.clear()
        self._before_threads.clear()
        finalizers, self._finalizers = self._finalizers or [], None
        return had + [finalizer.detach() for finalizer in finalizers]


def _call(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    try:
        function(*args, **kwargs)
    except SimError:
        raise
    except BaseException as error:  # noqa: BLE001 - atexit takes all, SystemExit too
        _without_own_frame(error)
        _tell(function, error)


def _without_own_frame(error: BaseException) -> None:
    """Take the frame of this module, which is the first, from an error's traceback."""
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next


def _tell(function: object, error: BaseException) -> None:
    """Tell of an error that nobody can take, to the hook for these."""
    what = "Exception ignored in atexit callback"
    hook: Any = sys.unraisablehook
    if hook is not sys.__unraisablehook__:  # That one takes only what C code made.
        hook(SimpleNamespace(
            exc_type=type(error), exc_value=error, exc_traceback=error.__traceback__,
            err_msg=what, object=function,
        ))  # fmt: skip
    else:
        write_unraisable(what, function, error, error.__traceback__)


def _log_handlers() -> list[Any]:
    logging: Any = sys.modules.get("logging")
    return [] if logging is None else logging._handlerList


def _shut_down_logging(before: list[Any]) -> None:
    """Flush and close the handlers of a program, as ``logging`` does with all at Python's end.

    Args:
        before: Those that were there before, of tools around the program.
    """
    own = [each for each in _log_handlers() if not any(each is other for other in before)]
    if own:
        sys.modules["logging"].shutdown(own)


# Threads -----------------------------------------------------------------------------------


def end_threads(threads: Threads, identity: Any) -> None:
    """Wait for the threads of a process that are no daemons; called in its main thread.

    As CPython does it (``threading._shutdown``): what was registered to come before is called, and
    the workers of pools are told to end when their jobs are done. Threads that these start
    meanwhile are waited for, too.
    """
    own = identity.exit_functions
    if own is None:
        own = identity.exit_functions = ExitFunctions()
    own.call_before_threads()
    while left := end_workers(_threads_that_count(threads, identity)):
        for thread in left:
            thread.join()


def _threads_that_count(threads: Threads, identity: object) -> list[threading.Thread]:
    """List the threads of a process that its end waits for."""
    current = threading.current_thread()
    return [
        each
        for each in threads.threads_of(identity)
        if isinstance(each, threading.Thread) and each is not current and not each.daemon
    ]


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


def _of_registering(depth: int = 2) -> ExitFunctions | None:
    """Return the same for what registers just now, so many frames up; None for a module's."""
    own = _of_caller()
    if own is None:
        return None
    name = str(sys._getframe(depth).f_globals.get("__name__"))
    is_of_library = name.partition(".")[0] in sys.stdlib_module_names
    return None if is_of_library or _is_for_all(own, name) else own


def _is_for_all(own: ExitFunctions, name: str) -> bool:
    """Return whether a module that is imported just now is imported for all runs."""
    run = by_thread[get_ident()]
    assert run.identity is not None
    return not own.is_whole and is_apart(run) and not run.identity.has_own_copy_of(name)


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
    if own is not None and (own.is_whole or not is_apart(by_thread[get_ident()])):
        own.add_finalizer(self)


def _register_before_threads(func: Any, *arg: Any, **kwargs: Any) -> None:
    own = _of_registering(3)  # The rewritten function's frame is between.
    if own is None:
        _real_register_before_threads(func, *arg, **kwargs)
    else:
        own.add_before_threads(functools.partial(func, *arg, **kwargs))


_real_register: Any = redirect(atexit.register, _register)
_real_unregister: Any = redirect(atexit.unregister, _unregister)
_real_run: Any = redirect(atexit._run_exitfuncs, _run_exitfuncs)
_real_clear: Any = redirect(atexit._clear, _clear)
_real_count: Any = redirect(atexit._ncallbacks, _ncallbacks)
_real_init: Any = rewrite(weakref.finalize.__init__, _init)
_real_register_before_threads: Any = rewrite(
    threading._register_atexit,  # type: ignore[attr-defined]  # concurrent.futures calls it
    _register_before_threads,
)
