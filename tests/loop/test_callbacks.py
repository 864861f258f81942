"""asyncio's call_* family, on both arms."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
import socket
import weakref
from unittest.mock import Mock

import pytest

import simloop


def run_briefly(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_callbacks_get_their_arguments_in_order(either) -> None:
    """call_soon runs callbacks first in, first out, with their arguments."""
    seen = []
    for number in range(3):
        either.call_soon(seen.append, number)
    run_briefly(either)
    assert seen == [0, 1, 2]


def test_stop_lets_the_turn_end(either) -> None:
    """What is ready when stop() is called still runs; what that schedules does not."""
    seen = []
    either.call_soon(either.stop)
    either.call_soon(lambda: either.call_soon(seen.append, "next turn"))
    either.call_soon(seen.append, "this turn")
    either.run_forever()
    assert seen == ["this turn"]
    run_briefly(either)
    assert seen == ["this turn", "next turn"]


def test_a_stop_before_the_run_gives_one_turn(either) -> None:
    """stop() on a loop that does not run makes the next run a single turn."""
    seen = []
    either.call_soon(seen.append, 1)
    either.stop()
    either.run_forever()
    assert seen == [1]


def test_a_stop_before_the_run_waits_for_nothing(either) -> None:
    """A loop told to stop before it runs returns at once, whatever is due later or never."""
    either.call_later(60, pytest.fail, "nobody waits for this")
    began = either.time()
    either.stop()
    either.run_forever()
    assert either.time() - began < 1


def test_a_cancelled_handle_does_not_run(either) -> None:
    """Cancelling keeps a callback from running, and says so, any number of times."""
    seen = []
    handles = [either.call_soon(seen.append, 1), either.call_later(0, seen.append, 2)]
    for handle in handles:
        assert not handle.cancelled()
        handle.cancel()
        handle.cancel()
        assert handle.cancelled()
        assert "cancelled" in repr(handle)
    run_briefly(either)
    run_briefly(either)
    assert seen == []


def test_handles_are_asyncio_s(either) -> None:
    """Handles are of asyncio's classes, and a timer tells its time."""
    soon = either.call_soon(print)
    later = either.call_at(either.time() + 50, print)
    assert isinstance(soon, asyncio.Handle)
    assert isinstance(later, asyncio.TimerHandle)
    assert later.when() == pytest.approx(either.time() + 50)
    assert either.call_later(60, print) > later
    soon.cancel()


def test_negative_delays_run_at_once_in_order_of_their_values(either) -> None:
    """A delay below zero means now, and the more negative one comes first, as in asyncio."""
    seen = []
    either.call_later(-1, seen.append, "a")
    either.call_later(-2, seen.append, "b")
    run_briefly(either)
    run_briefly(either)
    assert seen == ["b", "a"]


def test_callbacks_run_in_the_context_of_their_scheduling(either) -> None:
    """A callback sees the context variables of its scheduler, or of the context given."""
    variable = contextvars.ContextVar("variable", default="default")
    seen = []

    def note() -> None:
        seen.append(variable.get())

    token = variable.set("set")
    either.call_soon(note)
    either.call_later(0, note)
    variable.reset(token)
    either.call_soon(note)
    other = contextvars.copy_context()
    other.run(variable.set, "given")
    either.call_soon(note, context=other)
    for _ in range(3):
        run_briefly(either)
    assert sorted(seen) == ["default", "given", "set", "set"]


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later"])
def test_an_empty_context_is_a_context(either, method) -> None:
    """A context without variables is the one to run in, and not taken for none."""
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("set")
    seen = []
    first = (0,) if method == "call_later" else ()
    getattr(either, method)(
        *first, lambda: seen.append(variable.get()), context=contextvars.Context()
    )
    run_briefly(either)
    run_briefly(either)
    assert seen == ["default"]


def test_the_delay_must_not_be_none(either) -> None:
    """None is no delay and no time."""
    with pytest.raises(TypeError, match="delay must not be None"):
        either.call_later(None, print)
    with pytest.raises(TypeError, match="when cannot be None"):
        either.call_at(None, print)


def test_a_closed_loop_refuses_everything(either) -> None:
    """Each way of scheduling on a closed loop is an error in asyncio's words."""
    either.close()
    either.close()
    coro = asyncio.sleep(0)
    for call in (
        lambda: either.call_soon(print),
        lambda: either.call_soon_threadsafe(print),
        lambda: either.call_later(1, print),
        lambda: either.call_at(1, print),
        lambda: either.create_task(coro),
        lambda: either.run_until_complete(coro),
        either.run_forever,
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()
    coro.close()
    assert either.is_closed()


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later"])
def test_debug_mode_refuses_coroutine_functions_and_what_is_no_callable(either, method) -> None:
    """In debug mode a wrong callback is an error at the call that names the call."""
    either.set_debug(True)
    first = (1,) if method == "call_later" else ()

    async def coroutine() -> None:
        """Never run."""

    match = (
        "call_at" if method == "call_later" and isinstance(either, asyncio.BaseEventLoop) else ""
    )
    with pytest.raises(TypeError, match=match or method):
        getattr(either, method)(*first, coroutine)
    with pytest.raises(TypeError, match="callable"):
        getattr(either, method)(*first, 42)


def test_a_coroutine_function_as_callback_is_told_without_debug_mode(loop) -> None:
    """Without debug mode, the exception handler hears of a coroutine that nobody awaits."""
    contexts = []
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))

    async def coroutine() -> None:
        """Never run."""

    loop.call_soon(coroutine)
    run_briefly(loop)
    (context,) = contexts
    assert "create_task" in str(context["exception"])


@pytest.mark.parametrize("call", ["call_later", "call_at"])
def test_not_a_number_is_no_time(loop, call) -> None:
    """NaN is refused, and nothing is scheduled."""
    with pytest.raises(ValueError, match="NaN"):
        getattr(loop, call)(math.nan, print)
    assert loop.peek() == math.inf


@pytest.mark.parametrize(
    "when",
    [0, 7, 5e-324, 1e-300, 0.1 + 0.2, 0.12345678912345, 100.00000000000001, 2.0**53 + 2, 1e300],
)
def test_a_handle_tells_the_time_that_it_was_set_for(either, when) -> None:
    """``when()`` is the number that ``call_at`` was given, also where no nanosecond shows it."""
    handle = either.call_at(when, print)
    assert handle.when() == when
    assert type(handle.when()) is type(when)
    handle.cancel()


def test_call_later_infinity_never_comes(loop) -> None:
    """A callback at infinity waits without end, and can be cancelled."""
    handle = loop.call_later(math.inf, print)
    assert handle.when() == math.inf
    loop.run_until_idle()
    assert loop.time() == 0.0
    handle.cancel()


def test_a_timer_above_the_clock_s_grain_moves_the_clock(loop) -> None:
    """A deadline a fraction of a nanosecond ahead is not now: waiting loops end."""

    async def wait_until(deadline: float) -> float:
        while loop.time() < deadline:
            await asyncio.sleep(deadline - loop.time())
        return loop.time()

    deadline = 0.123456789123
    assert loop.run_until_complete(wait_until(deadline)) >= deadline


def test_the_clock_stands_still_while_callbacks_run(loop) -> None:
    """A million callbacks take no time."""
    times = []
    for _ in range(100):
        loop.call_soon(lambda: times.append(loop.time_ns()))
    run_briefly(loop)
    assert times == [0] * 100


def test_start_time_is_where_the_clock_starts() -> None:
    """A loop's clock may start anywhere from zero on."""
    loop = simloop.SimLoop(start_time=5.5)
    assert loop.time() == 5.5
    loop.call_later(0.5, loop.stop)
    loop.run_forever()
    assert loop.time() == 6.0
    loop.close()


@pytest.mark.parametrize("start_time", [-1, math.inf, math.nan, "noon"])
def test_a_start_time_that_is_none_is_refused(start_time) -> None:
    """A start time that no clock can show is an error that names it."""
    with pytest.raises(simloop.UsageError, match="start_time="):
        simloop.SimLoop(start_time=start_time)


def test_a_call_from_another_thread_is_refused_in_debug_mode(loop) -> None:
    """In debug mode call_soon from another thread is an error that names the way out."""
    import threading

    loop.set_debug(True)
    errors = []

    def foreign() -> None:
        try:
            loop.call_soon(print)
        except RuntimeError as error:
            errors.append(str(error))

    def start() -> None:
        thread = threading.Thread(target=foreign)
        thread.start()
        thread.join()

    loop.call_soon(start)
    run_briefly(loop)
    assert "Non-thread-safe operation" in errors[0]


@pytest.mark.parametrize("debug", [False, True])
def test_a_kept_error_does_not_keep_the_callback(either, debug) -> None:
    """An object that keeps its own error is free at the next step, without the collector."""

    class Job:
        def run(self) -> None:
            try:
                int("none")
            except ValueError as error:
                self.error = error
            finally:
                del self

    either.set_debug(debug)
    is_alive: list[bool] = []
    job = Job()
    reference = weakref.ref(job)
    either.call_soon(job.run)
    del job
    either.call_soon(lambda: is_alive.append(reference() is not None))
    either.call_soon(either.stop)
    either.run_forever()
    assert is_alive == [False]


def test_what_only_a_callback_held_goes_when_it_has_run(either) -> None:
    """Its finalizer sees the time of the callback, not of the next one, hours later."""
    gone = []

    class Held:
        def call(self) -> None:
            """Do nothing."""

        def __del__(self) -> None:
            gone.append(either.time())

    next_deadline = either.time() + 0.1
    either.call_soon(Held().call)
    either.call_at(next_deadline, either.stop)
    either.run_forever()
    assert gone
    assert gone[0] < next_deadline


REPORTS = {
    "by call_exception_handler": lambda loop: loop.call_exception_handler({"message": "told"}),
    "of an exception that was never retrieved": lambda loop: loop.create_future().set_exception(
        ValueError("lost")
    ),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_reports_go_to_the_logger_that_base_events_holds(either, monkeypatch, report) -> None:
    """CPython's own tests, and others after them, replace ``asyncio.base_events.logger``."""
    gc.collect()  # What other tests have left reports to the real one.
    logger = Mock()
    monkeypatch.setattr("asyncio.base_events.logger", logger)
    report(either)
    gc.collect()
    logger.error.assert_called_once()


def test_lost_writes_go_to_the_logger_that_selector_events_holds(factory, monkeypatch) -> None:
    """The warning about writes to a lost connection is that module's."""
    logger = Mock()
    monkeypatch.setattr("asyncio.selector_events.logger", logger)

    async def main() -> None:
        ours, theirs = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, sock=ours
        )
        theirs.close()
        transport.abort()
        await asyncio.sleep(0)
        for _ in range(10):
            transport.write(b"lost")

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    logger.warning.assert_called_with("socket.send() raised exception.")
