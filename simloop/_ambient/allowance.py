"""What a program may reach of the real world, by declaration.

Owns: the names that can be allowed, and who has allowed them: the run as a whole, or a block of
code for itself and the tasks that it starts.

Must not know: what is guarded by a name.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from simloop.errors import UsageError

from .runs import get_ident, running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ALLOWANCES", "allow", "check_names", "is_allowed"]

ALLOWANCES = {
    "files": "write files in the strict mode, which refuses that",
    "names": "resolve names by the real resolver",
    "pipes": "wait for real pipes and terminals",
    "processes": "fork, exec, and send signals to processes",
    "signals": "set real signal handlers and timers",
    "sockets": "make and use real sockets",
    "subprocess": "start real programs",
    "threads": "start threads in the strict mode, which refuses that",
}
"""What can be allowed, and what it lets a program do."""

_allowed: ContextVar[tuple[str, ...]] = ContextVar("simloop_allowed", default=())


def check_names(names: tuple[str, ...]) -> None:
    """Refuse names that allow nothing."""
    for name in names:
        if name not in ALLOWANCES:
            raise UsageError(
                f"nothing is called {name!r} here; allow one of {', '.join(ALLOWANCES)}"
            )


@contextmanager
def allow(*names: str) -> Iterator[None]:
    """Let the block, and the tasks started in it, reach parts of the real world.

    Time stays virtual in the block, and what it does is not in anybody's seed.

    Args:
        names: Any of ``files``, ``names``, ``pipes``, ``processes``, ``signals``, ``sockets``,
            ``subprocess``, ``threads``.

    Raises:
        UsageError: There is nothing of that name.

    Example:
        >>> import subprocess, sys
        >>> with allow("subprocess"):
        ...     subprocess.run([sys.executable, "-c", ""], check=True).returncode
        0
    """
    check_names(names)
    token = _allowed.set(_allowed.get() + names)
    try:
        yield
    finally:
        _allowed.reset(token)


def is_allowed(name: str) -> bool:
    """Tell whether the calling thread's run, or the block of code, may do this."""
    run = running.get(get_ident())
    return name in _allowed.get() or (run is not None and name in run.allowed)
