"""The seeds that are given to what runs a program with many.

Owns: reading them. Must not know: what is done with them.

Invariant: no more are taken than fit into memory: an iterator without end is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from simloop.errors import UsageError

__all__ = ["listed_seeds"]

_LISTED_MAX = 10_000_000


def listed_seeds(call: str, seeds: Any) -> Sequence[int | str]:
    """Return seeds as a sequence, each once; a range of any length stays what it is.

    Args:
        call: What they were given to, for the error.
        seeds: The seeds.

    Raises:
        UsageError: They are none, one of them is no seed, or they have no end.

    Example:
        >>> listed_seeds("check()", [7, 9, 7])
        [7, 9]
    """
    if isinstance(seeds, range):
        listed: Sequence[Any] = seeds
    else:
        is_iterable = isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes)
        listed = list(islice(seeds, _LISTED_MAX + 1)) if is_iterable else []
    if not listed:
        raise UsageError(f"{call} got seeds={seeds!r}; it takes some seeds: [7], or range(10)")
    if not isinstance(listed, range) and len(listed) > _LISTED_MAX:
        raise UsageError(
            f"{call} got seeds={seeds!r}, which are more than {_LISTED_MAX:,}; give so many as a"
            " range, range(10**9) say, and seconds= to end earlier"
        )
    for seed in () if isinstance(listed, range) else listed:
        if not isinstance(seed, int | str):
            raise UsageError(f"{call} got {seed!r} among seeds=; a seed is an integer or a string")
    return listed if isinstance(listed, range) else list(dict.fromkeys(listed))
