"""Seconds and nanoseconds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simloop._kernel import NEVER, nanoseconds, seconds, shown


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


@given(
    st.one_of(st.integers(-(10**15), 10**20), st.integers(2**52, 2**54)), st.sampled_from([0, 9])
)
def test_a_float_stands_for_all_moments_that_it_shows(value_ns: int, places: int) -> None:
    """The first and the last of them show it, and those beside them show another."""
    value = round(seconds(value_ns), places)
    first, last = shown(value)
    assert seconds(first) == seconds(last) == value
    assert seconds(first - 1) < value < seconds(last + 1)


def test_where_floats_are_finer_a_moment_is_one() -> None:
    """A float between two nanoseconds stands for one of them; what is out of reach, for NEVER."""
    assert shown(0.1 + 0.2) == (300_000_000, 300_000_000)
    between = 5_000_000.0 + 2**-30  # Where one float in ten has no nanosecond of its own.
    for count in range(50):
        first, last = shown(between + count * 2**-30)
        assert first == last == nanoseconds(between + count * 2**-30)
    assert shown(math.inf) == (NEVER, NEVER)


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
