"""Seconds and nanoseconds."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simloop._kernel import (
    COARSE_NS,
    NEVER,
    date_seconds,
    deadline_ns,
    first_shown,
    nanoseconds,
    seconds,
    shown,
)


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


moments = st.one_of(
    st.floats(0, 1e6),
    st.floats(0, 1e10),
    st.floats(0, 1e17),
    st.integers(0, 10**9).map(lambda count: count / 1000),
    st.integers(20, 60).map(lambda bits: math.nextafter(2.0**bits, math.inf)),
    st.integers(20, 60).map(lambda bits: 2.0**bits),
)


@given(moments)
def test_a_deadline_is_the_first_nanosecond_that_shows_it(value: float) -> None:
    """At a float's deadline the clock shows it or a later one, and not a nanosecond before."""
    first = deadline_ns(value)
    assert seconds(first) >= value
    assert seconds(first - 1) < value


@given(moments.filter(lambda value: value * 10**9 > COARSE_NS))
def test_the_first_of_the_moments_that_show_a_float(value: float) -> None:
    """The quick way to it and the plain one give the same nanosecond."""
    assert first_shown(value) == shown(value)[0]


@given(st.one_of(st.integers(-(10**19), 10**20), st.integers(10**18, 3 * 10**18)))
def test_a_date_is_rounded_down(date_ns: int) -> None:
    """A date's float is the last one that is not later; the nearest where that tells no more."""
    found = date_seconds(date_ns)
    if abs(date_ns) < COARSE_NS:
        assert found == date_ns / 10**9
    else:
        exact = Fraction(date_ns, 10**9)
        assert Fraction(found) <= exact < Fraction(math.nextafter(found, math.inf))
