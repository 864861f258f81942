"""``SimTestCase``: unittest's async test case in virtual time, on every Python that we support.

Owns: handing unittest's runner our loop. From 3.13 on it asks for a loop factory; before, the
runner itself is made by a method.
"""

from __future__ import annotations

import asyncio
import sys
import unittest
from typing import TYPE_CHECKING, Any, ClassVar

from simloop.errors import SimError, UsageError
from simloop.world.run_options import RunOptions

from ._life import TestRun, options_of

if TYPE_CHECKING:
    from simloop.world import World

__all__ = ["SimTestCase"]

_ATTRIBUTES = ("seed", "autojump", "start_time", "max_time")
"""The options that have an attribute of their own."""


class SimTestCase(unittest.IsolatedAsyncioTestCase):
    """An async test case whose tests run in virtual time, each in a world of its own.

    Class attributes are the options: :attr:`seed`, :attr:`autojump`, :attr:`start_time` and
    :attr:`max_time`; others of :func:`simloop.run` go to :attr:`options`. asyncio's debug mode is
    on, as unittest has it. ``setUp`` and ``tearDown`` run outside of the world, like everything
    that is not async; use ``asyncSetUp``. A failure carries a note with the seed and the virtual
    time.

    Example:
        >>> import asyncio, unittest
        >>> from simloop.testing import SimTestCase
        >>> class TestBell(SimTestCase):
        ...     autojump = False
        ...
        ...     async def test_it_rings(self):
        ...         bell = asyncio.create_task(asyncio.sleep(3600, "ring"))
        ...         await self.advance(3600)
        ...         self.assertEqual(bell.result(), "ring")
        >>> TestBell("test_it_rings").run(unittest.TestResult())
        <unittest.result.TestResult run=1 errors=0 failures=0>
    """

    seed: int | str = 0
    """Where all randomness of a test comes from."""
    autojump: bool = True
    """Whether the clock jumps to the next deadline when nothing is ready."""
    start_time: float = 0.0
    """What the clock shows at first, in seconds."""
    max_time: float | None = None
    """The virtual time, in seconds, past which the clock may not go."""
    options: ClassVar[dict[str, Any]] = {}
    """What else :func:`simloop.run` takes, by name."""

    _life: TestRun

    def loop_factory(self) -> Any:
        """Make the test's world and its loop; unittest asks for it, once per test."""
        given = {name: getattr(self, name) for name in _ATTRIBUTES}
        self._refuse_dropped()
        chosen = options_of(f"{type(self).__qualname__}.options", {**given, **self.options})
        self._life = TestRun(chosen)
        return self._life.make_loop()

    def _refuse_dropped(self) -> None:
        """Refuse options of which one would hide the other, or that nothing would read."""
        for name in RunOptions._fields:
            own = getattr(self, name, None)
            is_set = own is not None and own is not getattr(SimTestCase, name, None)
            if name in _ATTRIBUTES:
                if is_set and name in self.options:
                    raise UsageError(
                        f"{type(self).__qualname__} has {name}={own!r} as an attribute and"
                        f" {name}={self.options[name]!r} in its options; leave one of them out"
                    )
            elif name != "world" and is_set and not callable(own):
                raise UsageError(
                    f"{type(self).__qualname__} has an attribute {name}={own!r}, which no test"
                    f" reads; write options = {{{name!r}: {own!r}}}"
                )

    if sys.version_info < (3, 13):

        def _setupAsyncioRunner(self) -> None:  # noqa: N802 - unittest's name
            self._asyncioRunner = asyncio.Runner(debug=True, loop_factory=self.loop_factory)

    def _callTestMethod(self, method: Any) -> None:  # noqa: N802 - unittest's name
        try:
            super()._callTestMethod(method)  # type: ignore[misc]  # typeshed leaves it out
            self._life.finish()
        except unittest.SkipTest:
            raise
        except BaseException as error:
            error.add_note(f"simloop: {self._life}")
            raise

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test; what stays stuck when its loop is closed is an error of this test."""
        try:
            return super().run(result)
        except SimError:
            if result is None:
                raise
            result.addError(self, sys.exc_info())
            return result

    @property
    def loop(self) -> Any:
        """The test's loop, a :class:`simloop.SimLoop`."""
        return self._life.loop

    @loop.setter
    def loop(self, value: Any) -> None:
        """Accept the test's own loop, which other cases, such as aiohttp's, assign."""
        if value is not self._life.loop:
            raise UsageError(
                f"the loop of a SimTestCase is its own, {self.loop!r}, and not {value!r}"
            )

    @property
    def world(self) -> World:
        """The test's world."""
        return self._life.world

    async def advance(self, seconds: float) -> None:
        """Advance virtual time: everything due on the way runs, each at its own time."""
        await self.loop.advance(seconds)
