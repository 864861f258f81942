"""Seconds and nanoseconds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simloop._kernel import NEVER, nanoseconds, seconds


@given(st.integers(-(10**15), 10**15))
def test_decimals_with_nine_places_are_exact(count_ns: int) -> None:
    """A float written with nanosecond digits is that many nanoseconds, both ways."""
    assert nanoseconds(count_ns / 1e9) == count_ns
    assert seconds(count_ns) == count_ns / 1e9


@given(st.floats(1e-12, 1e6))
def test_a_timer_never_fires_early(delay: float) -> None:
    """The time after a delay is not before it, but for the noise of floats."""
    assert seconds(nanoseconds(delay)) >= delay * (1 - 1e-12) - 2e-12


@given(st.floats(1e-300, 1e-9, exclude_min=True))
def test_a_positive_delay_takes_time(delay: float) -> None:
    """However small a delay is, it is at least a nanosecond, so that waiting loops end."""
    assert nanoseconds(delay) == 1


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_sums_of_decimals_do_not_drift(thousandths: list[int]) -> None:
    """The noise that adding decimals leaves is no fraction of a nanosecond."""
    total = sum(each / 1000 for each in thousandths)
    assert nanoseconds(total) == sum(thousandths) * 10**6


def test_infinity_is_never() -> None:
    """Infinite and unreachable times are NEVER, and NEVER is infinite again."""
    assert nanoseconds(math.inf) == NEVER
    assert nanoseconds(-math.inf) == -NEVER
    assert nanoseconds(1e300) == NEVER
    assert nanoseconds(1e35) == NEVER
    assert seconds(NEVER) == math.inf
    assert seconds(-NEVER) == -math.inf


def test_not_a_number_is_refused() -> None:
    """NaN is refused in asyncio's words."""
    with pytest.raises(ValueError, match=r"Invalid delay: NaN \(not a number\)"):
        nanoseconds(math.nan)
