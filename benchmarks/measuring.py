"""Measuring: rounds in turn, costs, and paired ratios.

Owns: the order of measurements and what is made of them. A cost is what a workload answers for its
whole count: seconds, or bytes for workloads of memory. Ratios are peer by subject of one round.

Must not know: what a workload does, or how results are shown.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from statistics import geometric_mean, median
from typing import TYPE_CHECKING, Literal

import attrs

from simloop._sandbox.asyncio_ import future_hashes as hashes
from simloop._sandbox.time import real_clock

from .contenders import BARE, SUBJECT
from .instructions import count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .contenders import Contender

__all__ = [
    "Row",
    "Stopwatch",
    "Workload",
    "as_alone",
    "counted_means",
    "geometric_means",
    "measure",
]


class Stopwatch:
    """Adds up real seconds spent in its context, inside of a simulated run, too."""

    _marks: tuple[Callable[[], object], Callable[[], object]] | None = None

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    @classmethod
    @contextmanager
    def marked(cls, begins: Callable[[], object], ends: Callable[[], object]) -> Iterator[None]:
        """Have all stopwatches call a function when they begin, and another when they end."""
        cls._marks = begins, ends
        try:
            yield
        finally:
            cls._marks = None

    def __enter__(self) -> None:
        self._began = real_clock.perf_counter()
        if self._marks is not None:
            self._marks[0]()

    def __exit__(self, *_error: object) -> None:
        if self._marks is not None:
            self._marks[1]()
        self.seconds += real_clock.perf_counter() - self._began


@attrs.frozen
class Workload:
    """A small program that is measured.

    Attributes:
        name: What the tables call it.
        unit: What one unit is, in words.
        count: How many units a measurement takes.
        tiny: How many will do to see that it works.
        needs: The abilities that a contender must have.
        measure: Runs ``count`` units on a contender and returns the cost of all.
        floor: Does the same Python work without a loop.
        rounds_max: How often it is measured at most.
        quantity: What its cost is: seconds or bytes.
    """

    name: str
    unit: str
    count: int
    tiny: int
    needs: tuple[str, ...]
    measure: Callable[[Contender, int], float]
    floor: Callable[[int], object] | None = None
    rounds_max: int = 9
    quantity: Literal["seconds", "bytes"] = "seconds"


@attrs.frozen
class Row:
    """What was measured of one workload.

    Attributes:
        workload: Which.
        count: How many units each measurement took.
        costs: Cost of one unit, by contender: the median of the rounds.
        ratios: A peer's cost by the subject's, by peer, one for each round.
        instructions: How many one unit takes, by contender, where they were counted.
    """

    workload: Workload
    count: int
    costs: dict[str, float]
    ratios: dict[str, list[float]]
    instructions: dict[str, float] = attrs.field(factory=dict)

    def ratio(self, peer: str) -> float | None:
        """Return the median ratio of a peer, None if it can't do the workload."""
        return median(self.ratios[peer]) if peer in self.ratios else None

    def counted_ratio(self, peer: str) -> float | None:
        """Return a peer's instructions by the subject's, None if they were not counted."""
        own, theirs = self.instructions.get(SUBJECT), self.instructions.get(peer)
        return theirs / own if own and theirs else None


def measure(
    workload: Workload,
    contenders: Iterable[Contender],
    *,
    rounds: int = 5,
    tiny: bool = False,
    counted: bool = False,
) -> Row:
    """Measure a workload on every contender that can do it, in turn, round after round.

    Args:
        workload: The workload.
        contenders: Who is measured.
        rounds: How often.
        tiny: Whether a few units, once, will do.
        counted: Whether instructions are counted, too.
    """
    count = workload.tiny if tiny else workload.count
    rounds = 1 if tiny else min(rounds, workload.rounds_max)
    costs: dict[str, list[float]] = {}
    able = [contender for contender in contenders if contender.can(workload.needs)]
    for _ in range(rounds):
        for contender in able:
            gc.collect()
            with as_alone(contender):
                cost = workload.measure(contender, count)
            costs.setdefault(contender.name, []).append(cost)
        if workload.floor is not None:
            gc.collect()
            costs.setdefault(BARE, []).append(_floor_cost(workload.floor, count))
    subject = costs.get(SUBJECT, [])
    ratios = {
        peer: [cost / base for cost, base in zip(found, subject, strict=True) if base]
        for peer, found in costs.items()
        if subject and peer != SUBJECT
    }
    return Row(
        workload,
        count,
        {name: median(found) / count for name, found in costs.items()},
        {peer: found for peer, found in ratios.items() if found},
        _instructions(workload, costs, count) if counted else {},
    )


def _instructions(workload: Workload, names: Iterable[str], count: int) -> dict[str, float]:
    if workload.quantity != "seconds":
        return {}
    found = {name: count_of(workload.name, name, count, tiny=workload.tiny) for name in names}
    return {name: each for name, each in found.items() if each is not None}


@contextmanager
def as_alone(contender: Contender) -> Iterator[None]:
    """Undo for a peer the one thing that simloop leaves in a process: how futures hash."""
    if contender.name == SUBJECT:
        yield
        return
    hashes.unsettle()
    try:
        yield
    finally:
        hashes.settle()


def _floor_cost(floor: Callable[[int], object], count: int) -> float:
    watch = Stopwatch()
    with watch:
        floor(count)
    return watch.seconds


def geometric_means(rows: Iterable[Row]) -> dict[str, float]:
    """Return the geometric mean of the median ratios of each peer, over rows that cost time."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.workload.quantity == "seconds":
            for peer, ratios in row.ratios.items():
                found.setdefault(peer, []).append(median(ratios))
    return {peer: geometric_mean(ratios) for peer, ratios in found.items()}


def counted_means(rows: Iterable[Row]) -> dict[str, float]:
    """Return the geometric mean of the ratios of instructions of each peer."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for peer in row.instructions:
            ratio = row.counted_ratio(peer)
            if peer != SUBJECT and ratio is not None:
                found.setdefault(peer, []).append(ratio)
    return {peer: geometric_mean(ratios) for peer, ratios in found.items()}
