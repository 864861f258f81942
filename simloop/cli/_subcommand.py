"""Adding a command to the parser, all in one way.

Owns: how help is laid out, that no option may be shortened, and what is asked of one that is not
known: "did you mean". Must not know what commands there are.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from ._format import painted

__all__ = ["CommandParser", "add_command"]

_UNKNOWN = re.compile(r"unrecognized arguments: (?P<words>.*)", re.DOTALL)
_NO_CHOICE = re.compile(r"invalid choice: '(?P<word>[^']*)'")
_NO_NUMBER = re.compile(r"argument --seed: invalid int value: '(?P<word>\d+-\d+)'")


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors name what was meant.

    Example:
        >>> parser = CommandParser(prog="simloop")
        >>> _ = parser.add_argument("--schedules")
        >>> parser.hint("unrecognized arguments: --shedules=5")
        '; did you mean --schedules?'
    """

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and end with status 2."""
        self.print_usage(sys.stderr)
        word = painted("error:", "red", sys.stderr)
        self.exit(2, f"{self.prog}: {word} {message}{self.hint(message)}\n")

    def hint(self, message: str) -> str:
        """Return what was meant where a word is nearly one that is known, else nothing."""
        if found := _NO_NUMBER.search(message):
            return f"; for many seeds there is `simloop check PROGRAM --seeds {found['word']}`"
        words = [found["word"] for found in [_NO_CHOICE.search(message)] if found]
        known = self._choices()
        if unknown := _UNKNOWN.search(message):
            words = [word.partition("=")[0] for word in unknown["words"].split()]
            words = [word for word in words if word.startswith("-")]
            known = self._options()
        from difflib import get_close_matches  # noqa: PLC0415 - only an error wants it

        near = [match for word in words for match in get_close_matches(word, known, n=1)]
        return f"; did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""

    def _commands(self) -> list[CommandParser]:
        return [
            each
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for each in action.choices.values()
        ]

    def _choices(self) -> list[str]:
        return [str(word) for action in self._actions for word in action.choices or ()]

    def _options(self) -> list[str]:
        """Return the options of this command and of those below it."""
        own = [
            option
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for option in action.option_strings
        ]
        return [*own, *(option for each in self._commands() for option in each._options())]


def add_command(
    commands: Any,
    name: str,
    *,
    help: str,  # noqa: A002 - argparse's word
    usage: str,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Add a command to those of a parser, and return its own parser."""
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        usage=usage,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return added
