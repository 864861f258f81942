"""Sending a Python function to another one, in place.

Owns: the trick of :mod:`.redirect` for functions that are written in Python. While it is on, the
function has other code: some that passes the call on. The object stays the same, and so every
reference to it follows.

Must not know: what is rewritten, and what is called instead.

Invariants:

- ``real`` is a function of its own with the original code; it never follows.
- The interpreter remembers by a number what it learnt of a function's code. That number is reset
  whenever the code changes, as assigning ``__code__`` does; 0 means that nothing was learnt.
- The code and the defaults that are put in live as long as the process: nothing dangles.
"""

from __future__ import annotations

import ctypes
from types import FunctionType
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError

from .memory import HEAD_SIZE, WORD_SIZE, Word, address_of, interpreter, word_of, words_between

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Rewrite", "check_functions"]

_CODE_AT = HEAD_SIZE + 4 * WORD_SIZE
_DEFAULTS_AT = HEAD_SIZE + 6 * WORD_SIZE
_VERSION_AT = FunctionType.__basicsize__ - WORD_SIZE
"""Where CPython's ``PyFunctionObject`` keeps code, defaults of keywords, and what was learnt."""

_immortal: list[Any] = []


class Rewrite:
    """A Python function that runs another one while the rewrite is on.

    Args:
        function: The function.
        replacement: What is called instead, with the caller's arguments.
    """

    __slots__ = ("real", "words")

    def __init__(self, function: Any, replacement: Callable[..., Any]) -> None:
        self.real = FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        self.real.__kwdefaults__ = function.__kwdefaults__
        model = _stub(len(function.__code__.co_freevars))
        model.__kwdefaults__ = {"call": replacement}
        if function.__code__.co_filename.startswith("<frozen "):
            # Python leaves frames of its import system out of tracebacks, by their file.
            file = function.__code__.co_filename
            model.__code__ = model.__code__.replace(co_filename=file)
        for held in (model.__code__, model.__kwdefaults__):
            # The second reference is the one that the function's struct has while it is on.
            interpreter.Py_IncRef(ctypes.py_object(held))
        _immortal.extend((function, model, self.real))
        version = Word(address_of(function) + _VERSION_AT, 0, 0)
        self.words = (*words_between(function, model, (_CODE_AT, _DEFAULTS_AT)), version)


def _stub(free: int) -> Any:
    """Make a function that passes its call on, with as many free variables as are wanted."""
    unused = None

    def plain(*args: Any, call: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    def closed(*args: Any, call: Any, **kwargs: Any) -> Any:
        if False:
            return unused
        return call(*args, **kwargs)

    return (plain, closed)[free]


def check_functions() -> None:
    """Refuse to go on where functions are not laid out as they are written to.

    Raises:
        UnsupportedError: This is not a CPython that simloop knows.
    """

    def sample(*, keyword: int = 0) -> int:
        return keyword

    sample.__code__ = sample.__code__
    if (
        word_of(sample, _CODE_AT) != address_of(sample.__code__)
        or word_of(sample, _DEFAULTS_AT) != address_of(sample.__kwdefaults__)
        or word_of(sample, _VERSION_AT) & 0xFFFF_FFFF > 1
    ):
        raise UnsupportedError(
            "sealing a run needs CPython 3.11 to 3.14, and the functions of this Python are laid"
            " out otherwise; run under one of those"
        )
