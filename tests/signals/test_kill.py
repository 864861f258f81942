"""A program that signals itself: ``os.kill``, ``signal.raise_signal``, handlers of both kinds."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import queue
import signal
import socket
import threading
import time

import pytest

import simloop

SENDERS = {
    "os.kill": lambda sig: os.kill(os.getpid(), sig),
    "raise_signal": signal.raise_signal,
}


@pytest.fixture(params=SENDERS)
def send(request):
    return SENDERS[request.param]


@pytest.fixture
def run(factory):
    """Run a coroutine function on either loop; handlers are as before afterwards."""
    numbers = (signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(sig) for sig in numbers]

    def run(main):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    yield run
    for sig, handler in zip(numbers, before, strict=True):
        signal.signal(sig, handler)


def test_a_loops_handler_runs_as_a_step(run, send) -> None:
    """A handler of asyncio's runs soon after the program signalled itself."""
    seen = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, seen.append, "handler")
        send(signal.SIGUSR1)
        seen.append("after")
        while len(seen) < 2:
            await asyncio.sleep(0.001)
        loop.remove_signal_handler(signal.SIGUSR1)

    run(main)
    assert seen == ["after", "handler"]


def test_a_plain_handler_runs_at_once(run, send) -> None:
    """A handler of ``signal.signal`` runs before the program goes on."""
    seen = []

    async def main() -> None:
        signal.signal(signal.SIGUSR1, lambda number, _frame: seen.append(number))
        send(signal.SIGUSR1)
        seen.append("after")

    run(main)
    assert seen == [signal.SIGUSR1, "after"]


def test_both_kinds_of_handlers_run(run, send) -> None:
    """``signal.signal`` after ``add_signal_handler`` does not take the signal from the loop."""
    seen = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, seen.append, "loop's")
        assert callable(signal.getsignal(signal.SIGUSR1))
        signal.signal(signal.SIGUSR1, lambda _number, _frame: seen.append("plain"))
        send(signal.SIGUSR1)
        while len(seen) < 2:
            await asyncio.sleep(0.001)
        loop.remove_signal_handler(signal.SIGUSR1)

    run(main)
    assert seen == ["plain", "loop's"]


def test_removing_goes_back_to_the_default(run, send) -> None:
    """``remove_signal_handler`` sets the default, not what was there before the loop's."""
    seen = []

    async def main() -> object:
        loop = asyncio.get_running_loop()
        signal.signal(signal.SIGWINCH, lambda _number, _frame: seen.append("plain"))
        loop.add_signal_handler(signal.SIGWINCH, seen.append, "loop's")
        assert loop.remove_signal_handler(signal.SIGWINCH)
        send(signal.SIGWINCH)
        await asyncio.sleep(0.001)
        return signal.getsignal(signal.SIGWINCH)

    assert run(main) == signal.SIG_DFL
    assert seen == []


def test_an_ignored_signal(run, send) -> None:
    """SIG_IGN makes a signal pass, and nobody hears of it."""

    async def main() -> str:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        send(signal.SIGUSR2)
        return "lives"

    assert run(main) == "lives"


def test_the_wakeup_descriptor(run, send) -> None:
    """``set_wakeup_fd`` has the number of each signal written, as frameworks want it."""

    async def main() -> tuple[bytes, bool]:
        reader, writer = socket.socketpair()
        with reader, writer:
            with pytest.raises(ValueError, match="must be in non-blocking mode"):
                signal.set_wakeup_fd(writer.fileno())
            with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
                signal.set_wakeup_fd("x")
            writer.setblocking(False)
            before = signal.set_wakeup_fd(writer.fileno())
            signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
            signal.siginterrupt(signal.SIGUSR1, False)
            send(signal.SIGUSR1)
            data = reader.recv(10)
            is_ours = signal.set_wakeup_fd(before) == writer.fileno()
        return data, is_ours

    assert run(main) == (bytes([signal.SIGUSR1]), True)


def test_handlers_are_the_main_threads(run, send) -> None:
    """Another thread sets no handler; where it sends a signal, the main thread handles it."""
    seen = []

    def work() -> None:
        for call, args in ((signal.signal, (signal.SIGUSR1, print)), (signal.set_wakeup_fd, (-1,))):
            with pytest.raises(ValueError, match="only works in main thread"):
                call(*args)
        send(signal.SIGUSR1)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        handler = lambda _number, _frame: seen.append(asyncio.get_running_loop() is loop)  # noqa: E731
        signal.signal(signal.SIGUSR1, handler)
        await asyncio.to_thread(work)
        while not seen:
            await asyncio.sleep(0.001)

    run(main)
    assert seen == [True]


def test_a_thread_adds_no_handler_to_the_loop(run) -> None:
    """``add_signal_handler`` of another thread is asyncio's RuntimeError, and sets nothing."""

    async def main() -> object:
        loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGUSR1)
        with pytest.raises(RuntimeError, match="only works in main thread"):
            await asyncio.to_thread(loop.add_signal_handler, signal.SIGUSR1, print)
        assert signal.getsignal(signal.SIGUSR1) == before
        return loop.remove_signal_handler(signal.SIGUSR1)

    assert run(main) is False


WAITS = {
    "time.sleep": lambda: time.sleep(3600),
    "Lock.acquire": lambda: [lock.acquire() for lock in [threading.Lock()] * 2],
    "Event.wait": lambda: threading.Event().wait(),
    "Queue.get": lambda: queue.Queue().get(),
    "Future.result": lambda: concurrent.futures.Future().result(),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_threads_signal_breaks_off_what_blocks(run, wait) -> None:
    """Where the main thread blocks, a handler runs there, and what it raises ends the wait."""

    async def main() -> None:
        def refuse(_number: int, _frame: object) -> None:
            raise ZeroDivisionError

        signal.signal(signal.SIGUSR1, refuse)
        # Not raise_signal: it reaches a thread's own system call, and wakes no other.
        thread = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))
        with pytest.raises(ZeroDivisionError):
            await_blocking(thread, wait)
        thread.join()
        await asyncio.sleep(0.001)

    def await_blocking(thread: threading.Thread, wait) -> None:
        thread.start()
        wait()

    run(main)


def test_a_wait_goes_on_after_a_threads_signal(run) -> None:
    """A handler that raises nothing runs before the wait ends, and the wait ends as it would."""
    seen = []

    async def main() -> None:
        handled = threading.Event()
        signal.signal(signal.SIGUSR1, lambda *_: (seen.append("handler"), handled.set()))
        box: queue.Queue[str] = queue.Queue()

        def work() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            handled.wait()  # A real main thread may have been about to wait.
            box.put("put")

        thread = threading.Thread(target=work)
        thread.start()
        seen.append(box.get())
        thread.join()

    run(main)
    assert seen == ["handler", "put"]


def test_a_deadly_signal_is_an_error_at_its_line(send) -> None:
    """Where nobody handles the signal, the call says what it would do."""

    async def main() -> None:
        send(signal.SIGTERM)

    with pytest.raises(simloop.UsageError, match="SIGTERM would end the process"):
        simloop.run(main())


def test_ctrl_c_sent_by_the_program(send) -> None:
    """SIGINT to itself cancels the main task, as Ctrl-C does."""

    async def main() -> None:
        send(signal.SIGINT)
        await asyncio.sleep(1000)

    with pytest.raises(KeyboardInterrupt):
        simloop.run(main())


def test_pythons_own_handler_of_ctrl_c_raises_at_once(run, send) -> None:
    """``default_int_handler`` set by the program stands in the place of the runner's handler."""

    async def main() -> list[object]:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        is_runners = callable(before) and before is not signal.default_int_handler
        is_own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        await asyncio.sleep(0.001)
        return [is_runners, is_own]

    assert run(main) == [True, True]


def test_the_runners_handler_of_ctrl_c_is_put_back(run, send) -> None:
    """What ``signal.signal`` returned for SIGINT cancels the main task again, once it is set."""
    seen = []

    async def main() -> None:
        before = signal.signal(signal.SIGINT, lambda *_: seen.append("own"))
        send(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
        send(signal.SIGINT)
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert seen == ["own", "cancelled"]


def test_a_removed_handler_of_ctrl_c_leaves_pythons_own(run, send) -> None:
    """After ``remove_signal_handler`` SIGINT raises at once, and cancels no task."""

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, print)
        loop.remove_signal_handler(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler

    assert run(main)


def test_the_hosts_number_and_the_group_are_its_own_too() -> None:
    """The host's number, and its group with what it started, reach the program."""
    seen = []

    async def nap(process) -> None:
        process.add_signal_handler(signal.SIGUSR1, seen.append, "child")
        await asyncio.sleep(1)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.world.programs.register("nap", nap)
        loop.add_signal_handler(signal.SIGUSR1, seen.append, "own")
        process = await asyncio.create_subprocess_exec("nap")
        await asyncio.sleep(0.5)
        os.kill(loop.host.pid, signal.SIGUSR1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        os.killpg(os.getpgrp(), signal.SIGUSR1)
        os.kill(0, 0)
        await process.wait()

    simloop.run(main())
    assert seen == ["own", "child", "own"]
