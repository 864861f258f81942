"""``signal.setitimer`` and ``signal.alarm``: as Linux has them, by the run's clock."""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import queue
import signal
import threading
import time

import pytest

import simloop


class LateError(Exception):
    """What a handler raises that ends something."""


def late(_signum, _frame):
    raise LateError


@pytest.fixture
def run(factory):
    """Run a coroutine function on either loop; timer and handler are as before afterwards."""
    before = signal.getsignal(signal.SIGALRM)

    def run(main):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    yield run
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_timer_rings_once_or_again_and_again(run) -> None:
    """An interval makes it ring until it is stopped; a loop's handler is a step."""

    async def main():
        loop, rang = asyncio.get_running_loop(), asyncio.Queue()
        loop.add_signal_handler(signal.SIGALRM, rang.put_nowait, "rang")
        assert signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001) == (0.0, 0.0)
        heard = [await rang.get() for _ in range(3)]
        left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 0 < left <= 0.001
        assert interval == 0.001
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        loop.remove_signal_handler(signal.SIGALRM)
        return heard

    assert run(main) == ["rang"] * 3


def test_a_handler_that_raises_ends_what_the_loop_waits_for(run) -> None:
    """Its error comes out of the loop, not out of the task; the loop can go on."""

    async def main():
        await asyncio.sleep(3600)

    signal_before = signal.getsignal(signal.SIGALRM)
    seen = []

    async def begin():
        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        try:
            await main()
        except BaseException as error:
            seen.append(type(error))
            raise

    with pytest.raises(LateError):
        run(begin)
    assert seen == [asyncio.CancelledError]  # When the runner ended.
    signal.signal(signal.SIGALRM, signal_before)


def test_a_blocking_sleep_is_interrupted_by_what_a_handler_raises(run) -> None:
    """A handler runs in the middle of ``time.sleep``, which goes on unless it raises."""

    async def main():
        rang = []
        signal.signal(signal.SIGALRM, lambda *_: rang.append("rang"))
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        begin = time.monotonic()
        time.sleep(0.002)
        assert time.monotonic() - begin > 0.0019
        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        with pytest.raises(LateError):
            time.sleep(3600)
        return rang

    assert run(main) == ["rang"]


def at_a_condition():
    condition = threading.Condition()
    with condition:
        condition.wait(1)


def at_a_join():
    thread = threading.Thread(target=time.sleep, args=(0.05,))
    thread.start()
    thread.join()


def taken():
    lock = threading.Lock()
    lock.acquire()
    return lock


WAITS = {
    "a lock": lambda: taken().acquire(timeout=1),
    "a lock, for ever": lambda: taken().acquire(),
    "a condition": at_a_condition,
    "an event": lambda: threading.Event().wait(1),
    "a queue": lambda: queue.Queue().get(timeout=1),
    "a queue, for ever": lambda: queue.Queue().get(),
    "a simple queue": lambda: queue.SimpleQueue().get(timeout=1),
    "a semaphore": lambda: threading.Semaphore(0).acquire(timeout=1),
    "a future": lambda: concurrent.futures.Future().result(1),
    "a join": at_a_join,
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_blocking_wait_is_interrupted_by_what_a_handler_raises(run, wait) -> None:
    """The main thread's wait ends at the ring, also one that nothing else would ever end."""

    async def main():
        signal.signal(signal.SIGALRM, late)
        begin = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(LateError):
            WAITS[wait]()
        return 0.015 < time.monotonic() - begin < 0.9

    assert run(main)


def test_a_wait_goes_on_after_a_handler(run) -> None:
    """A handler that does not raise may be what ends the wait, and else changes nothing."""

    async def main():
        event, rang = threading.Event(), []

        def ring(*_):
            rang.append("rang")
            if len(rang) == 3:
                event.set()

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        told = event.wait(5)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return told, rang

    assert run(main) == (True, ["rang"] * 3)


def test_rings_come_within_a_wait_at_their_times() -> None:
    """And threads that sleep have their turns in between."""

    async def main():
        times = []
        signal.signal(signal.SIGALRM, lambda *_: times.append(("ring", time.monotonic())))
        signal.setitimer(signal.ITIMER_REAL, 1, 2)

        def work():
            for _ in range(2):
                time.sleep(2)
                times.append(("work", time.monotonic()))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        signal.setitimer(signal.ITIMER_REAL, 0)
        return times

    assert simloop.run(main()) == [("ring", 1), ("work", 2), ("ring", 3), ("work", 4)]


@pytest.mark.parametrize(
    "call",
    [
        lambda: signal.setitimer(signal.ITIMER_REAL, -1),
        lambda: signal.setitimer(signal.ITIMER_REAL, 1, -0.5),
        lambda: signal.setitimer(77, 1),
        lambda: signal.setitimer(signal.ITIMER_REAL, math.nan),
        lambda: signal.setitimer(signal.ITIMER_REAL, "1"),
        lambda: signal.setitimer(signal.ITIMER_REAL, 1e30),
        lambda: signal.getitimer(77),
        lambda: signal.alarm(1.5),
        lambda: signal.alarm("1"),
    ],
)
def test_bad_input_is_answered_as_by_the_real_functions(call) -> None:
    """Wrong durations and timers raise the same classes, the system's with their errno."""

    def answer():
        try:
            call()
        except (OSError, TypeError, ValueError, OverflowError) as error:
            return type(error), getattr(error, "errno", None)
        return None

    async def main():
        return answer()

    assert simloop.run(main()) == answer() is not None


def test_what_is_left_is_told(run) -> None:
    """Setting a timer tells what was left of the one before; ``alarm`` is the same timer."""

    async def main():
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        assert signal.alarm(100) == 0
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 99 < left <= 100
        assert interval == 0
        assert signal.alarm(0) == 100
        assert signal.alarm(0) == 0
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert signal.alarm(0) == 1
        assert signal.setitimer(signal.ITIMER_REAL, 0, 5) == (0, 0)
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)

    run(main)


def test_a_beat_is_kept_in_virtual_time() -> None:
    """Rings come at their times exactly; those that a blocked world missed are one."""
    rang = []

    async def main():
        loop = asyncio.get_running_loop()
        signal.signal(signal.SIGALRM, lambda *_: rang.append(loop.time()))
        signal.setitimer(signal.ITIMER_REAL, 10, 7)
        await asyncio.sleep(20)
        signal.alarm(2)
        await asyncio.sleep(100)

    simloop.run(main())
    assert rang == [10, 17, 22]


def test_rings_come_within_a_blocking_sleep_at_their_times() -> None:
    """A world that is blocked hears of each ring at its moment."""

    async def main():
        times = []

        def ring(*_):
            times.append(time.monotonic())

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 1, 2)
        time.sleep(6)
        times.append(time.monotonic())
        signal.setitimer(signal.ITIMER_REAL, 0)
        return times

    assert simloop.run(main()) == [1, 3, 5, 6]


def test_an_alarm_that_nothing_handles_is_told() -> None:
    """SIGALRM would end the process: the run ends by an error that says so."""

    async def main():
        signal.alarm(1)
        await asyncio.sleep(2)

    with pytest.raises(simloop.UsageError, match="SIGALRM would end the process"):
        simloop.run(main())


def test_timers_of_cpu_time_are_the_real_process_s() -> None:
    """Computing takes no time in a run, so a timer of CPU time is refused."""

    async def main():
        signal.setitimer(signal.ITIMER_VIRTUAL, 1)

    with pytest.raises(simloop.EscapeError, match="setitimer"):
        simloop.run(main())


def test_the_real_timer_is_not_touched() -> None:
    """What a run sets ends with it."""

    async def main():
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 50)

    simloop.run(main())
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
