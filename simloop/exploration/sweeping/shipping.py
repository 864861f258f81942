"""Work on its way to processes that were not forked from this one.

Owns: packing a program with all that its work wants, as :mod:`simloop.world.fresh.fresh_process`
packs one that is checked, and loading it there: by its name in its module, or as its code.

Must not know: how it travels.

Invariant: what can't go is told when it is packed, with the reason and the way out.
"""

from __future__ import annotations

import pickle
import sys
from dis import get_instructions
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import message_of
from simloop.errors import UsageError
from simloop.exploration.program import Program, quiet
from simloop.world.fresh.fresh_process import Program as PackedProgram
from simloop.world.fresh.function_pickling import pack

from .program_identity import identity_of_program
from .schedule_work import ScheduleWork
from .searcher import Searcher
from .seed_work import SeedWork

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager

    from simloop.sweeps.work import Work

__all__ = ["ShippedWork", "ship"]


class ShippedWork:
    """A piece of work that was packed.

    Args:
        about: What it is about, as it was where it was packed.
        program: The program and the arguments of the work.
        wanted: The globals that the program reads.
    """

    def __init__(
        self, about: Mapping[str, Any], program: PackedProgram, wanted: Collection[str]
    ) -> None:
        self.about: Mapping[str, Any] = about
        self._program = program
        self._wanted = wanted
        self._loaded: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels."""
        return {**vars(self), "_loaded": None}

    def about_here(self) -> Mapping[str, Any]:
        """Return what the program is in this process."""
        main, _ = self._load()
        return identity_of_program(self.about["kind"], main, self.about["program"])

    def load(self) -> Work:
        """Return the work."""
        main, given = self._load()
        if self.about["kind"] == "seeds":
            return SeedWork(main, given["options"], given["seeds"])
        program = Program(
            main,
            given["options"],
            given["delays"],
            failures=given["failures"],
            name=self.about["program"],
            call="a worker",
        )
        searcher = Searcher(program, given["strategy"], given["seed"])
        return ScheduleWork(searcher, given["start"])

    def inside(self) -> AbstractContextManager[Any]:
        """Return the context of its runs."""
        return quiet()

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            main, given = self._program.load(again=not _is_main_here(self._program))
            self._refuse_without_globals(main)
            self._loaded = main, given
        return self._loaded

    def _refuse_without_globals(self, main: Any) -> None:
        """Refuse to run what would fail by a name that it finds where it was packed."""
        there = getattr(function_of(main), "__globals__", {})
        for name in self._wanted:
            if name not in there:
                raise UsageError(
                    f"{self.about['program']} reads the global {name!r}, which a worker does not"
                    ' have: is it made under if __name__ == "__main__"? Make it at the top level'
                    " of the file"
                )


def _is_main_here(program: PackedProgram) -> bool:
    """Return whether this process has the program's main module already, as a forked one has."""
    if program.module != "__main__" or program.file is None:
        return False
    module = sys.modules["__main__"]
    if module.__name__ != "__main__":
        return (
            False  # multiprocessing calls it __mp_main__ where it spawns, and names would differ.
        )
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).absolute() == Path(program.file)


def function_of(main: Any) -> Any:
    """Return the function of a program, which may be a partial or a bound method."""
    while hasattr(main, "func"):  # functools.partial
        main = main.func
    return getattr(main, "__func__", main)


def globals_read(main: Any) -> list[str]:
    """Return the globals that a program's own code reads and that there are, by name.

    Example:
        >>> async def main():
        ...     return globals_read, len("what no builtin is"), missing
        >>> globals_read(main)
        ['globals_read']
    """
    function = function_of(main)
    there = getattr(function, "__globals__", {})
    codes = [getattr(function, "__code__", None)]
    names: dict[str, None] = {}
    for code in codes:  # It grows by the functions within functions.
        if isinstance(code, CodeType):
            codes += code.co_consts
            names |= dict.fromkeys(
                each.argval for each in get_instructions(code) if each.opname == "LOAD_GLOBAL"
            )
    return [name for name in names if name in there]


def ship(kind: str, main: Callable[..., Any], name: str, given: Mapping[str, Any]) -> bytes:
    """Return a piece of work as it travels.

    Args:
        kind: "schedules" or "seeds".
        main: The program.
        name: What it is called.
        given: What its work wants besides.

    Raises:
        UsageError: It can't go, and why.
    """
    wanted = "define it at the top level of a file, or use jobs=N, whose workers are forked"
    try:
        pack((main, dict(given)))
    except Exception as error:
        raise UsageError(
            f"executor=: {name} can't go to another process ({message_of(error)}); {wanted}"
        ) from error
    packed = PackedProgram.of(main, dict(given))
    if packed is None:
        raise UsageError(
            f"executor=: {name} can't go to another process, as its module is in no file; {wanted}"
        )
    about = identity_of_program(kind, main, name)
    return pickle.dumps(ShippedWork(about, packed, globals_read(main)))
