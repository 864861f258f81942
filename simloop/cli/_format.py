"""How the command writes times, counts and its own lines."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["count", "flush_stdout", "painted", "say", "virtual", "wants_color"]

_NS_PER_SECOND = 1_000_000_000
_DAY = 86_400


def count(number: int) -> str:
    """Write a whole number with its thousands apart.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def virtual(time_ns: int) -> str:
    """Write a virtual time as a clock shows it, with its fraction if it has one.

    >>> virtual(90_000_000_000), virtual(250_000_000), virtual(2 * 86400 * 10**9)
    ('0:01:30', '0:00:00.25', '2 days 0:00:00')
    """
    whole, fraction_ns = divmod(time_ns, _NS_PER_SECOND)
    days, rest = divmod(whole, _DAY)
    minutes, seconds = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{seconds:02}"
    if fraction_ns:
        text += f".{fraction_ns:09}".rstrip("0")
    return f"{count(days)} day{'s' * (days != 1)} {text}" if days else text


_COLORS = {"red": "31", "dim": "2"}
"""Of ECMA-48, "Select Graphic Rendition"."""


def wants_color(stream: IO[str], env: Mapping[str, str] = os.environ) -> bool:
    """Return whether a stream is a terminal that shows colours, and whether they are wanted.

    ``NO_COLOR`` says no (https://no-color.org), ``FORCE_COLOR`` says yes, each if it is not empty;
    a terminal that calls itself ``dumb`` shows none.

    >>> import io
    >>> wants_color(io.StringIO(), {}), wants_color(io.StringIO(), {"FORCE_COLOR": "1"})
    (False, True)
    """
    if env.get("NO_COLOR"):
        return False
    return bool(env.get("FORCE_COLOR")) or (stream.isatty() and env.get("TERM") != "dumb")


def painted(text: str, color: str, stream: IO[str]) -> str:
    """Return a text in a colour, or as it is where the stream shows none."""
    return f"\x1b[{_COLORS[color]}m{text}\x1b[0m" if wants_color(stream) else text


def flush_stdout() -> None:
    """Write what the program has printed; one that has closed its standard output has done so."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def say(line: str) -> None:
    """Write a line of our own to stderr, after all that the program wrote."""
    flush_stdout()
    if sys.stderr is None or sys.stderr.closed:
        return  # By the program, which wants no more to be said.
    ours = painted("simloop:", "dim", sys.stderr)
    word, separator, rest = line.partition(" ")
    if word.endswith("rror:"):  # "error:", and the names of errors.
        word = painted(word, "red", sys.stderr)
    sys.stderr.write(f"{ours} {word}{separator}{rest}\n")
    sys.stderr.flush()
