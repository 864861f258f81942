"""Ranges of numbers are the set of these numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simloop.sweeps.ranges import Ranges

RANGE = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda it: (it[0], it[0] + it[1]))


@given(st.lists(RANGE, max_size=20), RANGE, st.integers(0, 80))
def test_ranges_are_a_set(added, asked, number):
    """After any additions: what is new, what is there, what is missing, and where a gap begins."""
    ranges, model = Ranges(), set()
    for first, end in added:
        numbers = set(range(first, end))
        assert ranges.add(first, end) == len(numbers - model)
        model |= numbers
        ranges.check()
    assert ranges.count == len(model)
    assert [each for first, end in ranges for each in range(first, end)] == sorted(model)
    missing = [each for first, end in ranges.missing(*asked) for each in range(first, end)]
    assert missing == sorted(set(range(*asked)) - model)
    while number in model:
        assert ranges.end_of(number) > number
        number += 1
    assert ranges.end_of(number) == number
