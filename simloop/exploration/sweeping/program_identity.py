"""What tells one program from another: its name, its source, and what it runs on.

Owns: the values that a journal, or a worker elsewhere, compares before anything is run.

Must not know: what is done where they differ.
"""

from __future__ import annotations

import inspect
import marshal
import sys
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import simloop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["identity_of_program", "source_digest"]


def identity_of_program(kind: str, main: Callable[..., Any], name: str) -> dict[str, str]:
    """Return what tells a program from others, by name.

    Args:
        kind: What is swept: "schedules" or "seeds".
        main: The program.
        name: What it is called.

    Example:
        >>> async def main():
        ...     pass
        >>> sorted(identity_of_program("seeds", main, "module:main"))
        ['kind', 'program', 'python', 'simloop', 'source']
    """
    return {
        "kind": kind,
        "program": name,
        "source": source_digest(main),
        "python": "{}.{}".format(*sys.version_info[:2]),
        "simloop": simloop.__version__,
    }


def source_digest(main: Callable[..., Any]) -> str:
    """Return a hash of the file that a function is in, or of its code where it is in none."""
    inner: Any = main
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    inner = inspect.unwrap(inner)
    code = getattr(inner, "__code__", None)
    path = Path(getattr(code, "co_filename", ""))
    if path.is_file():
        raw = path.read_bytes()
    elif code is not None:
        raw = marshal.dumps(code)
    else:
        raw = repr(type(inner)).encode()
    return blake2b(raw, digest_size=8).hexdigest()
