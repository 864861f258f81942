"""What the measurements have to show: the project's goals of speed, and whether they hold.

Owns: the numbers that are promised. A goal is told only where its peer was measured.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from .measuring import geometric_means

if TYPE_CHECKING:
    from collections.abc import Callable

    from .measuring import Row

__all__ = ["Goal", "judge"]

_FAST_ECHOES = ("tcp_echo_1", "tcp_echo_100", "tcp_echo_10k", "protocol_echo", "udp_ping_pong")
# What is measured for its size or its start, not for its work.
_APART = ("importing", "importing_engine")


@attrs.frozen
class Goal:
    """A promise in words, and whether it holds."""

    text: str
    is_met: bool


def judge(rows: list[Row]) -> list[Goal]:
    """Return the goals that these rows can tell about."""
    speed = [
        row
        for row in rows
        if row.workload.quantity == "seconds" and row.workload.name not in _APART
    ]
    goals = [
        _at_least(speed, "asyncio", 1.0),
        _at_least(speed, "solipsism", 1.2),
        _at_least(speed, "uvloop", 0.5),
        _at_least(speed, "uvloop", 2.0, lambda name: name in _FAST_ECHOES, "TCP and UDP echoes"),
        _at_least(speed, "uvloop", 10.0, lambda name: name == "loop_life", "loop_life"),
        _at_least(speed, "seedloop", 2.0, lambda name: name == "tiny_runs", "tiny_runs"),
        _at_least(rows, "asyncio", 1 / 1.3, lambda name: name == "importing", "importing"),
        _mean(speed, "uvloop", 1.5),
        *_of_counts(speed, "uvloop"),
    ]
    return [goal for goal in goals if goal is not None]


def _at_least(
    rows: list[Row],
    peer: str,
    least: float,
    wanted: Callable[[str], bool] = lambda _: True,
    what: str = "every row",
) -> Goal | None:
    ratios = {
        row.workload.name: row.ratio(peer) or math.nan
        for row in rows
        if peer in row.ratios and wanted(row.workload.name)
    }
    if not ratios:
        return None
    below = {name: ratio for name, ratio in ratios.items() if ratio < least}
    misses = ", ".join(f"{name} {ratio:.2f}" for name, ratio in below.items())
    lowest = min(ratios, key=ratios.__getitem__)
    found = misses or f"lowest: {lowest} {ratios[lowest]:.2f}"
    return Goal(f"at least {least:.3g} against {peer}, {what} ({found})", not below)


_OF_TURNS = (
    *("call_soon_chain", "call_soon_burst", "timers_random", "timers_far", "timers_cancelled"),
    *("sleeps_1k", "sleeps_100k", "sleep_zero", "queue_ping_pong", "tasks_created", "task_groups"),
    "timeouts",
)
"""Rows of callbacks, timers and tasks: nothing but turns of the loop."""


def _of_counts(rows: list[Row], peer: str) -> list[Goal]:
    """Return the goals of instructions, which are those of the pure engine."""
    ratios = {row.workload.name: row.counted_ratio(peer) for row in rows}
    counted = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    below = {name: ratio for name, ratio in counted.items() if name in _OF_TURNS and ratio < _TURNS}
    if not counted:
        return []
    misses = ", ".join(f"{name} {ratio:.2f}" for name, ratio in below.items()) or "none is below"
    mean = math.prod(counted.values()) ** (1 / len(counted))
    return [
        Goal(
            f"instructions: at least {_TURNS} of {peer}, every row of turns ({misses})", not below
        ),
        Goal(
            f"instructions: a geometric mean of at least 1 against {peer} ({mean:.2f})", mean >= 1
        ),
    ]


_TURNS = 0.6


def _mean(rows: list[Row], peer: str, least: float) -> Goal | None:
    mean = geometric_means(rows).get(peer)
    if mean is None:
        return None
    return Goal(
        f"a geometric mean of at least {least:.3g} against {peer} ({mean:.2f})", mean >= least
    )
