"""The outcome of a simulated run: a value to keep, compare and print."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

from simloop._kernel import seconds

__all__ = ["Outcome"]

_T = TypeVar("_T")


@attrs.frozen
class Outcome(Generic[_T]):
    """How one run of a program went; two runs with equal digests were the same run.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     await asyncio.sleep(60)
        ...     return "done"
        >>> outcome = simloop.simulate(main, seed=7)
        >>> outcome.value, outcome.error, outcome.time, outcome.time_ns
        ('done', None, 60.0, 60000000000)
        >>> outcome.digest == simloop.simulate(main, seed=7).digest
        True
    """

    value: _T | None
    """What the program returned; None if it failed."""
    error: BaseException | None
    """What it raised; None if it returned."""
    seed: int | str
    """The seed of its world."""
    digest: str
    """A hash of everything that it did, 32 hexadecimal digits."""
    steps: int
    """How many callbacks ran."""
    time_ns: int
    """The virtual time at its end, in nanoseconds."""

    @property
    def time(self) -> float:
        """The virtual time at its end, in seconds."""
        return seconds(self.time_ns)
