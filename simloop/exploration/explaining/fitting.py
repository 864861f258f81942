"""Fitting text into columns of a terminal.

Owns: how many columns the terminal has for a character. Must not know what is shown.
"""

from __future__ import annotations

from unicodedata import combining, east_asian_width

__all__ = ["columns_of", "cut", "fitted"]


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a wide character.

    By Unicode's East_Asian_Width (UAX 11); a combining character takes none.

    Example:
        >>> columns_of("job"), columns_of("仕事"), columns_of("e\u0301")
        (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return what fits of a text into so many columns.

    Example:
        >>> cut("仕事を", 5), cut("job", 5)
        ('仕事', 'job')
    """
    if columns_of(text) <= width:
        return text
    left = width
    for index, character in enumerate(text):
        left -= _columns(character)
        if left < 0:
            return text[:index]
    return text


def fitted(text: str, width: int) -> str:
    """Return a text cut, or filled up with blanks, to so many columns."""
    text = cut(text, width)
    return text + " " * (width - columns_of(text))
