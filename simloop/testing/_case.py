"""``SimTestCase``: unittest's async test case in virtual time, on every Python that we support.

Owns: handing unittest's runner our loop. From 3.13 on it asks for a loop factory; before, the
runner itself is made by a method.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shlex
import sys
import unittest
from typing import TYPE_CHECKING, Any, ClassVar

from simloop.errors import SimError, UsageError
from simloop.world.current import current_world
from simloop.world.run_options import RunOptions

from ._life import TestRun, options_of
from ._many_runs.asked_exploration import Asked, explore_test, separated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simloop.world import World

__all__ = ["SimTestCase"]

_ATTRIBUTES = ("seed", "autojump", "start_time", "max_time")
_EXPLORING = ("explore", "seconds", "replay")
"""The options that have an attribute of their own."""
_OF_EXPLORATION = ("strategy", "delays", "failures")
"""Those of an exploration that have none."""


class SimTestCase(unittest.IsolatedAsyncioTestCase):
    """An async test case whose tests run in virtual time, each in a world of its own.

    Class attributes are the options: :attr:`seed`, :attr:`autojump`, :attr:`start_time` and
    :attr:`max_time`; others of :func:`simloop.run` go to :attr:`options`. asyncio's debug mode is
    on, as unittest has it. ``setUp`` and ``tearDown`` run outside of the world, like everything
    that is not async; use ``asyncSetUp``. A failure carries a note with the seed and the virtual
    time.

    With :attr:`explore` or :attr:`seconds` each test runs under many schedules, as
    :func:`simloop.explore` runs a program: ``asyncSetUp``, the test, ``asyncTearDown`` and what it
    left to clean up anew in each, ``setUp`` and ``tearDown`` once around all of them. The failure
    carries its explanation; :attr:`replay` runs that schedule again. ``strategy``, ``delays`` and
    ``failures`` go to :attr:`options`.

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
    explore: int | None = None
    """How many schedules each test runs; None for one run."""
    seconds: float | None = None
    """For how many real seconds each test is explored."""
    replay: str | None = None
    """The token or file of the one schedule to run."""
    options: ClassVar[dict[str, Any]] = {}
    """What else :func:`simloop.run` and :func:`simloop.explore` take, by name."""

    _life: TestRun
    _is_in_virtual_time = True  # What the plugin's modes leave alone.

    def loop_factory(self) -> Any:
        """Make the test's world and its loop; unittest asks for it, once per test."""
        _, of_run = self._asked()
        self._life = TestRun(options_of(f"{type(self).__qualname__}.options", of_run))
        return self._life.make_loop()

    def _asked(self) -> tuple[Asked | None, dict[str, Any]]:
        """Return what is asked of an exploration, if anything is, and the options of a run."""
        self._refuse_dropped()
        given = {name: getattr(self, name) for name in (*_ATTRIBUTES, *_EXPLORING)}
        return separated(f"{type(self).__qualname__}.options", {**given, **self.options})

    def _refuse_dropped(self) -> None:
        """Refuse options of which one would hide the other, or that nothing would read."""
        names = (*RunOptions._fields, *_EXPLORING, *_OF_EXPLORATION)
        for name in (each for each in names if each != "world"):  # Which a case has of its own.
            own = getattr(self, name, None)
            is_set = own is not None and own is not getattr(SimTestCase, name, None)
            if name in _ATTRIBUTES or name in _EXPLORING:
                if is_set and name in self.options:
                    raise UsageError(
                        f"{type(self).__qualname__} has {name}={own!r} as an attribute and"
                        f" {name}={self.options[name]!r} in its options; leave one of them out"
                    )
            elif is_set and not callable(own):
                raise UsageError(
                    f"{type(self).__qualname__} has an attribute {name}={own!r}, which no test"
                    f" reads; write options = {{{name!r}: {own!r}}}"
                )

    if sys.version_info < (3, 13):

        def _setupAsyncioRunner(self) -> None:  # noqa: N802 - unittest's name
            self._asyncioRunner = asyncio.Runner(debug=True, loop_factory=self.loop_factory)

    # Explored -----------------------------------------------------------------------------------

    _exploring: Asked | None = None
    """What is asked of the exploration, if the test that runs is explored."""
    _cleanups: list[Any]

    def _callSetUp(self) -> None:  # noqa: N802 - unittest's name
        self._exploring, self._of_run = self._asked()
        if self._exploring is not None:
            self.setUp()
        else:
            super()._callSetUp()  # type: ignore[misc]  # typeshed leaves it out

    def _callTearDown(self) -> None:  # noqa: N802 - unittest's name
        if self._exploring is not None:
            self.tearDown()
        else:
            super()._callTearDown()  # type: ignore[misc]  # as above

    def _explore(self, method: Any, asked: Asked) -> None:
        """Run the test under many schedules."""
        skipped: list[unittest.SkipTest] = []

        async def main() -> None:
            try:
                await self._live_once(method)
            except unittest.SkipTest as reason:
                skipped.append(reason)

        name = f"{type(self).__module__}:{type(self).__qualname__}.{self._testMethodName}"
        line = f'{type(self).__qualname__}.replay = "{{token}}"'
        main.__qualname__ = method.__qualname__  # Reports name the test by it.
        # Without what is the default anyway: a schedule's token holds the options.
        given = {
            key: value
            for key, value in self._of_run.items()
            if key not in _ATTRIBUTES or value != getattr(SimTestCase, key)
        }
        options = {"debug": True, **given}
        explore_test(main, asked, options, name=name, replay_line=line)
        if skipped:
            raise skipped[0].with_traceback(None)

    async def _live_once(self, method: Any) -> None:
        """Do in one schedule what unittest does around a test."""
        before = len(self._cleanups)
        try:
            await self.asyncSetUp()
            try:
                result = method()
                if inspect.isawaitable(result):
                    await result
            finally:
                await self.asyncTearDown()
        finally:
            await self._clean_up(before)

    async def _clean_up(self, count: int) -> None:
        """Do what a schedule left to clean up, the last first, each though another one fails."""
        async with contextlib.AsyncExitStack() as stack:
            for function, args, kwargs in self._cleanups[count:]:
                is_async = inspect.iscoroutinefunction(function)
                push = stack.push_async_callback if is_async else stack.callback
                push(function, *args, **kwargs)
            del self._cleanups[count:]

    @contextlib.contextmanager
    def subTest(self, msg: Any = None, **params: Any) -> Iterator[None]:  # noqa: N802 - unittest's
        """Run a part of a test; in an explored test its failure is that of the schedule."""
        is_one = self._exploring is None
        with super().subTest(msg, **params) if is_one else contextlib.nullcontext():
            yield

    def _callTestMethod(self, method: Any) -> None:  # noqa: N802 - unittest's name
        if self._exploring is not None:
            self._explore(method, self._exploring)
            return
        try:
            super()._callTestMethod(method)  # type: ignore[misc]  # as above
            self._life.finish()
        except unittest.SkipTest:
            raise
        except BaseException as error:
            error.add_note(f"simloop: {self._life}\nreplay: {self._replay_line()}")
            raise

    def _replay_line(self) -> str:
        """Return the line that runs the test again, with the seed that its class has."""
        module, name = type(self).__module__, f"{type(self).__qualname__}.{self._testMethodName}"
        if module == "__main__":
            return shlex.join(["python", os.path.relpath(sys.argv[0]), name])
        return f"python -m unittest {module}.{name}"

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
        """The test's loop, a :class:`simloop.SimLoop`; in an explored test that of the schedule."""
        return self._life.loop if self._exploring is None else asyncio.get_running_loop()

    @loop.setter
    def loop(self, value: Any) -> None:
        """Accept the test's own loop, which other cases, such as aiohttp's, assign."""
        if value is not self.loop:
            raise UsageError(
                f"the loop of a SimTestCase is its own, {self.loop!r}, and not {value!r}"
            )

    @property
    def world(self) -> World:
        """The test's world; in an explored test that of the schedule."""
        return self._life.world if self._exploring is None else current_world()

    async def advance(self, seconds: float) -> None:
        """Advance virtual time: everything due on the way runs, each at its own time."""
        await self.loop.advance(seconds)
