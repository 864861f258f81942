"""The progress line: how far a long run is, for a person who watches a terminal.

Owns: a real thread that writes one line now and then while the program runs. It only reads the
clock and the count of steps, so it moves nothing in the run, and needs a terminal.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from ._format import count, virtual

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Progress", "line"]

_FIRST_AFTER = 2.0  # Seconds; shorter runs show nothing.
_EVERY = 0.5

# Back to the first column and clear; whatever the program prints next overwrites the line.
_CLEAR = "\r\x1b[K"


def line(time_ns: int, steps: int, rate: float) -> str:
    """Write how far a run is; ``rate`` is in steps per second of real time."""
    pace = count(round(rate))
    return f"simloop: {virtual(time_ns)} virtual, {count(steps)} steps, {pace} per second"


class Progress:
    """A context in which progress is shown on stderr.

    Args:
        read: Gives the virtual time in nanoseconds and the steps so far.
        is_shown: Whether to; by default, whether stderr is a terminal.
    """

    def __init__(
        self, read: Callable[[], tuple[int, int]], *, is_shown: bool | None = None
    ) -> None:
        self._read = read
        self._is_shown = sys.stderr.isatty() if is_shown is None else is_shown
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        if self._is_shown:
            self._thread = threading.Thread(target=self._show, name="simloop-progress", daemon=True)
            self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _show(self) -> None:
        # The C lock below waits in real time, whatever the program believes the time to be.
        wait, steps_before = _FIRST_AFTER, 0
        while not self._ended.wait(wait):
            time_ns, steps = self._read()
            rate = (steps - steps_before) / wait
            sys.stderr.write(_CLEAR + line(time_ns, steps, rate) + "\r")
            sys.stderr.flush()
            wait, steps_before = _EVERY, steps
        if wait != _FIRST_AFTER:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
