"""What the lines of a program did: which ran, in which order, and what they made of its variables.

Owns: a recorder for one run, slow as a debugger, and the search for the line at which two runs
part. It is for finding out why they do, after it is known that they do.

Must not know: why. It takes a line for what it did: the values of local variables after it, where
the function went on, what a call was given and returned.

Invariants:

- Values are told in words that two equal runs share: no addresses, nothing that follows a hash.
  A set is told by its size and the types of what is in it.
- Lines of simloop and of the standard library are not the program's, and are left out.
- No value is kept, only words; so what the program drops is dropped as ever.
"""

from __future__ import annotations

import asyncio
import functools
import linecache
import os
import sys
import sysconfig
import threading
from contextlib import suppress
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from simloop._kernel.safe_looks import class_name

from .labels import name_of
from .plain_text import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

__all__ = [
    "COMMAND_LINE",
    "Culprit",
    "Line",
    "LineRecorder",
    "first_culprits",
    "in_words",
    "is_foreign",
    "know_source",
]

_LINES_MAX = 300_000
"""How many lines are recorded; what comes later is not looked at."""

_ITEMS_MAX = 8
_TEXT_MAX = 80

# Where processes of this machine keep code and data: as a number, an address tells nothing.
_ADDRESSES = range(1 << 40, 1 << 47)


class Line(NamedTuple):
    """What one line did, or what a function was called with."""

    file: str
    number: int
    function: str
    values: tuple[tuple[str, str], ...]
    """Names, and what they were then, in words; only what has changed."""
    went_to: int
    """The line of the same function that came next; 0 if it ended."""


class Culprit(NamedTuple):
    """The line after which two runs are no longer the same."""

    file: str
    number: int
    function: str
    first: str
    second: str
    """What it did in the first and in the second run, as far as that differs."""
    variables: dict[str, str]
    """What the function's variables were before, in words."""

    @property
    def source(self) -> str:
        """The line's text."""
        return linecache.getline(self.file, self.number).strip()

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.number}, in {self.function}:\n      {self.source}\n"
            f"    first run:   {self.first}\n    second run:  {self.second}"
        )


COMMAND_LINE = "<string>"
"""What Python calls the file of ``python -c CODE``."""
_known: list[str] = []


def know_source(file: str, source: str) -> None:
    """Take code that is in no file for the program's, and show its lines."""
    _known.append(file)
    is_foreign.cache_clear()
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)


_OURS = str(Path(__file__).parents[1]) + os.sep


@functools.cache
def is_foreign(file: str) -> bool:
    """Whether a file's lines are simloop's or the standard library's, or no file's at all."""
    if not file.endswith(".py"):
        return file not in _known
    if file.startswith(_OURS):  # First: where simloop is installed, libraries are beside it.
        return True
    return not _is_library(file) and file.startswith(sysconfig.get_paths()["stdlib"] + os.sep)


@functools.cache
def _is_of_program(kind: Any) -> bool:
    """Whether a class is written in Python, and neither simloop's nor the standard library's."""
    module = sys.modules.get(kind.__module__)
    return not is_foreign(getattr(module, "__file__", None) or "")


def _is_library(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file


class LineRecorder:
    """A context in which the lines of the program are recorded.

    Args:
        is_inside: Tells whether the calling thread belongs to the run; the lines of others come
            when they like.
    """

    def __init__(self, is_inside: Callable[[], object] = lambda: True) -> None:
        self.lines: list[Line] = []
        self._is_inside = is_inside
        self._importing = 0
        self._before: tuple[Any, Any, int] = (None, None, 0)

    def __enter__(self) -> Self:
        depth = sys.get_coroutine_origin_tracking_depth()
        self._before = (threading.gettrace(), sys.gettrace(), depth)
        sys.set_coroutine_origin_tracking_depth(max(1, depth))
        threading.settrace(self._called)
        sys.settrace(self._called)
        return self

    def __exit__(self, *_exc: object) -> None:
        of_threads, of_this, depth = self._before
        sys.settrace(of_this)
        threading.settrace(of_threads)
        sys.set_coroutine_origin_tracking_depth(depth)

    def _called(self, frame: FrameType, _event: str, _arg: object) -> Any:
        if is_foreign(frame.f_code.co_filename) or self._importing or not self._is_inside():
            return None
        if frame.f_code.co_qualname.startswith("__create_fn__"):
            return None  # What dataclasses make has no file, as a command line has none.
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") != "__main__":
            self._importing += 1
            return self._in_import
        watcher = frame.f_trace
        if isinstance(watcher, _Watcher):  # A generator or coroutine goes on.
            return watcher
        if len(self.lines) >= _LINES_MAX:
            return None
        return _Watcher(self.lines, frame)

    def _in_import(self, _frame: FrameType, event: str, _arg: object) -> Any:
        """Leave out what modules do when they are imported; it is done once in a process."""
        if event == "return":
            self._importing -= 1
        return self._in_import


class _Watcher:
    """Who is told of each line of one call of a function."""

    __slots__ = ("_lines", "_number", "_seen")

    def __init__(self, lines: list[Line], frame: FrameType) -> None:
        self._lines = lines
        self._seen: dict[str, str] = {}
        origin, task = _origin(frame)
        self._number = frame.f_lineno
        self._note(frame, origin, (("the task's name", task),) if task else (), self._number)

    def __call__(self, frame: FrameType, event: str, arg: object) -> _Watcher:
        with suppress(BaseException):  # What is raised here is raised in the program.
            self._look(frame, event, arg)
        return self

    def _look(self, frame: FrameType, event: str, arg: object) -> None:
        number = frame.f_lineno
        if event == "line":
            self._note(frame, _place(frame, self._number), (), number)
            self._number = number
        elif event == "return":
            more = (("what it returned", in_words(arg)),)
            self._note(frame, _place(frame, number), more, 0)
        elif isinstance(arg, tuple):
            more = (("what it raised", canonical(arg[1])),)
            self._note(frame, _place(frame, number), more, 0)

    def _note(
        self,
        frame: FrameType,
        place: tuple[str, int, str],
        more: tuple[tuple[str, str], ...],
        went_to: int,
    ) -> None:
        if len(self._lines) < _LINES_MAX:
            changes = tuple(self._changes(frame))
            self._lines.append(Line(*place, changes + more, went_to))

    def _changes(self, frame: FrameType) -> Iterable[tuple[str, str]]:
        """Return which variables differ from the last look: local ones, and plain globals."""
        seen = self._seen
        of_module = frame.f_globals
        names = [name for name in frame.f_code.co_names if type(of_module.get(name)) in _PLAIN]
        variables = [*frame.f_locals.items(), *((name, of_module[name]) for name in names)]
        for name, value in variables:
            words = in_words(value)
            if seen.get(name) != words:
                seen[name] = words
                yield name, words


_PLAIN = (bool, int, float, str, bytes, list, tuple, dict, set)


def _place(frame: FrameType, number: int) -> tuple[str, int, str]:
    return frame.f_code.co_filename, number, frame.f_code.co_qualname


def _origin(frame: FrameType) -> tuple[tuple[str, int, str], str]:
    """Return the line that called a function, or made the coroutine, and the name of its task.

    Where no line of the program did, it is the function's first one.
    """
    caller = frame.f_back
    if caller is not None and not is_foreign(caller.f_code.co_filename):
        return _place(caller, caller.f_lineno), ""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    coroutine = None if task is None else task.get_coro()
    name = ""
    if task is not None and getattr(coroutine, "cr_frame", None) is frame:
        name = name_of(task)
        for place in getattr(coroutine, "cr_origin", None) or ():
            if not is_foreign(place[0]):
                return place, name
    return _place(frame, frame.f_code.co_firstlineno), name


def in_words(value: object, depth: int = 2) -> str:
    """Describe a value in words that two equal runs share.

    Sets are told by what kinds of things are in them, for their order may be what differs.

    Example:
        >>> in_words("a"), in_words([1, 2.5]), in_words({"x", "y"}), in_words(print)
        ("'a'", '[1, 2.5]', 'a set of 2 str', 'a builtin_function_or_method')
    """
    kind = type(value)
    if kind is int:
        return "an address" if value in _ADDRESSES else canonical(value)
    if value is None or kind in (bool, float, str, bytes):
        text = canonical(value)
        return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}... ({len(text)})"
    if kind in (set, frozenset):
        return _set_in_words(value)
    if depth and kind in (list, tuple):
        items = [in_words(item, depth - 1) for item in islice(value, _ITEMS_MAX)]  # type: ignore[call-overload]
        return _bracketed("[]" if kind is list else "()", items, len(value))  # type: ignore[arg-type]
    if depth and kind is dict:
        pairs = islice(value.items(), _ITEMS_MAX)  # type: ignore[attr-defined]
        items = [f"{in_words(key, 0)}: {in_words(item, depth - 1)}" for key, item in pairs]
        return _bracketed("{}", items, len(value))  # type: ignore[arg-type]
    return _object_in_words(value, depth)


def _object_in_words(value: object, depth: int) -> str:
    """Describe an object by its class, and if that is the program's, by what it keeps."""
    kind: Any = type(value)
    name = f"a {class_name(kind)}"
    if not depth or not _is_of_program(kind):
        return name
    kept = {}
    try:
        kept = dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        for each in getattr(kind, "__slots__", ()):
            with suppress(AttributeError):
                kept[each] = object.__getattribute__(value, each)
    return f"{name} with {in_words(kept, depth - 1)}" if kept else name


def _set_in_words(value: Any) -> str:
    kinds = sorted(dict.fromkeys(class_name(type(item)) for item in value))
    return f"a {class_name(type(value))} of {len(value)} {' and '.join(kinds)}"


def _bracketed(brackets: str, items: list[str], size: int) -> str:
    more = [f"... ({size})"] if size > len(items) else []
    return brackets[0] + ", ".join(items + more) + brackets[1]


def first_culprits(first: Iterable[Line], second: Iterable[Line]) -> list[Culprit]:
    """Find the line after which two runs are no longer the same; empty if they are to the end.

    A line of the program's own comes first, then one of a library that differed before.

    Example:
        >>> one = [Line("app.py", 3, "main", (("x", "1"),), 4)]
        >>> other = [Line("app.py", 3, "main", (("x", "2"),), 4)]
        >>> [culprit[:3] for culprit in first_culprits(one, other)]
        [('app.py', 3, 'main')]
    """
    in_library: list[Culprit] = []
    known: dict[str, dict[str, str]] = {}
    for one, other in zip_longest(first, second):
        if one == other:
            known.setdefault(one.function, {}).update(one.values)
            continue
        line = one or other
        variables = dict(known.get(line.function, ()))
        culprit = Culprit(line.file, line.number, line.function, *_told(one, other), variables)
        if not _is_library(line.file):
            return [culprit, *in_library]
        in_library = in_library or [culprit]
        if one is None or other is None or one[:3] != other[:3] or one.went_to != other.went_to:
            break  # From here on they are apart.
    return in_library


def _told(one: Line | None, other: Line | None) -> tuple[str, str]:
    """Return what two lines did, as far as it differs."""
    if one is None or other is None:
        return ("it went on" if one else "it had ended", "it went on" if other else "it had ended")
    if one[:3] != other[:3]:
        return f"{one.file}:{one.number} ran", f"{other.file}:{other.number} ran"
    names = dict.fromkeys([*dict(one.values), *dict(other.values)])
    differ = [name for name in names if dict(one.values).get(name) != dict(other.values).get(name)]
    if not differ:
        return f"it went on at line {one.went_to}", f"it went on at line {other.went_to}"
    return _shown(one, differ), _shown(other, differ)


def _shown(line: Line, names: list[str]) -> str:
    values = dict(line.values)
    return ", ".join(f"{name} is {values.get(name, 'as before')}" for name in names)
