"""What the interpreter keeps once, and a Unix process has for itself.

Owns: arguments, environment, working directory, the search path of modules, ``sys.excepthook``, the
policy of event loops, ``__main__`` and modules of its own, of one process of a world beside the
program of the run. They are put in place while a step of that process runs, and the program's own
are put back after it.

Must not know: which process it is, and when it runs.

What is redirected here is so from the first host of the process on, in the middle of its run, so
that runs without hosts pay nothing for it. Import this module where a host is added, and nowhere
else.

Invariants:

- ``enter`` and ``leave`` come in pairs; between them what the process changes is its own.
- The environment that C code sees stays the real one: a process of a world starts no real program.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from asyncio import events
from typing import TYPE_CHECKING, Any

from simloop._sandbox.run_context import by_thread, get_ident

from .registry import apply_new, redirect, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

__all__ = ["ProcessGlobals", "globals_of_caller"]

_environ: Any = os.environ
_sys: Any = sys.__dict__
"""To write there, and not to the module's attributes, takes a third of the time."""

_in_place: list[ProcessGlobals] = []
"""Those that are in place: at most one, or one for each nested world."""


class ProcessGlobals:
    """The globals of one process.

    Args:
        argv: What ``sys.argv`` shows.
        env: Its environment; None for a copy of the caller's.
        fresh: Packages of which it has copies of its own.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        fresh: Sequence[str] = (),
    ) -> None:
        environ: Any = os.environ
        if env is None and environ is _environ:
            environment = environ._data.copy()
        else:
            environment = {
                _environ.encodekey(name): _environ.encodevalue(value)
                for name, value in (environ if env is None else env).items()
            }
        self._held: tuple[list[str], list[str], Any, Any] = (
            list(argv),
            list(sys.path),
            sys.__excepthook__,
            environment,
        )
        """Its arguments, search path, hook, environment; the outer ones while it is in place."""
        self._main: ModuleType | None = None
        self._fresh = tuple(fresh)
        self._is_usual = not fresh  # And it has no ``__main__`` and no folder of its own.
        self._modules: dict[str, ModuleType] = {}
        self.end: Callable[[int], object] | None = None
        """Ends it at once with an exit code; set by what holds the process."""
        self.moves = True
        """Whether it has a working directory here: one with a disk has it there."""
        self.policy: Any = None
        """What gives its event loops; made when it is first asked for."""
        self.cwd: str | None = None
        """Where it works, if it has left the folder in which the run began."""

    @property
    def argv(self) -> list[str]:
        """Its arguments, as ``sys.argv`` shows them."""
        return sys.argv if self._is_in_place() else self._held[0]

    @property
    def env(self) -> dict[str, str]:
        """A copy of its environment."""
        data = _environ._data if self._is_in_place() else self._held[3]
        return {_environ.decodekey(name): _environ.decodevalue(data[name]) for name in data}

    def become_main(self, module: ModuleType, folder: str | None) -> None:
        """Let a module be ``__main__`` in this process, which is in place; search its folder."""
        self._is_usual = False
        self._main, sys.modules["__main__"] = sys.modules["__main__"], module
        if folder is not None:
            sys.path.insert(0, folder)

    def _is_in_place(self) -> bool:
        return self in _in_place

    def enter(self) -> None:
        """Put them in place."""
        self._swap()
        if self.cwd is not None:
            self._outer_cwd = os.getcwd()  # noqa: PTH109 - a string is wanted
            _real_chdir(self.cwd)
        _in_place.append(self)

    def leave(self) -> None:
        """Put back what was there."""
        if _in_place[-1] is self:
            _in_place.pop()
        else:
            _in_place.remove(self)
        if self.cwd is not None:
            _real_chdir(self._outer_cwd)
        self._swap()

    def follow(self, before: ProcessGlobals) -> None:
        """Put them in place of those of another process."""
        if not (self._is_usual and before._is_usual and _in_place[-1] is before):
            before.leave()
            self.enter()
            return
        # What the lines above come to, for the most common case, and happens with each packet. What
        # they have put back and taken again, the one holds now for the other.
        outer = before._held
        before._held = (_sys["argv"], _sys["path"], _sys["excepthook"], _environ._data)
        _sys["argv"], _sys["path"], _sys["excepthook"], _environ._data = self._held
        self._held = outer
        _in_place[-1] = self

    def _swap(self) -> None:
        """Exchange what is in place with what is kept."""
        held = self._held
        self._held = (sys.argv, sys.path, sys.excepthook, _environ._data)
        sys.argv, sys.path, sys.excepthook, _environ._data = held
        if self._main is not None:
            main = sys.modules["__main__"]
            sys.modules["__main__"], self._main = self._main, main
        if self._fresh:
            self._swap_modules()

    def empty(self) -> tuple[list[Any], list[Any]]:
        """Let go of all that a killed process has here; return its own modules, and the rest."""
        modules = [*self._modules.values(), *([] if self._main is None else [self._main])]
        left = [*self._held, self.policy]
        argv, _, _, env = self._held
        shown = [each for each in argv if type(each) is str] if type(argv) is list else []
        texts = {name: env[name] for name in env if type(name) is type(env[name]) is bytes}
        self._held = (shown, [], sys.__excepthook__, texts)
        self._main, self._modules, self.policy = None, {}, None
        return modules, left

    def _swap_modules(self) -> None:
        """Exchange the modules of packages of which the process has its own copies."""
        names = [name for name in sys.modules.copy() if self.has_own_copy_of(name)]
        others = {name: sys.modules.pop(name) for name in names}
        sys.modules.update(self._modules)
        self._modules = others

    def has_own_copy_of(self, name: str) -> bool:
        """Return whether the process has a copy of its own of the module with this name."""
        return any(name == each or name.startswith(f"{each}.") for each in self._fresh)

    def has_moved(self, before: str) -> None:
        """Take note that the process has changed its working directory."""
        if self.cwd is None:
            self._outer_cwd = before
        self._is_usual = False
        self.cwd = os.getcwd()  # noqa: PTH109 - as above


def globals_of_caller() -> ProcessGlobals | None:
    """Return those of the process of the calling thread, if it has its own."""
    return _in_place[-1] if _in_place and get_ident() in by_thread else None


def _move(real: Any, target: Any) -> None:
    own = globals_of_caller()
    if own is None or not own.moves:
        real(target)
        return
    before = os.getcwd()  # noqa: PTH109 - as above
    real(target)
    own.has_moved(before)


def _chdir(path: Any) -> None:
    _move(_real_chdir, path)


def _fchdir(fd: Any) -> None:
    _move(_real_fchdir, fd)


def _putenv(name: Any, value: Any, /) -> None:
    if globals_of_caller() is None:
        _real_putenv(name, value)


def _unsetenv(name: Any, /) -> None:
    if globals_of_caller() is None:
        _real_unsetenv(name)


def _exit(status: int) -> None:
    own = globals_of_caller()
    if own is None or own.end is None:
        _real_exit(status)
    else:
        own.end(status & 0xFF)


def _abort() -> None:
    own = globals_of_caller()
    if own is None or own.end is None:
        _real_abort()
    else:
        own.end(-signal.SIGABRT)


_real_exit = redirect(os._exit, _exit)
_real_abort = redirect(os.abort, _abort)
_real_chdir = redirect(os.chdir, _chdir)
_real_fchdir = redirect(os.fchdir, _fchdir)
_real_putenv = redirect(os.putenv, _putenv)
_real_unsetenv = redirect(os.unsetenv, _unsetenv)


def _main_thread() -> Any:
    run = by_thread.get(get_ident())
    identity = None if run is None else run.identity
    thread = None if identity is None else identity.main_thread
    return _real_main_thread() if thread is None else thread


_real_main_thread: Any = rewrite(threading.main_thread, _main_thread)


def _get_policy() -> Any:
    own = globals_of_caller()
    if own is None:
        return _real_get_policy()
    if own.policy is None:
        own.policy = _DefaultPolicy()
    return own.policy


def _set_policy(policy: Any) -> None:
    own = globals_of_caller()
    if own is None or not (policy is None or isinstance(policy, _AbstractPolicy)):
        _real_set_policy(policy)  # It raises what is to be raised.
    else:
        own.policy = policy


_events: Any = events
if sys.version_info < (3, 14):
    _DefaultPolicy: Any = asyncio.DefaultEventLoopPolicy
    _AbstractPolicy: Any = events.AbstractEventLoopPolicy
    _real_get_policy: Any = rewrite(events.get_event_loop_policy, _get_policy)
    _real_set_policy: Any = rewrite(events.set_event_loop_policy, _set_policy)
else:  # The public ones are deprecated, and call these.
    _DefaultPolicy = asyncio.unix_events._DefaultEventLoopPolicy
    _AbstractPolicy = _events._AbstractEventLoopPolicy
    _real_get_policy = rewrite(_events._get_event_loop_policy, _get_policy)
    _real_set_policy = rewrite(_events._set_event_loop_policy, _set_policy)


apply_new()
