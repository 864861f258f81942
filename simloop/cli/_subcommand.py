"""Adding a command to the parser, all in one way.

Owns: how help is laid out, and that no option may be shortened. Must not know what commands there
are.
"""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_command"]


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
