"""How the command writes times, counts and its own lines."""

from __future__ import annotations

import sys

__all__ = ["count", "say", "virtual"]

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


def say(line: str) -> None:
    """Write a line of our own to stderr, after all that the program wrote."""
    sys.stdout.flush()
    sys.stderr.write(f"simloop: {line}\n")
    sys.stderr.flush()
