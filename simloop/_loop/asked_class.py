"""The class of a loop that a program makes by asyncio's class, or by an heir of it.

Owns: classes that are one of our loops and an instance of the class that was asked for. Programs
look: uvicorn gives its users a choice of loops by their class, and a program's own heir has methods
around asyncio's. Such a class has our loop before asyncio's in its order of bases, and the
program's before both, so that its ``super()`` is ours, and nothing of asyncio's is ever called that
one of our loops has.

Must not know: how a loop is asked for.

Invariants:

- Nothing is changed on the class that was asked for, and nothing keeps it alive.
- The name of such a class is that of the class that was asked for: programs look at that, too.
"""

from __future__ import annotations

from asyncio import SelectorEventLoop
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError

if TYPE_CHECKING:
    from .loop import SimLoop

__all__ = ["as_asked", "dress"]

_asyncios: Any = SelectorEventLoop
_OF_ASYNCIO: dict[type, type] = {}
"""Of each class of ours the one that is asyncio's as well."""


def as_asked(cls: type[SimLoop], asked: type | None) -> type[SimLoop]:
    """Return the class of loops of ours that are instances of another class, too.

    Args:
        cls: The class of ours.
        asked: asyncio's class or an heir of it; None: nothing was asked for, and ``cls`` will do.
    """
    if asked is None:
        return cls
    made: Any = _OF_ASYNCIO.get(cls)
    if made is None:
        made = _OF_ASYNCIO[cls] = _heir(_asyncios, (cls, _asyncios))
    if asked is _asyncios:
        return made  # type: ignore[no-any-return]
    bases = asked, made
    known: list[Any] = type.__subclasses__(asked)  # These are held weakly.
    return next((each for each in known if each.__bases__ == bases), None) or _heir(asked, bases)


def _heir(asked: Any, bases: tuple[Any, ...]) -> type[SimLoop]:
    named = {
        "__module__": asked.__module__,
        "__qualname__": asked.__qualname__,
        "__doc__": asked.__doc__,
        "asked_class": asked,
    }
    made: type[SimLoop] = type(asked)(asked.__name__, bases, named)
    return made


def dress(shell: Any, cls: type[SimLoop]) -> None:
    """Let an empty object, made by the class that was asked for, be a loop of ours as well.

    Raises:
        UnsupportedError: Python makes no heir of that class.
    """
    asked = type(shell)
    try:
        shell.__class__ = as_asked(cls, asked)
    except TypeError as error:
        shell._closed = True  # For its finalizer.
        raise UnsupportedError(
            f"{asked.__module__}.{asked.__qualname__}() inside a run: it can't be a loop of this"
            f" world: {error}"
        ) from error
