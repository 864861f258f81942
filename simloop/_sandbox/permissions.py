"""What a program may reach of the real world, by declaration.

Owns: the names that can be allowed; who has allowed them, the run as a whole or a block of code
for itself and the tasks that it starts; and the words in which an escape is refused.

Must not know: how an escape is noticed.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from simloop.errors import EscapeError, UsageError

from .run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["ALLOWANCES", "allow", "check_names", "escape", "is_allowed"]

ALLOWANCES = {
    "files": "leave the strict mode",
    "libraries": "leave the strict mode",
    "machine": "ask by the functions of Python that are virtual, or take it as an argument",
    "names": "give the name to the world: world.names.add(name, address)",
    "pipes": "make the pipe inside the run and read it through loop.connect_read_pipe",
    "signals": "use loop.add_signal_handler, and loop.deliver_signal to send one",
    "sockets": "make the socket inside the run, where it is virtual, and use it through the loop",
    "subprocess": "register a program, world.programs.register(name, main), and start it with "
    "asyncio.create_subprocess_exec",
    "threads": "leave the strict mode",
}
"""What can be allowed, and what to do instead of allowing it."""

_allowed: ContextVar[tuple[str, ...]] = ContextVar("simloop_allowed", default=())


def check_names(names: Any) -> None:
    """Refuse names that allow nothing."""
    if isinstance(names, str) or not isinstance(names, Collection):
        raise UsageError(f"allow={names!r}; it takes a tuple of names: {', '.join(ALLOWANCES)}")
    for name in names:
        if name not in ALLOWANCES:
            raise UsageError(
                f"nothing of the real world is called {name!r}; allow any of "
                f"{', '.join(ALLOWANCES)}"
            )


def allow(*names: str) -> AbstractContextManager[None]:
    """Let the block, and the tasks started in it, reach parts of the real world.

    Time stays virtual in the block, and what the world outside answers is not in the seed.

    Args:
        names: Any of ``files``, ``libraries`` (in C, with a clock or dice of their own),
            ``machine`` (its user, processors, memory, ``/proc``), ``names``
            (of hosts), ``pipes``, ``signals``, ``sockets``, ``subprocess``, ``threads``.

    Raises:
        UsageError: There is nothing of that name.

    Example:
        >>> import subprocess, sys, simloop
        >>> async def main():
        ...     with simloop.allow("subprocess"):
        ...         return subprocess.run([sys.executable, "-c", ""], check=True).returncode
        >>> simloop.run(main())
        0
    """
    check_names(names)
    return _allowing(names)


@contextmanager
def _allowing(names: tuple[str, ...]) -> Iterator[None]:
    token = _allowed.set(_allowed.get() + names)
    try:
        yield
    finally:
        _allowed.reset(token)


def is_allowed(name: str) -> bool:
    """Tell whether the block of code, or the run of the calling thread, may do this."""
    if name in _allowed.get():
        return True
    run = by_thread.get(get_ident())
    return run is not None and name in run.allowed


def escape(call: str, reason: str, name: str) -> EscapeError:
    """Make the error that names the call, the reason and the way out."""
    return EscapeError(
        f"{call} from inside a run: {reason}. Either {ALLOWANCES[name]}; or say that it is meant: "
        f'with simloop.allow("{name}"): ...'
    )
