"""The program: how a name on the command line becomes something that can be called.

Owns: finding a file, a module or a function, and running it as Python would (as ``__main__``, with
``sys.argv`` and ``sys.path`` as its own). It must not know about virtual time: whether an event
loop was started is asked of the caller.

Invariant: nothing of the program runs before the caller calls what `find` gives.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop._process.main_module import main_module
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

__all__ = [
    "BrokenProgramError",
    "NoProgramError",
    "Program",
    "find",
    "find_function",
    "import_target",
]

_NAMES_FUNCTION = re.compile(r":[A-Za-z_][A-Za-z0-9_.]*$")


class NoProgramError(UsageError):
    """The command line names a program that does not exist or can't be called."""


class BrokenProgramError(Exception):
    """A program was found and does not load: its own error is the cause of this one."""


class Program:
    """A program that was found, and has not run yet.

    Args:
        name: What the program is called in its own ``sys.argv[0]``.
        folder: What comes first on ``sys.path``.
        entry: Runs it; gets a function that tells whether an event loop was made meanwhile.
    """

    def __init__(self, name: str, folder: str, entry: Callable[[Callable[[], bool]], Any]) -> None:
        self.name = name
        self.folder = folder
        self._entry = entry

    def prepare(self, args: Sequence[str]) -> None:
        """Set ``sys.argv`` and ``sys.path`` as Python sets them for this program."""
        sys.argv[:] = [self.name, *args]
        sys.path.insert(0, self.folder)

    def run(self, has_made_loop: Callable[[], bool]) -> Any:
        """Run the program; give a coroutine that is still to be awaited, or its result."""
        return self._entry(has_made_loop)


def find(target: str) -> Program:
    """Find what ``FILE.py``, ``MODULE`` or either with ``:FUNCTION`` names.

    Raises:
        NoProgramError: There is no such file or module.
    """
    where, colon, function = target.rpartition(":")
    if not colon:
        where, function = target, ""
    if colon and not all(part.isidentifier() for part in function.split(".")):
        raise NoProgramError(f"{function!r} in {target!r} is no name of a function")
    if where.endswith(".py") or os.sep in where:
        return _file_program(where, function)
    return _module_program(where, function)


def find_function(target: str) -> Any:
    """Import what ``FILE.py``, ``MODULE`` or either with ``:FUNCTION`` names; return the function.

    It is ``main`` where none is named. The module is imported once, under its own name.

    Raises:
        NoProgramError: There is no such file, module or coroutine function.
        BrokenProgramError: It raises while it is imported.
    """
    try:
        where, function, value = import_target(target, "main")
    except NoProgramError:
        raise
    except Exception as error:
        raise BrokenProgramError(target) from error
    if not inspect.iscoroutinefunction(inspect.unwrap(value)):
        raise NoProgramError(
            f"{function!r} in {where} is no coroutine function (async def), and only these can be"
            " explored: name the one that asyncio.run() is given"
        )
    return value


def import_target(target: str, usual: str) -> tuple[str, str, Any]:
    """Import a file or a module; return where it is, a function's name, and the function.

    Args:
        target: ``FILE.py``, ``MODULE`` or either with ``:FUNCTION``.
        usual: The function where none is named.

    Raises:
        NoProgramError: There is no such file, module or function.
    """
    program = target if _NAMES_FUNCTION.search(target) else f"{target}:{usual}"
    where, _, function = program.rpartition(":")
    found = find(program)  # It tells what is wrong with a name.
    sys.path.insert(0, found.folder)
    if where.endswith(".py") or os.sep in where:
        module = _import_file(Path(where).absolute())
    else:
        module = _import_module(where)
    value: Any = module
    for part in function.split("."):
        if not hasattr(value, part):
            raise NoProgramError(f"{where} has no function {function!r}; name one: {where}:NAME")
        value = getattr(value, part)
    return where, function, value


def _file_program(where: str, function: str) -> Program:
    path = Path(where)
    if not path.is_file():
        problem = "is a folder; name a file in it" if path.is_dir() else "does not exist"
        raise NoProgramError(f"the file {where!r} {problem}")
    path = path.absolute()  # As Python names the file that it runs.
    folder = str(path.resolve().parent)
    if function:
        return Program(where, folder, lambda _: _called(_import_file(path), function, where))
    return Program(
        where,
        folder,
        lambda made: _as_main(_compiled(path), main_module(str(path)), made, where),
    )


def _module_program(where: str, function: str) -> Program:
    folder = str(Path.cwd())
    if not all(part.isidentifier() for part in where.split(".")):
        raise NoProgramError(f"{where!r} is neither a Python file (FILE.py) nor a module's name")
    if function:
        return Program(where, folder, lambda _: _called(_import_module(where), function, where))
    return Program(where, folder, lambda made: _module_as_main(where, made))


def _compiled(path: Path) -> CodeType:
    return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _spec(name: str) -> ModuleSpec:
    """Find a module without running it (its packages do run)."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # It is there, and one of its packages misses something.
        spec = None
    if spec is None:
        raise NoProgramError(
            f"there is no module {name!r} to run; a file is named with its ending: {name}.py"
        )
    return spec


def _import_module(name: str) -> ModuleType:
    _spec(name)
    return importlib.import_module(name)


def _module_as_main(name: str, has_made_loop: Callable[[], bool]) -> Any:
    spec = _spec(name)
    if spec.submodule_search_locations is not None:
        spec = _spec(f"{name}.__main__")
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code else None
    if code is None:
        raise NoProgramError(f"the module {name!r} has no Python code to run")
    sys.argv[0] = spec.origin or name
    return _as_main(code, main_module(spec.origin or name, spec), has_made_loop, name)


def _as_main(
    code: CodeType, module: ModuleType, has_made_loop: Callable[[], bool], name: str
) -> Any:
    """Run code as ``__main__``; if that started nothing, call its ``main``."""
    sys.modules["__main__"] = module
    exec(code, vars(module))  # noqa: S102 - running the user's program is the command's purpose
    if has_made_loop() or _guards_main(module):
        return None
    if not hasattr(module, "main"):
        raise NoProgramError(
            f"{name} started no event loop and has no function named main to call;"
            f" name the one you mean: {name}:FUNCTION"
        )
    return _called(module, "main", name)


def _guards_main(module: ModuleType) -> bool:
    """Whether the source decides by itself what to do as ``__main__``."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):
        return False
    return any(
        isinstance(node, ast.If)
        and any(
            isinstance(name, ast.Name) and name.id == "__name__" for name in ast.walk(node.test)
        )
        for node in tree.body
    )


def _called(module: ModuleType, function: str, name: str) -> Any:
    """Call a function by its dotted name within a module."""
    value: Any = module
    for part in function.split("."):
        if not hasattr(value, part):
            raise NoProgramError(f"{name} has no function {function!r}")
        value = getattr(value, part)
    if not callable(value):
        raise NoProgramError(
            f"{function!r} in {name} is {type(value).__name__!r}, which can't be called;"
            " name a function without arguments, plain or async"
        )
    try:
        inspect.signature(value).bind()
    except TypeError as error:
        raise NoProgramError(
            f"{function}() in {name} can't be called without arguments: {error};"
            " let it read sys.argv, which is what follows -- on the command line"
        ) from None
    except ValueError:
        pass  # Some built-in functions don't tell their arguments.
    return value()
