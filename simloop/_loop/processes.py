"""Child processes: refused, with the way out.

A real child would run on the real clock, beside a loop on which no time passes while it works. It
would be neither deterministic nor ever on time.
"""

from __future__ import annotations

from typing import Any, Never

from simloop.errors import UnsupportedError

from .state import LoopState

__all__ = ["Processes"]


class Processes(LoopState):
    """The part of a loop that starts child processes."""

    async def subprocess_exec(self, protocol_factory: Any, *args: Any, **_options: Any) -> Never:
        """Refuse to start a program.

        Raises:
            UnsupportedError: Always.
        """
        del protocol_factory
        raise _refusal("exec", args[0] if args else "")

    async def subprocess_shell(self, protocol_factory: Any, cmd: Any, **_options: Any) -> Never:
        """Refuse to start a shell.

        Raises:
            UnsupportedError: Always.
        """
        del protocol_factory
        raise _refusal("shell", cmd)


def _refusal(kind: str, what: object) -> UnsupportedError:
    return UnsupportedError(
        f"subprocess_{kind}({what!r}): a real process cannot live in virtual time; patch the call"
        " in the test, or run the program that needs it on asyncio's own loop"
    )
