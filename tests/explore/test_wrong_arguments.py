"""What a call can't mean is told at the call, in one line: what, the value and the way out."""

from __future__ import annotations

import pytest

import simloop


async def main() -> None:
    raise ValueError("found")


WRONG = {
    "check's runs": lambda: simloop.check(main, runs="x"),
    "no runs": lambda: simloop.check(main, runs=None),
    "no kinds": lambda: simloop.explore(main, schedules=2, failures=None),
    "an empty list of kinds": lambda: simloop.explore(main, schedules=2, failures=[]),
    "a number for schedules": lambda: simloop.explore(main, schedules=2, first=1),
    "a number for names": lambda: simloop.simulate(main, allow=5),
    "a flag for names": lambda: simloop.simulate(main, allow=True),
    "a name that is none": lambda: simloop.allow("netwrok"),
    "no file": lambda: simloop.Schedule.load(None),
    "a list for a setting": lambda: simloop.World().driver.sysctl[[]],
    "numbers for hosts": lambda: simloop.Faults(hosts=(1, 2)),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_told_at_the_call(call) -> None:
    """No error of Python's own from within, and no silence: an empty list would find nothing."""
    with pytest.raises(simloop.UsageError) as caught:
        call()
    assert "\n" not in str(caught.value)
