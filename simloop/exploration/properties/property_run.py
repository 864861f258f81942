"""The properties of one run: what was stated, when it is looked at, and what has failed.

Owns: the conditions that stand, the observer that looks at them, deadlines, and tallies. A run
without a condition that stands has no observer, and a world without any property has none of this.

A property that fails ends the run: where it is found, if the program is not in the middle of
something, and else right after; so a program that catches the error can't go on as if nothing had
happened.

Must not know: strategies, and how a run is reported.

Invariants:

- A condition is looked at when it is stated, and after each step (or turn) from the next turn on.
  This is so in watched runs and in plain ones, which do not hear of the turn that goes on.
- Looking is no step: it changes no count and no digest. A deadline is a step.
- After the first failure, and after the end of the program, nothing is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop.errors import PropertyError, UsageError

from .tallies import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simloop.world import World

__all__ = ["PropertyRun", "properties_of"]

_NS_PER_S = 1_000_000_000


class _Standing:
    """A condition that is looked at again and again."""

    __slots__ = ("asked", "by_turn", "condition", "is_eventual", "name", "timer", "true", "where")

    def __init__(self, condition: Callable[[], object], name: str, where: str) -> None:
        self.condition = condition
        self.name = name
        self.where = where
        self.is_eventual = False
        self.by_turn = False
        self.timer: Any = None
        self.asked = 0
        self.true = 0

    @property
    def kind(self) -> str:
        return "eventually" if self.is_eventual else "always"


class _Count:
    """How often a name was asked for."""

    __slots__ = ("asked", "kind", "true")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.asked = 0
        self.true = 0


def properties_of(world: World) -> PropertyRun:
    """Return the properties of a world's run, made when the first is stated."""
    if world.properties is None:
        world.properties = PropertyRun(world.kernel)
    found: PropertyRun = world.properties
    return found


class PropertyRun:
    """What must hold in the runs of one world."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._standing: dict[str, _Standing] = {}
        self._counts: dict[str, _Count] = {}
        self.failure: PropertyError | None = None
        self._is_observing = False
        self._has_begun = False  # Whether the turn in which observing began is over.
        self._depth = 0  # Steps that go on: a thread may run one in the middle of another.
        self._handle: Any = None

    # What is stated --------------------------------------------------------------------------

    def state(
        self,
        condition: Callable[[], object],
        name: str,
        frame: FrameType,
        *,
        by_turn: bool = False,
        within_ns: int | None = None,
    ) -> None:
        """Let a condition stand: always, or within so many nanoseconds, which is once.

        Raises:
            PropertyError: It does not hold.
            UsageError: The name stands already.
        """
        where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        if name in self._standing:
            raise UsageError(
                f"{name!r} is stated twice, at {self._standing[name].where} and at {where}; a name"
                " stands for one condition at a time"
            )
        standing = _Standing(condition, name, where)
        standing.is_eventual = within_ns is not None
        standing.by_turn = by_turn
        self._count(name, standing.kind)
        self._standing[name] = standing
        self._look_at(standing, "when it was stated")
        if self.failure is not None:
            self._observe()
            raise self.failure
        if name in self._standing:
            if within_ns is not None and within_ns >= 0:
                when_ns = self._kernel.now_ns + within_ns
                # One nanosecond later, when all that is due at the last moment has run.
                standing.timer = self._kernel.call_at_ns(when_ns + 1, self._expire, standing)
            self._observe()

    def count(self, name: str, kind: str, *, is_true: bool) -> None:
        """Count that a line was reached, and whether its condition was true."""
        count = self._count(name, kind)
        count.asked += 1
        count.true += is_true

    def fail_at(self, name: str, frame: FrameType) -> PropertyError:
        """Note that a line was reached that must not be, and return the error."""
        self.count(name, "unreachable", is_true=True)
        where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        error = self._fail(f"unreachable {name!r}: reached {self._now()}, at {where}", name)
        self._observe()
        return error

    def _count(self, name: str, kind: str) -> _Count:
        count = self._counts.get(name)
        if count is None:
            count = self._counts[name] = _Count(kind)
        elif count.kind != kind:
            raise UsageError(
                f"{name!r} is the name of a property of the kind {count.kind!r} and of one of the"
                f" kind {kind!r}; give each a name of its own"
            )
        return count

    def tallies(self) -> dict[str, Tally]:
        """Return how often each property was looked at so far, and true, by name."""
        return {
            name: Tally(count.kind, count.asked, count.true) for name, count in self._counts.items()
        }

    # Looking ---------------------------------------------------------------------------------

    def _observe(self) -> None:
        if not self._is_observing:
            self._is_observing = True
            # A turn that is not observed now says nothing of its end either.
            self._has_begun = not self._kernel.is_observed
            self._depth = 0
            self._kernel.observe(self)

    def _unobserve(self) -> None:
        if self._is_observing:
            self._is_observing = False
            self._kernel.unobserve(self)

    def step(self, _now_ns: int, _handle: Any) -> None:
        """Take note that a step begins."""
        self._depth += 1

    def stepped(self, _now_ns: int, handle: Any) -> None:
        """Look at what stands after a step.

        Raises:
            PropertyError: Something does not hold, and no other step goes on around this one.
        """
        self._depth = max(0, self._depth - 1)
        if self._has_begun and self.failure is None:
            self._handle = handle
            try:
                for standing in tuple(self._standing.values()):
                    if not standing.by_turn:
                        self._look_at(standing)
            finally:
                self._handle = None
        if self.failure is not None and not self._depth:
            self._unobserve()
            raise self.failure

    def turned(self) -> None:
        """Look at what stands after a turn.

        Raises:
            PropertyError: Something does not hold.
        """
        if not self._has_begun:
            self._has_begun = True
            return
        for standing in tuple(self._standing.values()):
            if standing.by_turn:
                self._look_at(standing)
        if self.failure is not None:
            self._unobserve()
            raise self.failure

    def _look_at(self, standing: _Standing, when: str | None = None) -> None:
        """Ask a condition; note a failure, and let one that was to be true once stand no more."""
        if self.failure is not None:
            return
        count = self._counts[standing.name]
        count.asked += 1
        try:
            is_true = bool(standing.condition())
        except Exception as error:  # noqa: BLE001 - whatever a condition raises
            told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self._fail_standing(standing, f"raised {told}", when)
            assert self.failure is not None
            self.failure.__cause__ = error
            return
        if is_true:
            count.true += 1
            if standing.is_eventual:
                self._drop(standing)
        elif not standing.is_eventual:
            self._fail_standing(standing, "false", when)

    def _expire(self, standing: _Standing) -> None:
        """Fail a condition that was to be true by now, and was not once."""
        standing.timer = None
        self._look_at(standing, "at its deadline")
        if standing.name in self._standing and self.failure is None:
            self._fail_standing(standing, "not once true", "at its deadline")

    def _drop(self, standing: _Standing) -> None:
        del self._standing[standing.name]
        if standing.timer is not None:
            standing.timer.cancel()
            standing.timer = None
        if not self._standing and self.failure is None:
            self._unobserve()

    # The end ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """Stop, because the program has ended: what was not true by now never will be.

        Its last step was looked at, since a loop takes one more to stop.

        Raises:
            PropertyError: A property has failed, or was to be true once and never was.
        """
        __tracebackhide__ = True
        for standing in tuple(self._standing.values()):
            if standing.is_eventual and self.failure is None:
                self._fail_standing(standing, "not once true", "when the program ended")
        failure = self.failure
        self.stop()
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """Look at nothing from now on; tallies stay."""
        for standing in tuple(self._standing.values()):
            if standing.timer is not None:
                standing.timer.cancel()
        self._standing.clear()
        self.failure = None
        self._unobserve()

    # What has failed -------------------------------------------------------------------------

    def _fail_standing(self, standing: _Standing, what: str, when: str | None) -> None:
        if when is None and self._handle is not None:
            # Only a failure has words. Not the task's name, which depends on who watches the run.
            from simloop.trace.labels import qualified_name, task_of  # noqa: PLC0415

            callback = self._handle._callback
            task = task_of(callback)
            subject = callback if task is None else task.get_coro()
            when = f"after a step of {qualified_name(subject)}"
        self._fail(
            f"{standing.kind} {standing.name!r}: {what} {self._now()}, {when or 'after a turn'}\n"
            f"  stated at {standing.where}",
            standing.name,
        )

    def _fail(self, message: str, name: str) -> PropertyError:
        if self.failure is None:
            self.failure = PropertyError(message)
            self.failure.places = (name,)
        return self.failure

    def _now(self) -> str:
        return f"at {self._kernel.now_ns / _NS_PER_S} s"
