"""``simloop show`` on the command line: which traces, and what is to be made of them.

Owns: its options, its texts, and the record of what was asked.

Must not know: the engine, and traces: a wrong argument is told before anything is read.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from simloop.errors import UsageError

from ._subcommand import add_command

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ShowArguments", "add_show", "read_show"]

_DESCRIPTION = """\
Draw a run: one page that needs nothing but a browser, with the tasks of each host over virtual
time, what each of them waited for, the messages between them, packets between hosts and what
happened to these, a search, and the slowest waits. Two traces are drawn beside each other, from
their first difference on.
"""

_EPILOG = """\
examples:
  simloop run service.py --trace run.json     write a trace
  simloop show run.json                       draw it: run.html
  simloop show run.json -o /tmp/picture.html  draw it elsewhere
  simloop show good.json bad.json             both, from where they part: good-bad.html
  simloop show run.json --sequence mermaid    print its last moments, for an issue
  simloop show run.json --sequence svg -o last.svg
  simloop show run.json --editor pycharm      whose lines open in that editor

A trace is a file of Chrome trace events; https://ui.perfetto.dev opens it as well.

exit status: 0, or 2 if the trace can't be read or the page can't be written
"""

_FORMS = ("mermaid", "svg")
_LAST = 20
_EDITOR_VARIABLE = "SIMLOOP_EDITOR"


@attrs.frozen
class ShowArguments:
    """What ``simloop show`` was asked to do."""

    trace: str
    output: str
    """``-``: standard output."""
    other: str | None = None
    editor: str = "vscode://file{path}:{line}"
    sequence: str | None = None
    last: int = _LAST


def add_show(commands: Any, count: Callable[[str], int]) -> None:
    """Add the command to those of a parser.

    Args:
        commands: The commands.
        count: Reads a number above 0.
    """
    show = add_command(
        commands,
        "show",
        help="draw a run that was traced, as one page for a browser",
        usage="simloop show TRACE [TRACE] [-o FILE] [OPTION ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    show.add_argument("trace", metavar="TRACE", help="what `simloop run --trace TRACE` wrote")
    show.add_argument(
        "other", nargs="?", metavar="TRACE", help="another one, to be drawn beside the first"
    )
    show.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the page to write (beside the trace, ending in .html), or the diagram (-: print it)",
    )
    show.add_argument(
        "--editor",
        type=_editor,
        metavar="NAME",
        help="where a click on a line opens it: vscode, cursor, pycharm, idea, zed, none, or an"
        f" address with {{path}} and {{line}} in it (${_EDITOR_VARIABLE}, or vscode)",
    )
    show.add_argument(
        "--sequence",
        choices=_FORMS,
        metavar="|".join(_FORMS),
        help="a sequence diagram of the last moments of the run, in place of a page",
    )
    show.add_argument(
        "--last",
        type=count,
        default=_LAST,
        metavar="N",
        help=f"how many arrows and notes the diagram has ({_LAST})",
    )


def read_show(options: dict[str, Any]) -> ShowArguments:
    """Read the options of the command.

    Raises:
        UsageError: They do not fit together.
    """
    trace, other, sequence = options["trace"], options["other"], options["sequence"]
    output = options["output"] or _default_output(trace, other, sequence)
    traces = [trace] if other is None else [trace, other]
    if output != "-" and any(Path(output).absolute() == Path(each).absolute() for each in traces):
        raise UsageError(
            f"the page would be written over the trace {output!r}; name another file: -o"
        )
    if sequence is not None and other is not None:
        raise UsageError("--sequence draws one trace; name one")
    editor = options["editor"]
    if editor is None:
        try:
            editor = _editor(os.environ.get(_EDITOR_VARIABLE) or "vscode")
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"${_EDITOR_VARIABLE}: {error}") from None
    return ShowArguments(trace, output, other, editor, sequence, options["last"])


def _default_output(trace: str, other: str | None, sequence: str | None) -> str:
    if sequence is not None:
        return "-"
    path = Path(trace or "trace")  # Without a name it is told that it can't be read.
    if other is not None:
        path = path.with_name(f"{path.stem}-{Path(other).stem}.json")
    return str(path.with_suffix(".html"))


def _editor(text: str) -> str:
    """Read the name of an editor, or an address."""
    from simloop.show import EDITORS, is_editor_address  # noqa: PLC0415 - no other command draws

    if text in EDITORS:
        return EDITORS[text]
    if is_editor_address(text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is none of {', '.join(EDITORS)}, and no address of an editor with {{path}} in"
        " it, such as vscode://file{path}:{line}"
    )
