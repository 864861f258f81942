"""The main thread of a process whose program is no coroutine function.

Owns: a simulated thread that runs a plain function, a script or a module, as ``python`` does in the
main thread: ``asyncio.run`` in it makes the loop of the process, ``threading.main_thread()`` is it,
and what it raises or gives to ``sys.exit`` ends the process.

Must not know: what an end means.

Invariant: the end is told as a step of the process, once the function has returned or raised, and
once what Python does then is done, in the same thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .host_process import HostProcess

__all__ = ["ProgramThread"]


class ProgramThread:
    """The main thread of a process.

    Args:
        process: The process.
        run: Runs the program.
        tells: Whether what it raises is still to be told.
    """

    def __init__(self, process: HostProcess, run: Callable[[], Any], *, tells: bool = True) -> None:
        self._process = process
        self._tells = tells
        self._run = run
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin at the next turn, as a step of the process."""
        self._process.call_soon(self._start)

    def _start(self) -> None:
        self.thread = threading.Thread(target=self._main, name="MainThread")
        self.thread.start()

    def _main(self) -> None:
        value, error = None, None
        try:
            value = self._run()
        except BaseException as caught:  # noqa: BLE001 - it ends the process
            error = caught
        if self._tells:
            self._process.tell(error)
        try:  # With no error in hand: what is raised there has nothing to do with it.
            self._process.come_to_end()
        except BaseException as caught:  # noqa: BLE001 - as above, and told in place of it
            error = caught
        self._process.call_soon(self._process.ended_by_itself, value, error)
