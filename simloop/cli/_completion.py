"""Completion of the command's options and files by the shell, written by shtab.

Owns: the option ``--print-completion``. shtab reads the parser itself, so nothing here has to be
kept up with it. It is an extra of its own, and looked for only when it is asked for.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_completion"]

_SHELLS = ("bash", "zsh", "tcsh")

# What shtab calls the files of a shell.
_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
_NAMES_OF_FILES = ("program", "trace", "other", "output")


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Add to the parser the option that prints its completion for a shell."""
    parser.add_argument(
        "--print-completion",
        action=_Print,
        choices=_SHELLS,
        metavar="|".join(_SHELLS),
        help="print what lets that shell complete simloop's options, and do nothing else",
    )


class _Print(argparse.Action):
    """Print the completion, and end."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        del namespace
        try:
            import shtab  # noqa: PLC0415 - an extra
        except ImportError:
            parser.error(f"{option_string} needs shtab: pip install 'simloop-engine[completion]'")
        for each in _parsers(parser):
            for action in each._actions:
                if action.dest in _NAMES_OF_FILES:
                    action.complete = _FILES  # type: ignore[attr-defined]  # where shtab looks
        sys.stdout.write(shtab.complete(parser, shell=str(values)))
        parser.exit()


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """List a parser and those of its commands."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices.values()
    return found
