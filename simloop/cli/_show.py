"""``simloop show``: a trace becomes a page, two become one beside the other, or a diagram.

Owns: what is said to people about it. Reading and drawing are :mod:`simloop.show`'s.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from simloop.show import TraceError, page, pair_page, read, sequence_diagram

from ._format import count, say
from ._status import ExitStatus

if TYPE_CHECKING:
    from simloop.show import Picture

    from ._arguments import ShowArguments

__all__ = ["carry_out"]


def carry_out(arguments: ShowArguments) -> int:
    """Do what was asked and return the exit status."""
    pictures = []
    for trace in (arguments.trace, arguments.other):
        if trace is None:
            continue
        try:
            pictures.append(read(Path(trace)))
        except OSError as error:
            return _refuse(f"the trace {trace!r} can't be read: {error}")
        except TraceError as error:
            return _refuse(str(error))
        if pictures[-1].about.get("cut"):
            say(f"{trace} was cut off; what is whole of it is drawn")
    text = _drawn(arguments, pictures)
    if arguments.output == "-":
        sys.stdout.write(text)
        return ExitStatus.OK
    try:
        Path(arguments.output).write_text(text, encoding="utf-8")
    except OSError as error:
        what = "page" if arguments.sequence is None else "diagram"
        return _refuse(f"the {what} can't be written to {arguments.output!r}: {error}")
    if arguments.sequence is not None:
        say(f"{arguments.output}: a sequence diagram of the last moments of the run")
        return ExitStatus.OK
    told = "; ".join(_told(picture) for picture in pictures)
    say(f"{arguments.output}: {told}; open it in a browser")
    return ExitStatus.OK


def _drawn(arguments: ShowArguments, pictures: list[Picture]) -> str:
    if arguments.sequence is not None:
        return sequence_diagram(pictures[0], form=arguments.sequence, last=arguments.last)
    if arguments.other is None:
        return page(pictures[0], editor=arguments.editor)
    names = arguments.trace, arguments.other
    return pair_page(pictures[0], pictures[1], names, editor=arguments.editor)


def _told(picture: Picture) -> str:
    told = (
        f"{count(len(picture.tracks))} tracks, {count(len(picture.steps))} steps,"
        f" {count(len(picture.messages))} messages"
    )
    return f"{told}, {count(len(picture.packets))} packets" if picture.packets else told


def _refuse(problem: str) -> int:
    say(f"error: {problem}")
    return ExitStatus.USAGE
