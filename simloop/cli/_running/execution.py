"""One execution of a program: its world, its loops, and how it ended.

Owns: the order of a program's life, and the reading of its end as an exit status. It must not know
where the program came from, nor what is written about it.

Invariant: the first error that the world raised is the one that is told, whatever the clean-up
after it raises.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any

import attrs

from simloop._sandbox import begins_run
from simloop._sandbox.time import real_clock
from simloop.cli._program import NoProgramError
from simloop.cli._status import ExitStatus
from simloop.errors import DeadlockError, LimitError, SimError
from simloop.trace import Digest
from simloop.world.current import script_in

from .loop_maker import LoopMaker
from .program_end import come_to_end, end_threads_left, its_process, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.world import World

__all__ = ["Ending", "Execution"]


@attrs.frozen
class Ending:
    """How an execution ended."""

    status: int
    error: BaseException | None
    """What the program raised, ``SystemExit`` included; None if it returned."""
    is_ours: bool
    """Whether the world ended it: a deadlock, or a limit."""
    is_told: bool
    """Whether it was told already, when the program ended."""
    digest: str
    steps: int
    time_ns: int
    real_s: float


class Execution:
    """One run of one program in one world; used once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._loops = LoopMaker(world, self._end_by)
        self._verdict: SimError | None = None
        self._told: BaseException | None = None
        self._usual_hook = sys.excepthook

    @begins_run
    def run(self, program: Callable[[Callable[[], bool]], Any]) -> Ending:
        """Run a program to its end, however it ends.

        Args:
            program: Gets a function that tells whether it has run an event loop; returns its
                result, or a coroutine that is still to be awaited.
        """
        digest = Digest()
        self.world.watch(digest)
        began_s = real_clock.perf_counter()
        value, error = None, None
        try:
            with (
                self.world.inside(),
                script_in(self.world),
                its_process(self.world),
                self._loops.in_place(),
            ):
                value, error = self._value_or_error(program)
                error = self._come_to_end(error)
        except BaseException as caught:  # noqa: BLE001 - what it leaves behind may raise, too
            error = self._verdict or caught
        real_s = real_clock.perf_counter() - began_s
        self.world.unwatch(digest)
        digest.ended(value, error)
        end_threads_left(self.world, error)
        return Ending(
            status=self._status(value, error),
            error=error,
            is_ours=error is not None and error is self._verdict,
            is_told=error is not None and error is self._told,
            digest=digest.hexdigest(),
            steps=self.world.steps,
            time_ns=self.world.time_ns,
            real_s=real_s,
        )

    def _value_or_error(
        self, program: Callable[[Callable[[], bool]], Any]
    ) -> tuple[Any, BaseException | None]:
        """Run the program up to what it returns or raises."""
        try:
            value = program(lambda: self._loops.made > 0 or self.world.steps > 0)
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
            elif inspect.isawaitable(value):
                value = asyncio.run(_awaited(value))
            if self.world.properties is not None:
                self.world.properties.finish()
        except BaseException as caught:  # noqa: BLE001 - however it ended is what we tell
            self._look_at(caught)
            return None, self._verdict or caught
        return value, None

    def _look_at(self, error: BaseException) -> None:
        """Keep an error if it is the world's, of a run that the script began by simloop.run()."""
        if isinstance(error, DeadlockError | LimitError):
            self._end_by(error)

    def _come_to_end(self, error: BaseException | None) -> BaseException | None:
        """Do what Python does when a program has ended; return what the run ends by."""
        if isinstance(error, SimError):
            return error  # The world has ended it where it was.
        if error is not None:
            self._told = error
            tell(self.world, error, self._usual_hook)
        try:
            come_to_end(self.world)
        except BaseException as caught:  # noqa: BLE001 - as above
            self._look_at(caught)
            return self._verdict or caught
        return error

    def _end_by(self, verdict: SimError) -> None:
        """Keep the world's first error."""
        if self._verdict is None:
            self._verdict = verdict

    def _status(self, value: object, error: BaseException | None) -> int:
        if error is None:
            # What `sys.exit(main())` makes of it, but other values mean nothing.
            is_status = isinstance(value, int) and not isinstance(value, bool)
            return int(value) if is_status else ExitStatus.OK  # type: ignore[call-overload]  # tested
        if isinstance(error, SystemExit):
            return _exit_code(error)
        if error is self._verdict:
            return ExitStatus.DEADLOCK if isinstance(error, DeadlockError) else ExitStatus.LIMIT
        known = (status for kind, status in _STATUSES if isinstance(error, kind))
        return next(known, ExitStatus.FAILED)


_STATUSES = (
    (KeyboardInterrupt, ExitStatus.INTERRUPTED),
    (NoProgramError, ExitStatus.USAGE),
)


async def _awaited(value: Any) -> Any:
    """Await anything, where asyncio.run takes only coroutines."""
    return await value


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return ExitStatus.OK
    return error.code if isinstance(error.code, int) else ExitStatus.FAILED
