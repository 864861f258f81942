"""Running, stopping and closing; tasks and generators, on both arms."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import warnings

import pytest

import simloop


def test_run_until_complete_returns_and_raises(either) -> None:
    """A coroutine's result is returned, its error raised."""

    async def fail() -> None:
        raise LookupError("gone")

    assert either.run_until_complete(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(LookupError, match="gone"):
        either.run_until_complete(fail())
    assert not either.is_running()


def test_a_running_loop_cannot_be_run(either) -> None:
    """A loop that runs refuses to be run, and so does another one inside of it."""

    async def main() -> None:
        coro = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            either.run_until_complete(coro)
        other = type(either)()
        with pytest.raises(RuntimeError, match="while another loop is running"):
            other.run_until_complete(coro)
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            either.close()
        other.close()
        coro.close()

    either.run_until_complete(main())


def test_a_future_of_another_loop_is_refused(either) -> None:
    """run_until_complete takes no future that another loop must complete."""
    other = type(either)()
    with pytest.raises(ValueError, match="different loop"):
        either.run_until_complete(other.create_future())
    other.close()


def test_a_loop_stopped_before_the_end_says_so(either) -> None:
    """Stopping a loop that runs until something is done is an error."""
    either.call_soon(either.stop)
    future = either.create_future()
    with pytest.raises(RuntimeError, match="stopped before Future completed"):
        either.run_until_complete(future)
    future.cancel()


def test_what_is_no_awaitable_is_refused(either) -> None:
    """A number cannot be run."""
    with pytest.raises(TypeError, match="required"):
        either.run_until_complete(42)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_exits_come_out_of_the_loop(either, error) -> None:
    """KeyboardInterrupt and SystemExit end the run from a task and from a callback."""

    async def leave() -> None:
        raise error

    def leave_plainly() -> None:
        raise error

    with pytest.raises(error):
        either.run_until_complete(leave())
    either.call_soon(leave_plainly)
    with pytest.raises(error):
        either.run_forever()
    assert either.run_until_complete(asyncio.sleep(0, 1)) == 1


def test_a_failing_callback_goes_to_the_exception_handler(either) -> None:
    """The handler that was set gets the error with the handle; the loop goes on."""
    contexts = []
    either.set_exception_handler(lambda _loop, context: contexts.append(context))
    assert either.get_exception_handler() is not None
    either.call_soon(lambda: 1 / 0)
    either.run_until_complete(asyncio.sleep(0))
    (context,) = contexts
    assert isinstance(context["exception"], ZeroDivisionError)
    assert isinstance(context["handle"], asyncio.Handle)
    assert context["message"].startswith("Exception in callback ")


class Failing:
    def __call__(self, *_args) -> None:
        raise LookupError

    def method(self, *_args) -> None:
        raise LookupError

    def __repr__(self) -> str:
        return "<a failing one>"


@pytest.mark.parametrize("is_debugging", [False, True])
@pytest.mark.parametrize(
    "callback", [Failing().method, Failing(), functools.partial(int, "a", base=9), int]
)
def test_a_failing_callback_is_called_what_asyncio_calls_it(either, callback, is_debugging) -> None:
    """Partial ones with all their arguments; later Pythons show none outside of debug mode."""
    messages = []
    either.set_exception_handler(lambda _loop, context: messages.append(context["message"]))
    either.set_debug(is_debugging)
    either.call_soon(callback, "x")
    either.run_until_complete(asyncio.sleep(0))
    worded = asyncio.format_helpers._format_callback_source
    given = {"debug": is_debugging} if "debug" in (worded.__kwdefaults__ or {}) else {}
    words = worded(callback, ("x",), **given)
    assert messages == [f"Exception in callback {words}"]


def test_without_a_handler_errors_are_logged(either, caplog) -> None:
    """The default handler logs message, details and traceback."""
    either.call_exception_handler({"message": "odd", "exception": ValueError("v"), "extra": 7})
    (record,) = caplog.records
    assert record.getMessage() == "odd\nextra: 7"
    assert record.exc_info[0] is ValueError


def test_a_failing_handler_is_logged_too(either, caplog) -> None:
    """An error in the exception handler is logged, with the first one in it."""

    def handler(_loop, _context) -> None:
        raise OSError("broken")

    either.set_exception_handler(handler)
    either.call_exception_handler({"message": "first"})
    assert "Unhandled error in exception handler" in caplog.text
    assert "first" in caplog.text


def test_a_handler_must_be_callable(either) -> None:
    """What cannot be called is no exception handler."""
    with pytest.raises(TypeError, match="callable"):
        either.set_exception_handler(5)


def test_open_generators_are_closed_in_order(loop) -> None:
    """shutdown_asyncgens closes what is open, oldest first, and reports what fails."""
    closed = []

    async def numbers(name: str):
        try:
            while True:
                yield name
        finally:
            closed.append(name)
            if name == "bad":
                raise OSError(name)

    generators = [numbers(name) for name in ("a", "bad", "c")]
    contexts = []
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))

    async def begin() -> None:
        for generator in generators:
            await anext(generator)

    loop.run_until_complete(begin())
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert closed == ["a", "bad", "c"]
    assert [type(context["exception"]) for context in contexts] == [OSError]


def test_an_abandoned_generator_is_closed_by_the_loop(either) -> None:
    """A generator dropped in the middle runs its clean-up on the loop."""
    closed = []

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(asyncio.get_running_loop())

    async def main() -> None:
        async for _ in numbers():
            break
        gc.collect()
        await asyncio.sleep(0.01)

    either.run_until_complete(main())
    assert closed == [either]


def test_an_unclosed_loop_warns() -> None:
    """A loop dropped without close() is a ResourceWarning, and is closed."""

    def drop() -> None:
        simloop.SimLoop()
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        drop()


def test_tasks_take_name_and_context(either) -> None:
    """create_task passes name and context on; names that are not given count up."""

    async def main() -> list[str]:
        named = either.create_task(asyncio.sleep(0), name="named")
        first = either.create_task(asyncio.sleep(0))
        second = either.create_task(asyncio.sleep(0))
        await asyncio.gather(named, first, second)
        numbers = [int(task.get_name().removeprefix("Task-")) for task in (first, second)]
        assert numbers[1] == numbers[0] + 1
        return named.get_name()

    assert either.run_until_complete(main()) == "named"


def test_task_names_count_per_loop() -> None:
    """The first task of each loop is Task-1, whatever ran before in the process."""

    async def name() -> str:
        return asyncio.current_task().get_name()

    assert [simloop.run(name()) for _ in range(2)] == ["Task-1", "Task-1"]


def test_a_task_factory_makes_the_tasks(either) -> None:
    """A factory gets loop, coroutine and options, and what it returns is the task."""
    made = []

    def factory(loop, coro, **options):
        made.append(sorted(options))
        return asyncio.Task(coro, loop=loop, **options)

    with pytest.raises(TypeError, match="task factory must be a callable"):
        either.set_task_factory(5)
    either.set_task_factory(factory)
    assert either.get_task_factory() is factory
    task = either.create_task(asyncio.sleep(0, 5), name="named")
    assert task.get_name() == "named"
    assert either.run_until_complete(task) == 5
    either.set_task_factory(None)
    assert len(made) == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_start_at_once(either) -> None:
    """With asyncio's eager factory a task runs to its first wait before create_task returns."""
    seen = []

    async def child() -> None:
        seen.append("began")
        await asyncio.sleep(0)
        seen.append("ended")

    async def main() -> None:
        task = asyncio.create_task(child())
        assert seen == ["began"]
        await task

    either.set_task_factory(asyncio.eager_task_factory)
    assert either.get_task_factory() is asyncio.eager_task_factory
    either.run_until_complete(main())
    assert seen == ["began", "ended"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="asyncio.create_task takes it from 3.14 on")
def test_one_task_may_start_eagerly(either) -> None:
    """create_task(eager_start=True) starts that task at once."""

    async def main() -> bool:
        task = asyncio.create_task(asyncio.sleep(0), eager_start=True)
        began = not task.done()
        await task
        return began

    assert either.run_until_complete(main())


def test_asyncio_runner_and_its_kin_work(factory) -> None:
    """Runner, TaskGroup, timeout, wait_for and gather do what they do."""

    async def main() -> list[object]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001 * n, n)) for n in range(3)]
        results: list[object] = [task.result() for task in tasks]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        results += await asyncio.gather(asyncio.sleep(0, "a"), asyncio.sleep(0, "b"))
        return results

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == [0, 1, 2, "a", "b"]


def test_debug_mode_tells_of_slow_callbacks(loop, caplog) -> None:
    """A callback that blocks the world for long is logged with its virtual duration."""
    import time

    loop.set_debug(True)
    loop.slow_callback_duration = 0.5

    async def main() -> None:
        time.sleep(2.5)

    loop.run_until_complete(main())
    assert "took 2.500 seconds" in caplog.text


def test_with_a_duration_of_zero_every_callback_is_slow(either, caplog) -> None:
    """Who sets slow_callback_duration to 0 is told of each callback and each task's step."""
    either.set_debug(True)
    either.slow_callback_duration = 0.0
    either.run_until_complete(asyncio.sleep(0))
    assert "Executing <Task" in caplog.text
    assert "Executing <Handle" in caplog.text


def test_debug_mode_remembers_where_a_handle_was_made(loop) -> None:
    """In debug mode an error's context holds the stack of the scheduling call."""
    contexts = []
    loop.set_debug(True)
    assert loop.get_debug()
    loop.set_exception_handler(lambda _loop, context: contexts.append(context))
    loop.call_soon(lambda: 1 / 0)
    loop.call_later(1, lambda: 1 / 0)
    loop.run_until_idle()
    for context in contexts:
        assert context["source_traceback"][-1].filename == __file__


def test_a_patched_default_turns_debug_mode_on(monkeypatch) -> None:
    """As CPython's tests of runners patch it (Lib/test/test_asyncio/test_runners.py)."""
    monkeypatch.setattr("asyncio.coroutines._is_debug_mode", lambda: True)
    loop = simloop.SimLoop()
    assert loop.get_debug()
    loop.close()


def test_the_environment_turns_debug_mode_on(monkeypatch) -> None:
    """PYTHONASYNCIODEBUG means for a simulated loop what it means for any."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    loop = simloop.SimLoop()
    assert loop.get_debug()
    loop.close()


def test_a_never_awaited_coroutine_warns_as_ever(loop) -> None:
    """Dropping a coroutine gives Python's own warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.sleep(0)
        gc.collect()
    assert any("never awaited" in str(each.message) for each in caught)


def test_none_is_no_callback(either) -> None:
    """A callback that is None is reported where it would have run, and loses nothing."""
    reported = []
    either.set_exception_handler(lambda _, context: reported.append(str(context["exception"])))
    for schedule in (
        lambda: either.call_soon(None),
        lambda: either.call_soon_threadsafe(None),
        lambda: either.call_later(0.001, None),
        lambda: either.call_at(either.time() + 0.001, None),
    ):
        schedule()
    either.call_later(0.01, either.stop)
    either.run_forever()
    assert reported == ["'NoneType' object is not callable"] * 4
