"""Programs: what can be started in a world, by name.

Owns: the table of a world's programs, and which of them a command asks for. A command names a
program as ``exec`` would: by a bare name or by a path, whose last part counts if the path itself
is not registered. Nothing of the real machine is looked at; what is there and what is missing is
what the world was told.

Must not know: processes.

Invariant: a name is registered, missing, or unknown, and only one of them.
"""

from __future__ import annotations

import errno
import inspect
import os
import re
import shlex
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .process import Process

    Main = Callable[[Process], Awaitable[int | None]]

__all__ = ["Programs", "parse_shell"]

_SHELLS = ("/bin/sh", "sh")


class Programs:
    """The programs of a world.

    Example:
        >>> import asyncio, simloop
        >>> async def upper(process):
        ...     process.stdout.write((await process.stdin.read()).upper())
        ...     return 0
        >>> async def main():
        ...     asyncio.get_running_loop().world.programs.register("upper", upper)
        ...     pipe = asyncio.subprocess.PIPE
        ...     process = await asyncio.create_subprocess_exec("upper", stdin=pipe, stdout=pipe)
        ...     return await process.communicate(b"hello")
        >>> simloop.run(main())
        (b'HELLO', None)
    """

    def __init__(self) -> None:
        self._mains: dict[str, Main] = {}
        self._missing: dict[str, None] = {}

    def register(self, name: str, main: Main) -> None:
        """Let ``main`` be the program of that name; a later one replaces it.

        Args:
            name: A bare name, ``git``, or a path, ``/usr/bin/git``. The bare name also answers
                for every path that ends in it.
            main: A coroutine function ``async def main(process)``. It finds ``argv``, ``env``,
                ``cwd``, ``pid`` and the streams ``stdin``, ``stdout`` and ``stderr`` on its
                process, and returns the exit code, or None for 0. ``SystemExit`` works too;
                another error is printed to ``stderr``, and the exit code is 1.

        Raises:
            UsageError: ``main`` is no coroutine function, or the name is empty.
        """
        given: Any = name
        if not isinstance(given, str) or not given:
            raise UsageError(f"register({name!r}, ...): a program's name is a string, not empty")
        if not _is_coroutine_function(main):
            raise UsageError(
                f"register({name!r}, {main!r}): a program is a coroutine function,"
                " async def main(process)"
            )
        self._missing.pop(name, None)
        self._mains[name] = main

    def missing(self, name: str) -> None:
        """Let there be no program of that name: starting it is a ``FileNotFoundError``."""
        self._mains.pop(name, None)
        self._missing[name] = None

    def find(self, path: str, call: str) -> Main:
        """Return the program that a path or a name asks for.

        Raises:
            FileNotFoundError: It is missing.
            UnsupportedError: Nobody said what it does.
        """
        for name in (path, os.path.basename(path)):  # noqa: PTH119 - no file is meant
            if name in self._mains:
                return self._mains[name]
            if name in self._missing:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        known = ", ".join(self._mains) or "none"
        raise UnsupportedError(
            f"{call}: a simulated world starts no real process, and no program {path!r} is"
            f" registered with it (registered: {known}). Say what it does by\n"
            f"    world.programs.register({os.path.basename(path)!r}, main)"  # noqa: PTH119
            "  # async def main(process) -> exit code\n"
            "or that it is not there by\n"
            f"    world.programs.missing({os.path.basename(path)!r})\n"  # noqa: PTH119
            "where world is loop.world, or the world that you gave to simloop.run(). asyncio's own"
            " calls never start a real one; in simloop.allow('subprocess'), subprocess.run() does,"
            " from a thread as well: await asyncio.to_thread(subprocess.run, ...)"
        )

    def find_shell(self) -> Main | None:
        """Return the shell, if one was registered as ``sh`` or ``/bin/sh``."""
        return next((self._mains[name] for name in _SHELLS if name in self._mains), None)

    def is_missing(self, path: str) -> bool:
        """Tell whether a program was said not to be there."""
        names = (path, os.path.basename(path))  # noqa: PTH119
        return any(name in self._missing for name in names) and names[0] not in self._mains


def _is_coroutine_function(main: Any) -> bool:
    """Tell whether calling this gives a coroutine; an object with such a ``__call__`` counts."""
    called = inspect.iscoroutinefunction(main)
    return called or inspect.iscoroutinefunction(getattr(type(main), "__call__", None))  # noqa: B004 - its function is asked


_OPERATORS = "();<>|&\n"
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_SINGLE = re.compile(r"'[^']*'")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.", re.DOTALL)


def parse_shell(command: str) -> tuple[dict[str, str], list[str]]:
    """Split a simple command into assignments before it and its words.

    Raises:
        UnsupportedError: It needs a shell: pipes, redirections, variables, patterns.

    Example:
        >>> parse_shell("LANG=C git commit -m 'two words'")
        ({'LANG': 'C'}, ['git', 'commit', '-m', 'two words'])
    """
    bare = _QUOTED.sub("", command)
    found = [each for each in bare if each in _OPERATORS + "*?[~#{"]
    found += [each for each in _SINGLE.sub("", re.sub(r"\\.", "", command)) if each in "$`"]
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _needs_shell(command, str(error).lower()) from None
    if found:
        raise _needs_shell(command, f"it uses {found[0]!r}")
    assignments: dict[str, str] = {}
    while words and (match := _ASSIGNMENT.fullmatch(words[0])):
        assignments[match[1]] = match[2]
        del words[0]
    return assignments, words


def _needs_shell(command: str, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"the shell command {command!r} is more than a program and its arguments: {reason}."
        " Use create_subprocess_exec(), or register a shell of your own, which gets the command as"
        ' argv[2]: world.programs.register("sh", main)'
    )


def as_text(value: Any) -> str:
    """Return an argument of a program as its ``argv`` shows it."""
    return os.fsdecode(value)
