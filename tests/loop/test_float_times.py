"""Times as float seconds, of every magnitude: when callbacks run, and what the clocks show then."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simloop

# The world's start, a test's hours, the end of where floats tell nanoseconds apart, dates of today
# and far beyond.
MAGNITUDES = [0.0, 0.1, 3600.7, 1e6, 2.0**20, 2.0**23 - 1, 2.0**23, 1.7e9, 2.0**31, 1e12]
starts = st.one_of(
    st.sampled_from(MAGNITUDES),
    st.floats(0, 1e4),
    st.floats(0, 1e9),
    st.floats(1e9, 4e9),
    st.floats(0, 1e14),
)
delays = st.one_of(
    st.integers(1, 10**6).map(lambda thousandths: thousandths / 1000), st.floats(1e-9, 1e5)
)


@given(starts, st.lists(delays, min_size=1, max_size=8))
def test_a_callback_never_sees_the_time_before_its_own(start, delays) -> None:
    """``time()`` and ``monotonic()`` are at least what ``call_at`` was given, and ``when()``."""
    seen = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for delay in delays:
            when, told = loop.time() + delay, loop.create_future()
            timer = loop.call_at(when, lambda: told.set_result((loop.time(), time.monotonic())))  # noqa: B023
            seen.append((when, timer.when(), *await told))

    simloop.run(main(), start_time=start)
    for when, shown_by_handle, by_loop, by_monotonic in seen:
        assert by_loop == by_monotonic >= when
        assert by_loop >= shown_by_handle
        assert by_loop - when <= max(2e-9, 2 * math.ulp(when))  # And not long after it.


@given(starts, st.lists(delays, min_size=1, max_size=8))
def test_time_never_goes_back(start, delays) -> None:
    """Timers set for noisy floats, sleeps and ``time()`` between them: each reading is not less."""

    async def main() -> list[float]:
        loop, seen = asyncio.get_running_loop(), []
        begin = loop.time()
        for delay in delays:
            loop.call_at(begin + delay, lambda: seen.append(loop.time()))
            loop.call_later(delay, lambda: seen.append(loop.time()))
        for delay in delays:
            await asyncio.sleep(delay)
            seen.append(loop.time())
        return seen

    seen = simloop.run(main(), start_time=start)
    assert seen == sorted(seen)


@given(starts, delays)
def test_run_until_runs_what_is_set_for_its_time(start, delay) -> None:
    """``run_until(t)`` runs ``call_at(t)`` and ``inject(t)``, which see no earlier time."""
    loop = simloop.SimLoop(start_time=start)
    when, seen = loop.time() + delay, []
    loop.call_at(when, lambda: seen.append(loop.time()))
    loop.inject(when, lambda: seen.append(loop.time()))
    loop.call_at(math.nextafter(when, math.inf) + 1, seen.append, None)
    loop.run_until(when)
    loop.close()
    assert len(seen) == 2
    assert min(seen) >= when


@pytest.mark.parametrize("inside", [False, True])
@given(starts, delays)
def test_advance_runs_what_is_set_for_as_long(inside, start, delay) -> None:
    """``advance(d)`` and ``run_for(d)`` run ``call_later(d)``."""
    loop = simloop.SimLoop(start_time=start, autojump=False)
    seen = []
    loop.call_later(delay, seen.append, "later")
    if inside:
        loop.run_until_complete(loop.advance(delay))
    else:
        loop.run_for(delay)
    loop.close()
    assert seen == ["later"]


@given(st.integers(0, 10**7), st.integers(1, 10**5))
def test_a_noisy_deadline_ends_with_the_sleep_of_its_length(start, thousandths) -> None:
    """Where floats are fine ``call_at(time() + d)`` and ``call_later(d)`` run as they were set."""
    loop = simloop.SimLoop(start_time=start / 1000)
    delay, seen = thousandths / 1000, []
    loop.call_at(loop.time() + delay, seen.append, "at")
    loop.call_later(delay, seen.append, "later")
    loop.call_at(loop.time() + delay, seen.append, "at")
    loop.run_for(delay)
    assert loop.time_ns() == (start + thousandths) * 10**6
    loop.close()
    assert seen == ["at", "later", "at"]


def test_a_timer_shows_the_float_and_the_context_that_it_was_given() -> None:
    """``when()`` of a noisy deadline is that float, and its context is the program's own."""
    loop = simloop.SimLoop()
    noisy, plain = loop.call_at(0.1 + 0.2, print), loop.call_at(0.3, print)
    assert (noisy.when(), plain.when()) == (0.1 + 0.2, 0.3)
    assert type(noisy.get_context()) is type(plain.get_context())
    assert noisy > plain
    noisy.cancel()
    plain.cancel()
    loop.run_until_idle()
    assert loop.time() == 0.0
    loop.close()


@pytest.mark.parametrize("debug", [False, True])
def test_a_noisy_deadline_is_a_timer_like_any_other(debug) -> None:
    """Its errors, its arguments and a callback that is none are reported as of any timer."""
    loop, seen = simloop.SimLoop(), []
    loop.set_debug(debug)
    loop.set_exception_handler(lambda _, context: seen.append(type(context["exception"])))
    loop.call_at(0.1 + 0.2, lambda *args: seen.append((*args, loop.time())), 1, 2)
    loop.call_at(0.1 + 0.2, lambda: 1 / 0)
    if not debug:
        loop.call_at(0.1 + 0.2, None)
    loop.run_until_idle()
    loop.close()
    assert seen == [(1, 2, 0.1 + 0.2), ZeroDivisionError] + [TypeError] * (not debug)


dates = st.one_of(
    st.sampled_from([0, 1e6, 2**30 - 30, 1_704_067_200, 2**31 - 30, 1e11]), st.floats(-1e9, 1e11)
)


@given(dates, st.lists(st.floats(0, 50), min_size=1, max_size=20))
def test_a_wait_for_the_next_minute_ends_in_it(date, works) -> None:
    """``sleep(60 - time() % 60)`` wakes in the next minute, whichever clock tells it."""

    async def main() -> None:
        for work in works:
            await asyncio.sleep(work)
            minute = time.time_ns() // 60_000_000_000
            await asyncio.sleep(60 - time.time() % 60)
            assert time.time_ns() // 60_000_000_000 == minute + 1
            assert time.time() // 60 == minute + 1
            assert dt.datetime.now(dt.UTC).second < 59
            assert time.gmtime().tm_sec < 59

    simloop.run(main(), start_date=float(date))


@given(dates, st.lists(st.floats(0, 50), min_size=1, max_size=20))
def test_the_clocks_of_the_date_agree(date, works) -> None:
    """``time()``, ``time_ns()``, ``datetime.now()`` and ``gmtime()`` tell one moment."""

    async def main() -> None:
        for work in works:
            await asyncio.sleep(work)
            now, now_ns, moment = time.time(), time.time_ns(), dt.datetime.now(dt.UTC)
            whole = moment.replace(microsecond=0).timestamp()  # Far dates have coarser floats.
            assert math.floor(now) == now_ns // 10**9 == whole
            assert time.gmtime()[:6] == moment.timetuple()[:6]
            assert abs(moment.timestamp() - now) <= 1e-6 + math.ulp(now)
            assert moment.microsecond == now_ns // 1000 % 10**6
            assert time.clock_gettime(time.CLOCK_REALTIME) == now

    simloop.run(main(), start_date=float(date))
