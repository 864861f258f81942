"""The clocks of ``time`` inside a run."""

from __future__ import annotations

import logging
import math
import os
import time
from time import monotonic as held_monotonic

import pytest

START_S = 1_704_067_200  # 2024-01-01T00:00:00Z


def default_argument(now=time.monotonic):
    return now()


class Holder:
    """Holds a clock as a class attribute."""

    now = time.perf_counter


@pytest.mark.parametrize("name", ["monotonic", "perf_counter", "time"])
def test_a_clock_follows(name, make, clock):
    """A clock counts virtual time, in float seconds and in whole nanoseconds."""
    base = START_S if name == "time" else 0
    with make():
        clock.now_ns = 1_500_000_000
        assert getattr(time, name)() == base + 1.5
        assert getattr(time, f"{name}_ns")() == base * 10**9 + 1_500_000_000


def test_held_references_follow(make, clock):
    """A clock that was imported by name, is a default or an attribute follows, too."""
    clock.now_ns = 2_000_000_000
    with make():
        assert (held_monotonic(), default_argument(), Holder.now()) == (2.0, 2.0, 2.0)


def test_clocks_by_number_follow(make, clock):
    """``clock_gettime`` tells the date for the wall clocks and the time of the world for others."""
    clock.now_ns = 250_000_000
    with make():
        assert time.clock_gettime(time.CLOCK_REALTIME) == START_S + 0.25
        assert time.clock_gettime(time.CLOCK_MONOTONIC) == 0.25
        assert time.clock_gettime_ns(time.CLOCK_REALTIME) == START_S * 10**9 + 250_000_000
        assert time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID) == time.process_time_ns()
        with pytest.raises(OSError, match="Invalid argument"):
            time.clock_gettime(12345)
    assert time.clock_gettime_ns(time.CLOCK_REALTIME) > (START_S + 1) * 10**9
    assert time.clock_gettime(time.CLOCK_REALTIME) > START_S + 1


def test_times_of_the_process_follow(make, clock):
    """``os.times`` tells the run's time, and what ``process_time`` does."""
    clock.now_ns = 2_500_000_000
    with make():
        times, used = os.times(), time.process_time()
    assert (times.user, times.system, times.elapsed) == (used, 0.0, 2.5)
    assert type(times) is os.times_result
    assert os.times().elapsed > 2.5


def test_sleep_moves_the_clock(make, clock):
    """``time.sleep`` takes no real time: it blocks the virtual clock for as long."""
    with make():
        time.sleep(3600)
        time.sleep(0.1)
        time.sleep(0)
        assert time.monotonic() == 3600.1
    assert clock.blocked_ns == [3600 * 10**9, 100_000_000, 0]


@pytest.mark.parametrize(
    ("duration", "error"),
    [(-1, ValueError), (math.nan, ValueError), (math.inf, OverflowError), ("1", TypeError)],
)
def test_sleep_refuses_what_the_real_one_refuses(duration, error, make, clock):
    """A length that the real ``sleep`` refuses is refused with the same error in a run."""
    with pytest.raises(error) as real:
        time.sleep(duration)
    with make(), pytest.raises(error) as ours:
        time.sleep(duration)
    assert str(ours.value) == str(real.value)
    assert clock.blocked_ns == []


def test_calendar_functions_follow(make, clock):
    """What converts "now" by default converts the run's now, and anything else as ever."""
    clock.now_ns = 90 * 86400 * 10**9 + 5
    now = START_S + 90 * 86400
    with make():
        assert time.gmtime() == time.gmtime(None) == time.gmtime(now)
        assert time.localtime() == time.localtime(now)
        assert time.ctime() == time.asctime() == time.ctime(now)
        assert time.strftime("%Y-%m-%d") == "2024-03-31"
        assert time.strftime("%Y", time.gmtime(0)) == "1970"
        assert time.asctime(time.gmtime(0)) == "Thu Jan  1 00:00:00 1970"


def test_calendar_functions_are_real_outside():
    """Without a run they convert the real now, and refuse what they refuse."""
    year = time.gmtime().tm_year
    assert year > 2024
    assert str(year) in time.ctime()
    assert str(year) in time.asctime()
    assert time.strftime("%Y") == str(time.localtime().tm_year)
    with pytest.raises(TypeError):
        time.strftime()


def test_log_records_follow(make, clock):
    """A log record is created at the run's time, relative to the world's start."""
    clock.now_ns = 2_000_000_000
    with make():
        record = logging.makeLogRecord({})
    assert record.created == START_S + 2
    assert record.relativeCreated == 2000.0
    assert logging.makeLogRecord({}).relativeCreated < 1e9


def test_floats_are_the_nearest(make, clock):
    """A float answer is the float nearest to the integer clock, far from the start as well."""
    clock.now_ns = 10**17 + 1
    with make():
        assert time.monotonic() == (10**17 + 1) / 10**9
        assert time.monotonic_ns() == 10**17 + 1
