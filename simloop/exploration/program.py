"""The program that is explored: a coroutine function, called anew for each schedule.

Owns: refusing what is none, the program's name, and running it under gates of one kind or another.

Must not know: strategies.

Invariant: each run has a world of its own, made by the same options, or one that equals it: the
runs of a search take turns in one that is kept. A run that is told of has a fresh one.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simloop._sandbox import collect, collect_between_runs, sealed
from simloop.errors import UsageError
from simloop.exploration.sweeping.kept_world import KeptWorld
from simloop.world.run_options import RunOptions
from simloop.world.running import refuse_running_loop

from .explored_run import FAILURES, ExploredWorld, Ran, run_once
from .gates import Kinds, RecordingGate, TellingGate, search_gate
from .strategies.eligible import permute_ready
from .strategies.strategy import Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator, Mapping

    from simloop._kernel.gate import ChoiceGate

    from .delays import Delays
    from .explored_run import Main
    from .gates import Key
    from .strategies.strategy import Strategy

__all__ = ["STEPS_MAX", "Program", "checked_main", "kinds_asked", "name_of", "quiet"]

STEPS_MAX = 200_000
"""How many steps a run may take where nothing else was asked for: a program that a delay sends into
a loop that polls for ever must end, and that it does not by itself is a finding."""

_IN_A_THREAD = (
    "it makes runs of its own, so call it in a plain function, or give it a thread:"
    " await asyncio.to_thread(simloop.{}, main)"
)

_FOREIGN = {
    "world": "each schedule has a world of its own; give its options instead",
    "realtime": "an exploration runs as fast as it goes",
}


def kinds_asked(delays: Delays, *, permuted: bool) -> Container[str]:
    """Return the kinds that a named run asks: all, so that names do not depend on what is asked."""
    if permuted:
        return ("ready", "choice", "buggify", "cut")
    return Kinds(("ready",) if delays.sleeps else ("ready", "sleep"))


class Program:
    """A coroutine function and how it is run.

    Args:
        main: The coroutine function.
        options: Those of ``simulate`` that were given.
        delays: The caps of delays.
        failures: What counts as a failure.
        call: What it was given to, for messages.
        name: What reports call it; ``module:function`` if None.

    Raises:
        UsageError: It takes arguments, or is no function, or an option is not known.
    """

    def __init__(
        self,
        main: Any,
        options: Mapping[str, Any],
        delays: Delays,
        *,
        failures: Collection[str] = FAILURES,
        call: str = "explore()",
        name: str | None = None,
    ) -> None:
        refuse_running_loop(call, _IN_A_THREAD.format(call.removesuffix("()")))
        self.main: Main = checked_main(main, call)
        self.given: dict[str, Any] = dict(options)
        given = {"max_steps": STEPS_MAX, **options}
        self.options: RunOptions = RunOptions.of(call, given, foreign=_FOREIGN)
        self.delays = delays
        self.failures: tuple[str, ...] = tuple(failures)
        self.name: str = name_of(self.main) if name is None else name
        function = self.name.rpartition(":")[2].rpartition(".")[2] or "main"
        # What a person does to see a failure again; the token takes the place of {token}.
        self.replay_line: str = f'simloop.replay({function}, "{{token}}")'
        given_world = self.options.of_world()
        self._kept: KeptWorld[ExploredWorld] = KeptWorld(
            lambda gate: ExploredWorld(gate, **given_world), ExploredWorld.renew_for, self.options
        )

    def with_steps(self, most: int) -> Program:
        """Return the same program, whose runs take fewer steps."""
        shorter = copy.copy(self)
        shorter.options = self.options._replace(max_steps=most)
        return shorter

    def search(
        self, strategy: Strategy, answer: Any, *, watchers: Collection[Any] = ()
    ) -> tuple[Ran, ChoiceGate]:
        """Run under a strategy, keeping positions only."""
        gate = search_gate(answer, strategy.kinds, self.delays)
        strategy.name_of = gate.name_of
        ran = self._run(gate, permuted=strategy.is_stricter, watchers=watchers, kept=self._kept)
        return ran, gate

    def search_told(
        self, strategy: Strategy, answer: Any, tell: Callable[[Key, int], object]
    ) -> tuple[Ran, ChoiceGate]:
        """Run under a strategy, and tell each deviation before it has an effect."""
        gate = TellingGate(answer, strategy.kinds, self.delays, tell)
        strategy.name_of = gate.name_of
        return self._run(gate, permuted=strategy.is_stricter), gate

    def repeat(
        self, tape: Mapping[int, int], kinds: Container[str], *, permuted: bool
    ) -> tuple[Ran, RecordingGate]:
        """Run again by positions, with names and a digest."""
        gate = RecordingGate(lambda _, at, __: tape.get(at, 0), kinds, self.delays)
        return self._run(gate, permuted=permuted, has_digest=True), gate

    def play(
        self,
        pick: Callable[[Key, int, int], int],
        *,
        permuted: bool = False,
        has_digest: bool = False,
        watchers: Collection[Any] = (),
        prepare: Callable[[ExploredWorld, RecordingGate], object] | None = None,
    ) -> tuple[Ran, RecordingGate]:
        """Run by keys."""
        gate = RecordingGate(pick, kinds_asked(self.delays, permuted=permuted), self.delays)
        ran = self._run(
            gate,
            permuted=permuted,
            has_digest=has_digest,
            watchers=watchers,
            prepare=None if prepare is None else lambda world: prepare(world, gate),
        )
        return ran, gate

    def measure(self, strategy: Strategy) -> tuple[Ran, Measure]:
        """Run undisturbed, with what a strategy wants to know of it."""
        gate = _FirstGate(strategy, self.delays)
        strategy.name_of = gate.name_of
        clock = _Clock()

        def prepare(world: ExploredWorld) -> None:
            gate.clock = lambda: world.time_ns

        ran = self._run(
            gate,
            permuted=strategy.is_stricter,
            has_digest=True,
            watchers=(clock,),
            prepare=prepare,
        )
        measure = Measure(
            gaps_ns=tuple(clock.gaps_ns),
            time_ns=ran.world.time_ns,
            steps=ran.world.steps,
            points=tuple(gate.points or ()),
        )
        return ran, measure

    def _run(
        self,
        gate: ChoiceGate,
        *,
        permuted: bool,
        has_digest: bool = False,
        watchers: Collection[Any] = (),
        prepare: Callable[[ExploredWorld], object] | None = None,
        kept: KeptWorld[ExploredWorld] | None = None,
    ) -> Ran:
        def prepare_all(world: ExploredWorld) -> None:
            if permuted:
                permute_ready(world.kernel)  # type: ignore[arg-type]  # of an explored world
            if permuted or isinstance(gate, RecordingGate):
                # So that tasks have the same names, watched or not; strategies that permute tell
                # them apart by these.
                world.mark_tasks()
            if prepare is not None:
                prepare(world)

        if kept is None:
            collect_between_runs()
        return run_once(
            self.main,
            gate,
            self.options,
            failures=self.failures,
            has_digest=has_digest,
            watchers=watchers,
            prepare=prepare_all,
            kept=kept,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Seal the process once for many runs, and ignore warnings of what they leave open.

    A run that fails in its middle closes nothing. What such runs leave is collected before the
    warnings count again.
    """
    with warnings.catch_warnings(), sealed():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            collect()


class _FirstGate(RecordingGate):
    """The gate of the undisturbed run, which shows a strategy what it will be asked."""

    __slots__ = ("_observe",)

    def __init__(self, strategy: Strategy, delays: Delays) -> None:
        super().__init__(lambda *_: 0, strategy.kinds, delays, keeps_points=True)
        self._observe = strategy.observe

    def put(self, kind: str, thing: object, options: int) -> int:
        """Return 0."""
        try:
            self._observe(kind, thing, options)
        except BaseException as error:
            self.error = error
            raise
        return super().put(kind, thing, options)


class _Clock:
    """An observer that notes by how much the clock jumps."""

    def __init__(self) -> None:
        self.gaps_ns: list[int] = []
        self._at_ns = 0

    def step(self, now_ns: int, handle: object) -> None:
        """Note the time of a step."""
        del handle
        if now_ns > self._at_ns:
            self.gaps_ns.append(now_ns - self._at_ns)
            self._at_ns = now_ns


def name_of(main: Any) -> str:
    """Return the name of a program, ``module:function``."""
    while hasattr(main, "func"):  # functools.partial
        main = main.func
    name = getattr(main, "__qualname__", type(main).__qualname__)
    return f"{getattr(main, '__module__', '?')}:{name}"


def checked_main(main: Any, call: str) -> Main:
    """Return a coroutine function that takes no arguments.

    Raises:
        UsageError: It is something else.
    """
    if inspect.iscoroutine(main):
        main.close()
        raise UsageError(
            f"{call} got a coroutine, which can run once; give the function:"
            f" {main.__name__} in place of {main.__name__}()"
        )
    if not callable(main):
        raise UsageError(f"{call} takes a coroutine function, which it calls itself, not {main!r}")
    try:
        inspect.signature(main).bind()
    except TypeError:
        raise UsageError(
            f"{call} calls the program without arguments, and {name_of(main)} takes"
            f" {inspect.signature(main)}; wrap it: functools.partial(main, ...)"
        ) from None
    except ValueError:
        pass  # A callable without a signature.
    return main  # type: ignore[no-any-return]
