"""The identity of a failure: when two runs failed in the same way.

Owns: what is compared. The type of the error and the program's line that raised it; a deadlock by
the places where its tasks wait and a property by its name, since these errors are raised by no line
of the program.

Must not know: how a run came about.
"""

from __future__ import annotations

import asyncio
import os
import sysconfig
import traceback
from typing import TYPE_CHECKING, NamedTuple

import simloop
from simloop.errors import DeadlockError, PropertyError, SimError

if TYPE_CHECKING:
    from traceback import FrameSummary

__all__ = ["Identity", "identity_of", "is_foreign", "is_library", "manner_of", "place_of"]

_FOREIGN = (
    os.path.dirname(asyncio.__file__) + os.sep,  # noqa: PTH120 - text, compared with text
    os.path.dirname(simloop.__file__) + os.sep,  # noqa: PTH120 - as above
)
_STANDARD = sysconfig.get_path("stdlib") + os.sep
_PACKAGES = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))


_MANNERS = {"unretrieved": "nobody retrieved ", "callback": "a callback raised "}


class Identity(NamedTuple):
    """What two equal failures share: the error's type, and where it was raised or waits."""

    kind: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} at {', '.join(self.places) or 'no line of the program'}"


def identity_of(error: BaseException) -> Identity:
    """Return what an error shares with those of the same failure.

    Example:
        >>> def fail():
        ...     raise LookupError
        >>> try:
        ...     fail()
        ... except LookupError as error:
        ...     print(identity_of(error).kind)
        LookupError
    """
    error = _first(error)
    kind = type(error).__qualname__
    if isinstance(error, DeadlockError) or (isinstance(error, PropertyError) and error.places):
        return Identity(kind, tuple(sorted(dict.fromkeys(error.places))))
    frame = place_of(error)
    return Identity(kind, () if frame is None else (f"{frame.filename}:{frame.lineno}",))


def manner_of(kind: str) -> str:
    """Return how an error of this kind came, to stand before it; nothing where it was raised.

    Example:
        >>> manner_of("unretrieved") + "KeyError", manner_of("error") + "KeyError"
        ('nobody retrieved KeyError', 'KeyError')
    """
    return _MANNERS.get(kind, "")


def place_of(error: BaseException) -> FrameSummary | None:
    """Return the program's innermost frame of an error, or the library's where it has none.

    None if it has no traceback, or is an error of the world's that no line of the program raised.
    """
    error = _first(error)
    frames = traceback.StackSummary.extract(
        traceback.walk_tb(error.__traceback__), lookup_lines=False
    )
    own = [frame for frame in frames if not is_foreign(frame.filename)]
    if own:
        return own[-1]
    return None if isinstance(error, SimError) or not frames else frames[-1]


def is_foreign(filename: str) -> bool:
    """Return whether a file is asyncio's or ours, and not the program's."""
    return filename.startswith(_FOREIGN)


def is_library(filename: str) -> bool:
    """Return whether a file is Python's own, asyncio's or ours."""
    is_of_python = filename.startswith(_STANDARD) and not filename.startswith(_PACKAGES)
    return is_of_python or filename.startswith(("<frozen", _FOREIGN[1]))


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
