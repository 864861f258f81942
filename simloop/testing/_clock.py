"""The clock of a test, as an object of its own: for a test that moves time by hand.

Owns: the words of such a test. The clock itself is the loop's; the plugin makes it stand still.

Must not know: pytest.
"""

from __future__ import annotations

from simloop.world.current import current_loop

__all__ = ["Clock"]


class Clock:
    """The clock of the test that is running; what the fixture ``simloop_clock`` returns.

    With the fixture time stands still until the test moves it, unless its mark says
    ``autojump=True``.

    Example:
        >>> import asyncio, simloop
        >>> from simloop.testing import Clock
        >>> async def test_it_rings(simloop_clock: Clock):
        ...     bell = asyncio.create_task(asyncio.sleep(3600, "ring"))
        ...     await simloop_clock.advance(3599)
        ...     assert not bell.done()
        ...     await simloop_clock.advance_to(3600)
        ...     return bell.result(), simloop_clock.time()
        >>> simloop.run(test_it_rings(Clock()), autojump=False)
        ('ring', 3600.0)
    """

    def time(self) -> float:
        """Return the virtual time of the test's loop, in seconds, as ``loop.time()``."""
        return current_loop().time()

    async def advance(self, seconds: float) -> None:
        """Move the clock by so many seconds; whatever is due on the way runs, at its own time.

        Raises:
            UsageError: The number of seconds is negative, or none.
        """
        await current_loop().advance(seconds)

    async def advance_to(self, time: float) -> None:
        """Move the clock to a time; see :meth:`advance`.

        Raises:
            UsageError: The time is in the past, or no time.
        """
        await current_loop().advance(time - current_loop().time())
