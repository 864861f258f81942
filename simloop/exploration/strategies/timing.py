"""The strategy "timing": what processor and operating system do to a program, drawn per run.

Owns: the distribution. Each run draws how likely each kind of delay is, how long delays are, and
whether files differ; within a run delays are independent. The values and their weights are
measured: fitted on half of a corpus of 49 bugs of asyncio programs, they find those of the other
half as fast.

What helps, in order: lengths within one decade below the run's scale; scales of a few times the
program's own gaps (a delay must outlast the neighbouring timer); high probabilities, each of which
is also 0 in a part of the runs (delays everywhere hide the bugs that need two timers apart); exact
codes ("until the next deadline") in about half of the draws; arrivals in another order.

Must not know: programs.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from simloop._kernel.gate import RANKS, log_code
from simloop.exploration.gates import Kinds

from .sparse import Sparse
from .strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from .strategy import Measure

__all__ = ["Timing", "delay_code"]

_NS = 1_000_000_000
_SCALE_MAX_NS = 30 * _NS
_GAP_MAX_NS = 60 * _NS
"""Longer gaps are a program's pauses, not its rhythm."""


def _table(values: tuple[Any, ...], weights: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a hundred values, each as often as its weight says, so that one index draws one."""
    table = tuple(chain.from_iterable(map(repeat, values, weights)))
    assert len(table) == _HUNDRED
    return table


_HUNDRED = 100

# Each parameter of a run: its values, and how often each is drawn.
_STALL = _table((0.0, 0.05, 0.2, 0.5), (30, 20, 15, 35))
_LATE = _table((0.0, 0.1, 0.3, 0.7), (15, 25, 25, 35))
_HOLD = _table((0.0, 0.1, 0.3, 0.7, 1.0), (10, 15, 20, 25, 30))
_CPU = _table((0.0, 0.05, 0.3), (85, 8, 7))
_SCALE = _table(
    ("gap", "10 gaps", "whole / 5", "whole", "5 whole", 0.001, 0.01, 0.1, 1.0, 10.0),
    (5, 25, 3, 7, 20, 2, 3, 15, 10, 10),
)
_EXACT = _table((0.0, 0.4, 0.9), (20, 50, 30))
_NEXT = _table((0.9, 0.5), (40, 60))  # How likely it is that a rank is no higher.
_PAST = _table((0.0, 0.5), (50, 50))
_ORDER = _table(("as they are", "last first", "random"), (30, 35, 35))
_SPLIT = _table((0.0, 0.3), (70, 30))
_OWN = _table((False, True), (50, 50))  # Whether each file has a class of its own.
_LOW = _table((1e-6, 0.1), (20, 80))
_CHOICE = _table((0.0, 0.3, 0.9), (25, 35, 40))
_SHAPE = 0.75  # That a fault is not of the plainest shape, where it is drawn at all.
_PREEMPT = _table((0.0, 0.5, 1.0), (50, 15, 35))
_TOGETHER = _table((False, True), (50, 50))  # Whether threads start as they are told to.
_INSTANT_NS = 100_000  # How long threads that start together are held at most.
_SLEEP = _table((0.0, 0.3, 1.0), (20, 40, 40))


def delay_code(rng: Any, scale_ns: float, low: float) -> int:
    """Return a code of the log scale, evenly drawn from ``low`` times the scale up to the scale."""
    return int(rng.randint(log_code(scale_ns * low), log_code(scale_ns)))


class Timing(Strategy):
    """Delays, reordered arrivals and split reads, as a real system has them."""

    name = "timing"
    names_things = False
    is_in_order = False

    def __init__(self, *, sleeps: bool = False) -> None:
        self._has_sleeps = sleeps
        self._gaps_ns: Sequence[int] = ()
        self._whole_ns = _NS
        self._p: dict[str, float] = {}
        self._plain: dict[str, float] = {}  # Of delays that are alike for all things.
        self._classes: dict[object, tuple[float, float]] = {}
        self._faults: dict[object, bool] = {}
        self._sparse = Sparse()
        self._few: dict[int, int] | None = None  # Of a sparse run: its deviations, by position.
        self._position = 0
        self._is_together = False
        self._held_ns: float = _NS
        self._codes: dict[float, tuple[int, int]] = {}  # Of each scale: the first, and how many.
        self._all_kinds: Container[str] = Kinds(self._off(("ready", "cpu")))
        self.kinds: Container[str] = self._all_kinds

    def _off(self, kinds: Sequence[str]) -> tuple[str, ...]:
        off = tuple(kinds)
        return off if self._has_sleeps or "sleep" in off else (*off, "sleep")

    def measured(self, measure: Measure) -> None:
        """Take the program's gaps as the scale of delays."""
        self._gaps_ns = [gap for gap in measure.gaps_ns if gap < _GAP_MAX_NS] or [_NS // 100]
        self._whole_ns = sum(self._gaps_ns)
        self._sparse.measured(measure)

    def begin(self, number: int) -> bool:
        """Draw what the run is like."""
        is_sparse = self._sparse.has_turn(number)
        draw = self.random.random  # One value of each table, without a call of ours for each.
        while True:
            stall = _STALL[int(_HUNDRED * draw())]
            late = _LATE[int(_HUNDRED * draw())]
            hold = _HOLD[int(_HUNDRED * draw())]
            if stall or late or hold:
                break
        self._scale_ns = self._draw_scale()
        self._exact = _EXACT[int(_HUNDRED * draw())]
        self._next = _NEXT[int(_HUNDRED * draw())]
        self._past = _PAST[int(_HUNDRED * draw())]
        self._order = _ORDER[int(_HUNDRED * draw())]
        self._low = _LOW[int(_HUNDRED * draw())]
        self._has_classes = _OWN[int(_HUNDRED * draw())]
        self._classes.clear()
        self._faults.clear()
        self._codes.clear()
        split = _SPLIT[int(_HUNDRED * draw())]
        choice = _CHOICE[int(_HUNDRED * draw())]
        cpu = _CPU[int(_HUNDRED * draw())]
        sleep = _SLEEP[int(_HUNDRED * draw())]
        held = max(hold, 0.2)
        self._p = p = {
            "hold": hold, "job": held, "done": held, "name": held, "exit": held, "signal": held,
            "stall": stall, "late": late, "cpu": cpu, "split": split, "short": split,
            "choice": choice, "buggify": choice, "cut": choice / 3, "sleep": sleep,
            "fault.shape": _SHAPE,
        }  # fmt: skip
        self._plain = plain = {
            "late": late, "stall": stall, "name": held, "exit": held, "signal": held,
            "cpu": cpu, "sleep": sleep,
        }  # fmt: skip
        if not self._has_classes:
            plain.update(hold=hold, job=held, done=held)
        self._is_together = False
        if self._sparse.has_threads:
            self._draw_of_threads()
        off = [kind for kind, probability in p.items() if not probability]
        if self._order == "as they are":
            off.append("order")
        self.kinds = Kinds(self._off((*off, "ready")))
        self._few = None
        if at := self._sparse.one_late(number):
            self.kinds, self._position = self._all_kinds, 0
            self._few = {at: RANKS + 1}
        elif is_sparse:
            self.kinds, self._position = self._all_kinds, 0
            self._few = self._sparse.draw(self.random, self._code_of_few)
        return True

    def _draw_of_threads(self) -> None:
        """Draw how likely threads are preempted, and how long they stand still."""
        draw = self.random.random
        self._p["preempt"] = p = _PREEMPT[int(_HUNDRED * draw())]
        self._held_ns = self._scale_ns
        self._is_together = bool(p) and _TOGETHER[int(_HUNDRED * draw())]
        if self._is_together:
            self._held_ns = min(self._scale_ns, _INSTANT_NS)
            for kind in ("job", "done"):
                self._plain.pop(kind, None)

    def _draw_scale(self) -> float:
        scale = _SCALE[int(_HUNDRED * self.random.random())]
        if isinstance(scale, str):
            gap_ns = self.random.choice(self._gaps_ns) if self._gaps_ns else _NS // 100
            scale_ns: float = {
                "gap": gap_ns,
                "10 gaps": 10 * gap_ns,
                "whole / 5": self._whole_ns / 5,
                "whole": self._whole_ns,
                "5 whole": 5 * self._whole_ns,
            }[scale]
        else:
            scale_ns = scale * _NS
        return max(1000.0, min(scale_ns, _SCALE_MAX_NS))

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Draw one answer."""
        if self._few is not None:
            self._position += 1
            return min(self._few.get(self._position, 0), options - 1)
        p = self._plain.get(kind)
        if p is None:
            return self._answer_of(kind, thing, options)
        return 0 if self.random.random() >= p else self._code(self._scale_ns)

    def _answer_of(self, kind: str, thing: object, options: int) -> int:
        """Draw an answer that is no delay, or one of a file that has a class of its own."""
        rng = self.random
        if kind == "order":
            return options - 1 if self._order == "last first" else rng.randrange(options)
        p = self._p.get(kind)
        if p is None and kind == "preempt":  # Drawn where there are threads, and nowhere else.
            self._draw_of_threads()
            p = self._p[kind]
        if p is None:  # A kind of the layers above: a fault, a choice of the program.
            p = self._p[kind] = rng.choice((0.0, 0.1, 0.3))
        if kind == "buggify":
            return self._fault(thing)
        if kind not in _OF_FILES:
            return rng.randrange(options) if rng.random() < p else 0
        if kind == "preempt" or (self._is_together and kind in _OF_THREADS):
            return 0 if rng.random() >= p else self._stretch(self._held_ns)
        p, scale_ns = self._class_of(kind, thing, p)
        return 0 if rng.random() >= p else self._code(scale_ns)

    def _code_of_few(self, longer: int) -> int:
        """Draw a delay of a run that has few of them."""
        if not longer:
            return self._code(self._scale_ns)
        return self._stretch(min(self._scale_ns * longer, _SCALE_MAX_NS))

    def _code(self, scale_ns: float) -> int:
        """Draw a delay of the run's lengths."""
        if self._exact and self.random.random() < self._exact:
            return self._rank()
        return self._stretch(scale_ns)

    def _stretch(self, scale_ns: float) -> int:
        """Draw a delay that is not until something is due: of a thread nothing may be."""
        # As delay_code, of a scale whose codes are looked for once in a run; what random.randint
        # draws is drawn without its two calls. Most deviations of most searches come by here.
        codes = self._codes.get(scale_ns)
        if codes is None:
            low = max(self._low, 1000 / scale_ns)
            first, last = log_code(scale_ns * low), log_code(scale_ns)
            codes = self._codes[scale_ns] = first, last + 1 - first
        return codes[0] + int(self.random._randbelow(codes[1]))  # type: ignore[attr-defined]

    def _rank(self) -> int:
        rng, rank = self.random, 1
        while rank < RANKS and rng.random() > self._next:
            rank += 1
        return rank + RANKS if rng.random() < self._past else rank

    def _fault(self, chance: Any) -> int:
        """Return 1 where a fault of the program happens: on or off by name, then by chance."""
        is_on = self._faults.get(chance)
        if is_on is None:
            is_on = self._faults[chance] = self.random.random() < 0.5  # noqa: PLR2004 - evenly
        return int(is_on and self.random.random() < getattr(chance, "p", 0.25))

    def _class_of(self, kind: str, thing: object, p: float) -> tuple[float, float]:
        """Return how likely and how long delays of one file or thread are in this run."""
        subject = self.name_of(kind, getattr(thing, "subject", thing))
        found = self._classes.get(subject)
        if found is None:
            rng = self.random
            scale_ns = self._scale_ns / 10 ** rng.choice((0, 0, 1, 2))
            found = rng.choice((0.0, 0.0, p, 1.0)), max(scale_ns, 1000.0)
            self._classes[subject] = found
        return found


_OF_THREADS = ("job", "done")
_OF_FILES = ("hold", "job", "done", "preempt")
