"""Tests that run with many seeds: the range, which of them failed, and what is kept of that.

Owns: reading ``--simloop-seeds`` and the mark's ``seeds=``, the names of the tests that they make,
the seeds that failed the last time (in pytest's own cache, as ``--last-failed`` has its tests
there), and the lines that tell of them after a run.

Must not know: loops and worlds; it is loaded where several seeds were asked for, and not otherwise.

Invariants:

- A seed that failed is kept until it passes, whatever other seeds ran since.
- Kept seeds run first, of all tests together, also where another plugin shuffles: whoever mends a
  test learns at once whether it is mended.
"""

from __future__ import annotations

import os
import shlex
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["keep", "kept_first", "name_of", "read_range", "read_seeds", "tell_failed"]

_SEEDS_MAX = 100_000
"""More seeds than this are a slip of the finger: pytest makes a test of each before it runs one."""
_KEPT = "simloop/failing-seeds"
_SEED = "simloop_seed"
_ENDINGS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def read_seeds(marked: Any, nodeid: str) -> list[Any]:
    """Return the seeds of a test's mark, each once: numbers and words, or a range as a text.

    Raises:
        pytest.UsageError: They are no seeds, none, or too many.
    """
    if isinstance(marked, str):
        return read_range(marked, f"the mark simloop of {nodeid}: seeds")
    try:
        found = list(dict.fromkeys(islice(marked, _SEEDS_MAX + 1)))
    except TypeError:
        found = []
    if found and all(type(seed) in (int, str) for seed in found) and len(found) <= _SEEDS_MAX:
        return found
    raise pytest.UsageError(
        f"the mark simloop of {nodeid} got seeds={marked!r:.100}; it takes seeds, from one to"
        f' {_SEEDS_MAX:,}: range(50), [1, 5, "eight"], or "0-49"'
    )


def read_range(asked: str, source: str = "--simloop-seeds") -> list[int]:
    """Return the seeds of a range such as ``0-49`` or ``1,5,10-19``, each once.

    Raises:
        pytest.UsageError: It is no range, ends before it begins, or has too many seeds.
    """
    found: list[int] = []
    for part in asked.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else not last)):
            raise pytest.UsageError(
                f"{source}={asked}: {part!r} is no range of seeds; write 0-49, or 1,5,10-19"
            )
        if dash and int(last) < int(first):
            raise pytest.UsageError(f"{source}={asked}: {part!r} ends before it begins")
        if len(found) + int(last or first) - int(first) >= _SEEDS_MAX:
            raise pytest.UsageError(
                f"{source}={asked} makes more than {_SEEDS_MAX:,} tests of each one; give"
                " fewer seeds, or run one test with many schedules by --simloop-explore"
            )
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))


def name_of(seed: int | str) -> str:
    """Return how the name of a test tells its seed."""
    return f"seed{seed}"


def _without(seed: int | str, nodeid: str) -> str:
    """Return the name that a test has without its seed.

    Example:
        >>> _without(7, "test_shop.py::test_orders[seed7-eur]")
        'test_shop.py::test_orders[eur]'
    """
    path, colons, name = nodeid.partition("::")
    before, bracket, rest = name.partition("[")
    parts = rest.removesuffix("]").split("-")
    parts.remove(name_of(seed))
    return path + colons + before + (f"{bracket}{'-'.join(parts)}]" if parts else "")


def _cached(config: pytest.Config) -> dict[str, list[int | str]]:
    """Return the seeds that each test failed with; nothing where pytest keeps nothing."""
    if (cache := getattr(config, "cache", None)) is None:
        return {}
    found = cache.get(_KEPT, {})
    return found if isinstance(found, dict) else {}


def kept_first(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests before all others that failed with their seed the last time."""
    kept = _cached(config)

    def is_later(item: Any) -> bool:
        callspec = getattr(item, "callspec", None)
        if callspec is None or _SEED not in callspec.params:
            return True
        seed = callspec.params[_SEED]
        return seed not in kept.get(_without(seed, item.nodeid), ())

    items.sort(key=is_later)


# What came of it ----------------------------------------------------------------------------


class _Seeds:
    """Seeds of one test: those that ran, and those that failed with how to repeat them."""

    def __init__(self) -> None:
        self.ran: dict[int | str, None] = {}
        self.failed: dict[int | str, str] = {}


def _outcomes(stats: dict[str, list[Any]]) -> dict[str, _Seeds]:
    """Return what became of the seeds of each test that failed with one, by pytest's reports."""
    found: dict[str, _Seeds] = {}
    for ending in _ENDINGS:
        for report in stats.get(ending, ()):
            seed = dict(getattr(report, "user_properties", ())).get(_SEED)
            if seed is None:
                continue
            seeds = found.setdefault(_without(seed, report.nodeid), _Seeds())
            seeds.ran[seed] = None
            if ending in ("failed", "error"):
                seeds.failed[seed] = report.nodeid
    return found


def keep(config: pytest.Config, stats: dict[str, list[Any]]) -> None:
    """Keep the seeds that failed, and forget those that pass by now."""
    if (cache := getattr(config, "cache", None)) is None:
        return
    kept = _cached(config)
    for test, seeds in _outcomes(stats).items():
        before = [seed for seed in kept.pop(test, ()) if seed not in seeds.ran]
        if after := [*before, *seeds.failed]:
            kept[test] = sorted(after, key=_by_number)
    cache.set(_KEPT, kept)


def tell_failed(config: pytest.Config, stats: dict[str, list[Any]]) -> Iterable[str]:
    """Yield two lines for each test that failed with some of its seeds: how many, and the first."""
    for test, seeds in sorted(_outcomes(stats).items()):
        if not seeds.failed:
            continue
        first = min(seeds.failed, key=_by_number)
        path, colons, name = seeds.failed[first].partition("::")
        path = os.path.relpath(config.rootpath / path, config.invocation_params.dir)
        many = f"{len(seeds.failed):,} of {len(seeds.ran):,} seeds"
        yield f"{test}: {many} failed, the first with {first}"
        line = f"pytest {shlex.quote(path + colons + name)}"
        if config.getoption("simloop_seeds") is not None:
            line += f" --simloop-seeds={first}"  # Else the test's mark has it.
        yield f"  replay: {line}"


def _by_number(seed: int | str) -> tuple[bool, int, str]:
    """Sort numbers before words."""
    return (False, seed, "") if isinstance(seed, int) else (True, 0, seed)
