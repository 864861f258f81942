"""``simloop show``: a trace becomes a page.

Owns: what is said to people about it. Reading and drawing are :mod:`simloop.show`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simloop.show import TraceError, page, read

from ._format import count, say
from ._status import ExitStatus

if TYPE_CHECKING:
    from ._arguments import ShowArguments

__all__ = ["carry_out"]


def carry_out(arguments: ShowArguments) -> int:
    """Do what was asked and return the exit status."""
    try:
        picture = read(Path(arguments.trace))
        text = page(picture)
    except OSError as error:
        return _refuse(f"the trace {arguments.trace!r} can't be read: {error}")
    except TraceError as error:
        return _refuse(str(error))
    try:
        Path(arguments.output).write_text(text, encoding="utf-8")
    except OSError as error:
        return _refuse(f"the page can't be written to {arguments.output!r}: {error}")
    say(
        f"{arguments.output}: {count(len(picture.tracks))} tracks, {count(len(picture.steps))}"
        f" steps, {count(len(picture.messages))} messages; open it in a browser"
    )
    return ExitStatus.OK


def _refuse(problem: str) -> int:
    say(f"error: {problem}")
    return ExitStatus.USAGE
