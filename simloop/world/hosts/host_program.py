"""What a process on a host can run.

Owns: telling the kinds of programs apart, and refusing what is none when it is given.

Must not know: how a program runs.

Invariant: a program that was taken exists: its module, its function, its file.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop._process.main_module import main_module
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from simloop._sandbox.patching.process_globals import ProcessGlobals

__all__ = ["HostProgram", "check_environment", "check_no_arguments", "read_program"]


class HostProgram:
    """A program and its arguments.

    Attributes:
        name: What it is called: the first of its arguments, as ``sys.argv`` shows it.
        args: Its arguments.
        is_coroutine: Whether it is a coroutine function, which runs on a loop of the process; any
            other runs in its main thread.
    """

    is_coroutine: bool = False

    def __init__(self, name: str, args: Sequence[Any]) -> None:
        self.name: str = name
        self.args: tuple[Any, ...] = tuple(args)

    def find(self, own: ProcessGlobals) -> Callable[[], Any]:
        """Return what is called without arguments to run it, in the process."""
        raise NotImplementedError


class _Function(HostProgram):
    def __init__(self, function: Callable[..., Any], args: Sequence[Any]) -> None:
        name = getattr(function, "__qualname__", None) or type(function).__qualname__
        super().__init__(name, args)
        self._function = function
        self.is_coroutine = _is_coroutine_function(function)

    def find(self, own: ProcessGlobals) -> Callable[[], Any]:
        function = self._function
        if own.has_own_copy_of(getattr(function, "__module__", "") or ""):
            # The function is the shared module's; the process runs its own copy's.
            found: Any = importlib.import_module(function.__module__)
            for part in function.__qualname__.split("."):
                found = getattr(found, part)
            function = found
        return lambda: function(*self.args)


class _Named(HostProgram):
    """A function by the name of its module and its own."""

    def __init__(self, name: str, args: Sequence[Any]) -> None:
        super().__init__(name, args)
        self.is_coroutine = _is_coroutine_function(_look_up(name))

    def find(self, own: ProcessGlobals) -> Callable[[], Any]:
        del own
        function = _look_up(self.name)
        return lambda: function(*self.args)


class _Module(HostProgram):
    """A module that is run as ``python -m`` runs it."""

    def find(self, own: ProcessGlobals) -> Callable[[], Any]:
        spec = _main_of(self.name)
        loader: Any = spec.loader
        code = loader.get_code(spec.name)
        return _as_main(code, main_module(str(spec.origin), spec), None, own)


class _Script(HostProgram):
    """A file that is run as ``python FILE`` runs it."""

    def find(self, own: ProcessGlobals) -> Callable[[], Any]:
        path = Path(self.name)
        code = compile(path.read_bytes(), self.name, "exec", dont_inherit=True)
        return _as_main(code, main_module(self.name), str(path.resolve().parent), own)


def _as_main(
    code: Any, module: ModuleType, folder: str | None, own: ProcessGlobals
) -> Callable[[], Any]:
    own.become_main(module, folder)

    def run() -> None:
        exec(code, vars(module))  # noqa: S102 - the user's own program

    return run


def read_program(call: str, program: Any, args: Sequence[Any]) -> HostProgram:
    """Return the program that a call was given.

    Raises:
        UsageError: It is none, or does not exist.
    """
    if isinstance(args, (str, bytes)) or not hasattr(args, "__iter__"):
        raise UsageError(f"{call}: args={args!r} is no sequence of arguments; give a tuple")
    if inspect.iscoroutine(program):
        program.close()
        raise UsageError(
            f"{call} got the coroutine {program.__qualname__}(...), which can run but once; give"
            f" the function, and its arguments beside: {program.__qualname__}, args=(...)"
        )
    if callable(program):
        _check_arguments(call, program, args)
        return _Function(program, tuple(args))
    if isinstance(program, os.PathLike):
        program = os.fspath(program)
    if not isinstance(program, str) or not program:
        raise UsageError(
            f"{call}: {program!r} is no program; give a function, 'package.module:function', the"
            " name of a module, or the path of a script"
        )
    return _read_text(call, program, tuple(map(str, args)), tuple(args))


def _read_text(
    call: str, program: str, texts: tuple[str, ...], args: tuple[Any, ...]
) -> HostProgram:
    if Path(program).is_file():
        return _Script(program, texts)
    if program.endswith(".py") or os.sep in program:
        raise UsageError(f"{call}: there is no script {program!r}; give the path of one that is")
    try:
        if ":" in program:
            _check_arguments(call, _look_up(program), args)
            return _Named(program, args)
        _main_of(program)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"{call}: there is no program {program!r} ({error}); give a function, or the name of"
            " one that can be imported: 'package.module:function'"
        ) from error
    return _Module(program, texts)


def check_no_arguments(call: str, args: object) -> None:
    """Refuse arguments that no program is there to get.

    Raises:
        UsageError: There are some.
    """
    if args != ():
        raise UsageError(f"{call}: args={args!r} without a program, which they are for; give both")


def check_environment(call: str, env: Any) -> None:
    """Refuse what cannot be the environment of a process.

    Raises:
        UsageError: It is no mapping of texts to texts, or one of them has a character that an entry
            cannot have (environ(7)).
    """
    if env is None:
        return
    if not hasattr(env, "items"):
        raise UsageError(f"{call}: env={env!r} is no mapping; give a dict of texts")
    for name, value in env.items():
        is_text = isinstance(name, str) and isinstance(value, str)
        if not is_text or not name or "=" in name or "\0" in name + value:
            raise UsageError(
                f"{call}: env has {name!r}: {value!r}; give texts, the name without '=' and both"
                " without NUL"
            )


def _check_arguments(call: str, function: Callable[..., Any], args: Sequence[Any]) -> None:
    """Refuse arguments with which a function cannot be called, as far as it tells."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # In C: it tells when it is called.
    try:
        signature.bind(*args)
    except TypeError as error:
        name = getattr(function, "__qualname__", type(function).__qualname__)
        raise UsageError(
            f"{call}: {name}{signature} cannot be called with args={tuple(args)!r}: {error}"
        ) from None


def _look_up(name: str) -> Any:
    module_name, _, path = name.partition(":")
    found: Any = importlib.import_module(module_name)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise AttributeError(  # noqa: TRY004 - told like a name that is not there
            f"{path!r} of {module_name!r} is {found!r}, which is no function"
        )
    return found


def _spec_of(name: str) -> Any:
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(f"there is no module {name!r}")
    return spec


def _main_of(name: str) -> Any:
    """Return what ``python -m name`` would run: of a package, the module ``__main__`` in it."""
    spec = _spec_of(name)
    return spec if spec.submodule_search_locations is None else _spec_of(f"{name}.__main__")


def _is_coroutine_function(function: Any) -> bool:
    called = inspect.iscoroutinefunction(function)
    return called or inspect.iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004 - its function is asked
