"""The clock of a host, as a test sets it wrong.

Owns: what a test reads and sets, and what follows for the processes of the machine: their wall
clocks, their loops, their timers. A host whose crystal is right has the world's own clock, and pays
for none of this.

Must not know: what else a host has.

Invariants:

- A wall clock shows the world's date plus the skew, plus what the drift has come to; a monotonic
  clock shows no skew, and never goes back.
- A timer that was set is due when the machine's monotonic clock shows its time, whatever was done
  to the clock meanwhile.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds, seconds
from simloop._loop.own_clock import slow_down
from simloop._process import ProcessClock
from simloop.errors import UsageError

if TYPE_CHECKING:
    from .sim_host import SimHost

__all__ = ["HostClock", "check_drift", "check_seconds"]

_MOST_S = 1e10
"""Three hundred years: past them the dates of Python end."""


class HostClock:
    """The clock of one host; made by the host.

    Example:
        >>> import time, simloop
        >>> async def main():
        ...     host = simloop.current_world().add_host("db", skew=3600)
        ...     host.clock.step(-1800)
        ...     return host.clock.skew, host.clock.drift
        >>> simloop.run(main())
        (1800.0, 0.0)
    """

    def __init__(self, host: SimHost, kernel: Any, skew: float, drift: float) -> None:
        self._host = host
        self._kernel = kernel
        self._clock = ProcessClock(kernel, skew_ns=nanoseconds(skew), drift=drift)
        self.own: ProcessClock | None = self._clock if drift else None
        """What its processes go by, if that is not the world's clock."""

    def __repr__(self) -> str:
        return f"<clock of {self._host.name!r} skew={self.skew} drift={self.drift}>"

    @property
    def skew_ns(self) -> int:
        """The skew in nanoseconds."""
        return self._clock.skew_ns

    @property
    def skew(self) -> float:
        """How far the wall clock is ahead of the world's now, in seconds; may be set.

        A drift changes it, as time goes by.

        Raises:
            UsageError: What it is set to is no finite number.
        """
        return seconds(self._clock.skew_ns + self._drifted_ns())

    @skew.setter
    def skew(self, value: float) -> None:
        skew_ns = nanoseconds(check_seconds("host.clock.skew", value))
        self.step_ns(skew_ns - self._clock.skew_ns - self._drifted_ns())

    @property
    def monotonic_ns(self) -> int:
        """What its monotonic clock shows, in nanoseconds."""
        return self._clock.now_ns

    def _drifted_ns(self) -> int:
        """Return what drifts have come to, which the wall clock shows too."""
        return 0 if self.own is None else self._clock.now_ns - self._kernel.now_ns

    def step_ns(self, ahead_ns: int) -> None:
        """Let the wall clock jump by so many nanoseconds."""
        self._clock.skew_ns += ahead_ns
        for process in self._host.processes:
            process.step_wall_clock(ahead_ns)

    def step(self, seconds: float) -> None:
        """Let the wall clock jump, ahead or back, as when somebody sets it or NTP steps it.

        Raises:
            UsageError: This is no finite number.
        """
        self.step_ns(nanoseconds(check_seconds("host.clock.step()", seconds)))

    @property
    def drift(self) -> float:
        """The rate error of the wall clock and the monotonic one, which may be set.

        It is 5e-5 for a clock that is 50 ppm fast.

        Raises:
            UsageError: What it is set to is no finite number above -1.
        """
        return self._clock.drift

    @drift.setter
    def drift(self, value: float) -> None:
        value = check_drift("host.clock.drift", value)
        if value == self.drift:
            return
        self._clock.set_drift(value)
        if self.own is None:
            self.own = self._clock
            for process in self._host.processes:
                process.take_clock(self._clock)
        processes = self._host.processes
        slow_down(self._clock, [loop for each in processes for loop in each.loops])
        for process in processes:
            process.clock_changed()


def check_seconds(what: str, value: Any) -> float:
    """Return a number of seconds.

    Raises:
        UsageError: It is none, or not finite.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and abs(value) <= _MOST_S:
        return float(value)
    raise UsageError(
        f"{what}: {value!r} is no finite number of seconds, at most {_MOST_S:.0e}; give one such as"
        " 0.5"
    )


def check_drift(what: str, value: Any) -> float:
    """Return a rate error.

    Raises:
        UsageError: It is no number, or a clock would stand still or go back by it.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and value > -1:
        return float(value)
    raise UsageError(
        f"{what}: {value!r} is no rate error of a clock; give a number above -1, such as 5e-5 for"
        " 50 ppm fast"
    )
