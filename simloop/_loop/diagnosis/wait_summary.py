"""A task at a summary_of: what it waits for and where, without touching what it holds.

Owns: the short form of a wait, for those who ask at every step of a run. The long form
(:mod:`.deadlock_report`) looks into the variables of frames to name what is waited for; up to
Python 3.12 that leaves a copy of them behind, which keeps objects alive for longer. Here only code
and line numbers are read, so asking changes nothing in the run.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from .deadlock_report import _ASYNCIO, _PRIMITIVES, _describe_future, _where, chain

if TYPE_CHECKING:
    import asyncio

__all__ = ["summary_of"]

# The phrases of the long form, without what only variables tell.
_DETAIL = re.compile(r" of \{delay\} s|: \{children\}| \(in \{func_name\}\)| ?\{\w+\}")
_PHRASES = {name: _DETAIL.sub("", phrase) for name, phrase in _PRIMITIVES.items()}

_OURS = sys.modules["simloop"].__path__[0] + os.sep


def summary_of(task: asyncio.Task[Any]) -> tuple[str, str]:
    """Return what a suspended task waits for, and ``file:line in function`` of the program.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     task = asyncio.create_task(asyncio.sleep(1))
        ...     await asyncio.sleep(0.5)
        ...     return summary_of(task)[0]
        >>> simloop.run(main())
        'a sleep'
    """
    frames = [frame for _, frame in chain(task.get_coro())]
    own = next((each for each in reversed(frames) if not _is_machinery(each)), None)
    frame = own if own is not None else (frames[-1] if frames else None)
    return _what(task, frames), _where(frame)


def _is_machinery(frame: Any) -> bool:
    return bool(frame.f_code.co_filename.startswith((_ASYNCIO, _OURS)))


def _is_asyncios(frame: Any) -> bool:
    return bool(frame.f_code.co_filename.startswith(_ASYNCIO))


def _what(task: asyncio.Task[Any], frames: list[Any]) -> str:
    for frame in reversed(frames):
        if not _is_asyncios(frame):
            break
        phrase = _PHRASES.get(frame.f_code.co_qualname)
        if phrase is not None:
            return phrase
    return _describe_future(getattr(task, "_fut_waiter", None))
