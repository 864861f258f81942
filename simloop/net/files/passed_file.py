"""An open file of the real process on its way over a UNIX socket, by SCM_RIGHTS.

Owns: the descriptor that keeps the file open while it is in flight, as the message does in unix(7).

Must not know: how a real descriptor is duplicated and closed; that is given.

Invariants: it is in no table: where it arrives it gets a number of the real process again; what was
never sent, and what has arrived or was dropped, holds no descriptor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .open_file import File

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PassedFile"]


class PassedFile(File):
    """A file of the real process in flight.

    Args:
        number: The descriptor that was passed.
        duplicate: Returns a new descriptor of the same open file; OSError where there is none.
        close: Closes a descriptor.
    """

    __slots__ = ("_close", "_duplicate", "_kept", "_number")

    def __init__(
        self, number: int, duplicate: Callable[[int], int], close: Callable[[int], None]
    ) -> None:
        super().__init__()
        self._number = number
        self._duplicate = duplicate
        self._close = close
        self._kept = -1

    def acquire(self) -> None:
        """Count one more message that carries this file; the first keeps it open."""
        if self._kept < 0:
            self._kept = self._duplicate(self._number)
        super().acquire()

    def release(self) -> None:
        """Let go of the file: no message carries it any more."""
        self._close(self._kept)
        self._kept = -1

    def take_number(self) -> int:
        """Return a descriptor of the real process for who receives the file."""
        return self._duplicate(self._kept)
