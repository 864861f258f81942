"""One execution of a program: its world, its loops, and how it ended.

Owns: the patch by which every event loop that asyncio makes for the program is a `SimLoop` of one
world, and the reading of the program's end as an exit status. It must not know where the program
came from, nor what is written about it.

Invariants: asyncio is as before when an execution has ended; the first error that the world raised
is the one that is told, whatever the clean-up after it raises.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import traceback
from asyncio import events
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

import simloop
from simloop._kernel.safe_looks import message_of
from simloop._loop.asked_class import as_asked
from simloop._sandbox import begins_run
from simloop._sandbox.time import real_clock
from simloop.cli._program import NoProgramError
from simloop.cli._status import ExitStatus
from simloop.errors import DeadlockError, LimitError, SimError
from simloop.trace import Digest
from simloop.world.current import script_in
from simloop.world.failed_run import CleanUpLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from simloop.world import World

__all__ = ["Ending", "Execution", "print_error"]

# Frames of these folders come before the program's own in its tracebacks.
_MACHINERY = tuple(str(Path(str(module.__file__)).parent) for module in (simloop, asyncio))


@attrs.frozen
class Ending:
    """How an execution ended."""

    status: int
    error: BaseException | None
    """What the program raised, ``SystemExit`` included; None if it returned."""
    is_ours: bool
    """Whether the world ended it: a deadlock, or a limit."""
    digest: str
    steps: int
    time_ns: int
    real_s: float


class Execution:
    """One run of one program in one world; used once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._loops_made = 0
        self._verdict: SimError | None = None
        self._loop_class = as_asked(CleanUpLoop, asyncio.SelectorEventLoop)

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
                self._making_loops(),
                self._calling_exit_functions(),
            ):
                value = program(lambda: self._loops_made > 0 or self.world.steps > 0)
                if inspect.iscoroutine(value):
                    value = asyncio.run(value)
                elif inspect.isawaitable(value):
                    value = asyncio.run(_awaited(value))
                if self.world.properties is not None:
                    self.world.properties.finish()
        except BaseException as caught:  # noqa: BLE001 - however it ended is what we tell
            if isinstance(caught, DeadlockError | LimitError):
                self._end_by(caught)  # From a run that the script began by simloop.run().
            error = self._verdict or caught
        real_s = real_clock.perf_counter() - began_s
        self.world.unwatch(digest)
        digest.ended(value, error)
        self._end_threads()
        return Ending(
            status=self._status(value, error),
            error=error,
            is_ours=error is not None and error is self._verdict,
            digest=digest.hexdigest(),
            steps=self.world.steps,
            time_ns=self.world.time_ns,
            real_s=real_s,
        )

    def _end_threads(self) -> None:
        """End what would outlive the program: threads that run loops for ever, and these loops."""
        if self.world.threads.sim_threads:
            with self.world.inside():
                self.world.threads.end_all()
            for loop in [*self.world.loops]:
                loop.close()

    @contextmanager
    def _making_loops(self) -> Iterator[None]:
        """Make loops of this world where asyncio is asked for a new one."""
        owners: list[Any] = [asyncio, events]
        if sys.version_info < (3, 14):
            # Up to 3.13 get_event_loop() may make a loop, by the policy.
            owners.append(asyncio.get_event_loop_policy())
        before = [vars(owner).get("new_event_loop") for owner in owners]
        self.world.on_end, self.world.asked_loop_class = self._end_by, CleanUpLoop
        for owner in owners:
            owner.new_event_loop = self._new_event_loop
        try:
            yield
        finally:
            for owner, function in zip(owners, before, strict=True):
                if function is None:
                    del owner.new_event_loop
                else:
                    owner.new_event_loop = function

    @contextmanager
    def _calling_exit_functions(self) -> Iterator[None]:
        """Call what the program registers for its end, unless the world ends it."""
        process = self.world.process
        process.calls_exit_functions = True
        try:
            yield
        except SimError:
            process.exit_functions = None
            raise
        finally:
            if self._verdict is None:
                process.call_exit_functions()
            process.calls_exit_functions = False

    def _new_event_loop(self) -> asyncio.AbstractEventLoop:
        self._loops_made += 1
        loop = self._loop_class(world=self.world)
        if self.world.kernel.is_running:
            loop.detach_schedule()  # It is for a thread of the program's.
        return loop

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


def print_error(error: BaseException) -> None:
    """Write what Python writes when a program ends by this, from the program's first line on."""
    try:
        if isinstance(error, SystemExit):
            if not isinstance(error.code, int | None):
                sys.stderr.write(f"{error.code}\n")
        else:
            traceback.print_exception(error.with_traceback(_own_frames(error)))
    except Exception:  # noqa: BLE001 - a class of the program's that can't be shown
        sys.stderr.write(f"{message_of(error)}\n")


def _own_frames(error: BaseException) -> TracebackType | None:
    """Return an error's traceback from the program's first frame on.

    Where it has none, all of it; but nothing of an error by which the world ended the program: that
    says itself what for, and no line raised it.
    """
    own = error.__traceback__
    while own is not None and _is_machinery(own.tb_frame.f_code.co_filename):
        own = own.tb_next
    return own if own is not None or isinstance(error, SimError) else error.__traceback__


def _is_machinery(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", *_MACHINERY))
