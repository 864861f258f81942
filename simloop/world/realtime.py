"""Pacing: virtual time against the wall, for demos, games and people who watch.

Owns: waiting for real before the clock jumps, and moving the clock to where the wall is when
something comes from outside meanwhile. A kernel without a pace has no part in it: a pace takes
the place of its ``jump``.

Must not know: what runs.

Invariants:

- The clock is never ahead of the wall. Behind it (long computations) it catches up unpaced.
- The steps of a program that nothing from outside disturbs are those of an unpaced run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simloop._kernel import NS_PER_SECOND
from simloop._sandbox.time import real_clock
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._kernel import Kernel

__all__ = ["RealtimePacer"]

_WAIT_MAX_S = 3600.0
"""Waits are cut into pieces that a lock's time limit can hold."""


class RealtimePacer:
    """The pace of one kernel: so many seconds of virtual time in a second of real time.

    Args:
        kernel: The kernel to pace, from its next jump on.
        factor: Virtual seconds per real second.
        wait: Waits for so many real seconds, or shorter if something comes from outside.
    """

    def __init__(self, kernel: Kernel, factor: float, wait: Callable[[float], object]) -> None:
        is_number: bool = isinstance(factor, int | float)
        if not is_number or not 0 < factor < float("inf"):
            raise UsageError(
                f"realtime={factor!r}; it takes the virtual seconds per real second, a number above"
                " 0: 1.0 for the wall's own pace, 10 for ten times as fast"
            )
        self._kernel = kernel
        self._factor = factor
        self._wait = wait
        self._jump = kernel.jump
        self._origin: tuple[int, int] | None = None
        kernel.jump = self.jump  # type: ignore[method-assign]  # the point of it

    def _virtual_ns(self) -> int:
        """Return where the clock would be if it went with the wall."""
        now_ns = real_clock.monotonic_ns()
        if self._origin is None:
            self._origin = (now_ns, self._kernel.now_ns)
        real_ns, virtual_ns = self._origin
        return virtual_ns + int((now_ns - real_ns) * self._factor)

    def jump(self) -> bool:
        """Move the clock to the next deadline when the wall is there."""
        kernel = self._kernel
        if kernel.before_jump is not None and kernel.before_jump():
            return True
        when_ns = kernel.wheel.next_ns()
        if kernel.now_ns < when_ns <= kernel.horizon_ns:
            while not kernel.has_work() and (ahead_ns := when_ns - self._virtual_ns()) > 0:
                self._wait(min(ahead_ns / self._factor / NS_PER_SECOND, _WAIT_MAX_S))
            if kernel.has_work():
                kernel.move_to(max(kernel.now_ns, min(self._virtual_ns(), when_ns)))
                return True
        return self._jump()
