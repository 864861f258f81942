"""One run of a program under a choice gate: how it went, and whether that is a failure.

Owns: the world of an explored run, what is told there of errors that nobody handles, and which of
it counts.

Must not know: strategies. It is given a gate and runs.

Invariants: a run whose gate answers 0 is the plain run, digest and all; two runs whose gates answer
alike are the same run. A ``KeyboardInterrupt`` is the user's, and always raised.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Collection, Coroutine
from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel.disturbed_kernel import DisturbedKernel
from simloop._loop.asking.disturbed_loop import disturb, disturbed_class
from simloop._loop.asking.thing_names import ThingNames
from simloop._sandbox import Disturbed, has_tasks
from simloop.errors import DeadlockError, LimitError, UsageError
from simloop.trace import Digest
from simloop.world import World
from simloop.world.outcome import Outcome
from simloop.world.running import run_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._kernel import Kernel
    from simloop._kernel.gate import ChoiceGate
    from simloop._loop import SimLoop
    from simloop._threads import ThreadScheduler
    from simloop.exploration.sweeping.kept_world import KeptWorld
    from simloop.world.run_options import RunOptions

    Main = Callable[[], Coroutine[Any, Any, Any]]

__all__ = ["ALL_FAILURES", "FAILURES", "ExploredWorld", "Ran", "check_failures", "run_once"]

FAILURES = ("error", "deadlock", "limit", "unretrieved")
"""What counts as a failure unless asked otherwise."""

ALL_FAILURES = (*FAILURES, "callback", "left")
"""What may count as one: the program's error, a deadlock, a passed limit, an error that nobody
retrieved, an error in a callback, a task that is left behind."""

_NEVER_RETRIEVED = "exception was never retrieved"
_OF_CLIENT = "client_connected_cb"


class ExploredWorld(World):
    """A world whose kernel and loops ask a gate.

    Args:
        gate: The gate.
        **options: As for :class:`simloop.World`.
    """

    def __init__(self, gate: ChoiceGate, **options: Any) -> None:
        self._gate = gate
        self.loop_class: type[SimLoop] = disturbed_class(sleeps=gate.sleeps > 0)
        self.reports: list[dict[str, Any]] = []
        self.left: list[str] = []
        self._carried: list[SimLoop] = []  # Every loop that it ever had.
        super().__init__(**options)

    def let_go(self, kernel: Kernel, threads: ThreadScheduler) -> None:
        """Hold nothing of a run that is over; see :meth:`simloop.World.let_go`."""
        super().let_go(kernel, threads)
        self.reports = []
        self.left = []
        self._carried = []

    def renew_for(self, gate: ChoiceGate) -> None:
        """Be what the constructor makes with another gate; see :meth:`simloop.World.renew`."""
        self._gate = gate
        self.loop_class = disturbed_class(sleeps=gate.sleeps > 0)
        # Here, and so as young as what is in them: the collection between runs must see both.
        self.reports, self.left, self._carried = [], [], []
        self.renew(self.seed)

    def _make_kernel(self, seed: int | str, start_ns: int) -> Kernel:
        self._gate.names = ThingNames()
        return DisturbedKernel(seed, start_ns, self._gate)

    def attach(self, loop: Any) -> None:
        """Take note of a loop that lives here, and have it ask."""
        super().attach(loop)
        self._carried.append(loop)
        disturb(loop)
        loop.on_report = self.reports.append

    def mark_tasks(self) -> None:
        """Have tasks marked as the world's, as a recorder has them; see ``Tasks.mark_tasks``."""
        self._is_watched = True

    def is_over(self) -> None:
        """Let what the program left open go in silence, whenever that is."""
        if self._network is not None:
            for host in self._network.hosts.values():
                host.warns_of_unclosed = False
        for loop in self._carried:
            for transport in list(loop._transports.values()):
                transport._closing = True  # What asyncio's stream writers ask.
        # They hold their world: without this cycle it goes at once, and not when next collected.
        self._carried.clear()

    def left_behind(self, loop: Any) -> None:
        """Take note of the tasks that a program leaves when it ends."""
        if has_tasks(loop):
            from simloop._loop.diagnosis.deadlock_report import pending_tasks, waits_of  # noqa: PLC0415 - few runs want it

            self.left += [str(wait) for wait in waits_of(pending_tasks(loop))]


@attrs.define(eq=False)
class Ran:
    """How one explored run went."""

    value: Any
    error: BaseException | None
    """What failed, or None."""
    kind: str | None
    """What sort of failure it is, of :data:`ALL_FAILURES`."""
    world: ExploredWorld
    digest: str | None = None

    def outcome(self) -> Outcome[Any]:
        """Return the outcome of a run that was made with a digest."""
        assert self.digest is not None
        return Outcome(
            value=self.value,
            error=self.error,
            seed=self.world.seed,
            digest=self.digest,
            steps=self.world.steps,
            time_ns=self.world.time_ns,
        )


def check_failures(failures: Any) -> tuple[str, ...]:
    """Return the kinds of failures that count.

    Raises:
        UsageError: One of them is none.
    """
    if isinstance(failures, str):
        failures = (failures,)
    if not isinstance(failures, Collection) or not failures:
        raise UsageError(
            f"failures={failures!r}: it takes the kinds that count as a failure, any of"
            f" {', '.join(ALL_FAILURES)}"
        )
    for kind in failures:
        if kind not in ALL_FAILURES:
            raise UsageError(
                f"failures={kind!r}: there is no such kind; there are {', '.join(ALL_FAILURES)}"
            )
    return tuple(failures)


def run_once(
    main: Main,
    gate: ChoiceGate,
    options: RunOptions,
    *,
    failures: Collection[str] = FAILURES,
    has_digest: bool = False,
    watchers: Collection[Any] = (),
    prepare: Callable[[ExploredWorld], object] | None = None,
    kept: KeptWorld[ExploredWorld] | None = None,
) -> Ran:
    """Run a program once under a gate.

    Args:
        main: The coroutine function.
        gate: What answers.
        options: Of the run, without a world.
        failures: What counts as one.
        has_digest: Whether the run has a digest, which costs a part of its time.
        watchers: Told of each step beside.
        prepare: Called with the world before the run.
        kept: Gives the world, made by the same options; a new one if None.
    """
    if kept is None:
        world = ExploredWorld(gate, **options.of_world())
        options.set_limits(world)
    else:
        world = kept.take(gate)
    digest = Digest() if has_digest else None
    all_watchers = [*watchers] if digest is None else [digest, *watchers]
    for watcher in all_watchers:
        world.watch(watcher)
    if prepare is not None:
        prepare(world)
    looks = world.left_behind if "left" in failures else None
    value, error = None, None
    coro = main()
    if not isinstance(coro, Coroutine):
        raise UsageError(
            f"the program {main!r} returned {type(coro).__qualname__} and no coroutine: an"
            " exploration takes a coroutine function, async def main(): ..."
        )
    with Disturbed(world.kernel.limits):
        try:
            value = run_in(world, coro, options, on_done=looks)
        except KeyboardInterrupt:
            raise
        except BaseException as caught:  # noqa: BLE001 - whatever ended the program is its outcome
            error = caught
    world.is_over()
    if gate.error is not None:
        coro.close()  # It may not have begun.
        raise gate.error
    for watcher in all_watchers:
        world.unwatch(watcher)
    if digest is not None:
        digest.ended(value, error)
    kind, error = _judge(world, error, failures)
    return Ran(value, error, kind, world, None if digest is None else digest.hexdigest())


def _judge(
    world: ExploredWorld, error: BaseException | None, failures: Collection[str]
) -> tuple[str | None, BaseException | None]:
    """Return what sort of failure a run is, if it is one that counts, and its error."""
    if error is not None and not _is_clean_exit(error):
        kind = _kind_of(error)
        return (kind, error) if kind in failures else (None, None)
    for context in world.reports:
        kind, reported = _kind_of_report(context), context.get("exception")
        if kind in failures and reported is not None and not isinstance(reported, CancelledError):
            return kind, reported
    if world.left:
        text = "the program ended and left tasks behind:\n\n" + "\n\n".join(world.left)
        return "left", LeftBehindError(text)
    return None, None


class LeftBehindError(Exception):
    """The program ended while tasks of it still ran; only an exploration that asks looks for it."""


def _is_clean_exit(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in {None, 0}


def _kind_of(error: BaseException) -> str:
    if isinstance(error, DeadlockError):
        return "deadlock"
    return "limit" if isinstance(error, LimitError) else "error"


def _kind_of_report(context: dict[str, Any]) -> str:
    message = str(context.get("message", ""))
    is_lost = _NEVER_RETRIEVED in message or _OF_CLIENT in message
    return "unretrieved" if is_lost else "callback"
