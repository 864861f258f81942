"""How a workload is declared: a decorator on a coroutine function, or on a measurement.

The docstring of the function says what a unit is, in its first line after the colon; tables and
the documentation take it from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Stopwatch, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from benchmarks.contenders import Contender

    Body = Callable[[Stopwatch, int], Coroutine[Any, Any, None]]
    Measure = Callable[[Contender, int], float]

__all__ = ["WORKLOADS", "in_loop", "measured"]

WORKLOADS: dict[str, Workload] = {}
"""Every workload by name, in the order of the tables."""


def in_loop(count: int, *needs: str, **options: Any) -> Callable[[Body], Body]:
    """Declare a workload that is a coroutine; it starts and stops the watch itself.

    Args:
        count: How many units.
        *needs: Abilities that it needs beside a loop.
        **options: Further attributes of :class:`Workload`.
    """

    def declare(body: Body) -> Body:
        def run(contender: Contender, units: int) -> float:
            watch = Stopwatch()
            contender.run(body(watch, units))
            return watch.seconds

        _add(body, run, count, ("loop", *needs), options)
        return body

    return declare


def measured(count: int, *needs: str, **options: Any) -> Callable[[Measure], Measure]:
    """Declare a workload that measures a contender by itself."""

    def declare(body: Measure) -> Measure:
        _add(body, body, count, needs, options)
        return body

    return declare


def _add(
    body: Any, run: Measure, count: int, needs: tuple[str, ...], options: dict[str, Any]
) -> None:
    unit = (body.__doc__ or "").partition("\n")[0].partition(": ")[2].removesuffix(".")
    assert unit, f"the docstring of {body.__name__} must say what a unit is, after a colon"
    options.setdefault("tiny", max(1, count // 1000))
    WORKLOADS[body.__name__] = Workload(
        name=body.__name__, unit=unit, count=count, needs=needs, measure=run, **options
    )
