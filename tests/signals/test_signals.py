"""Signals of a simulated process, and Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import weakref

import pytest

import simloop


def run_with(sig: int, prepare) -> list[object]:
    """Deliver a signal after a minute to a program that was prepared for it."""
    seen: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        prepare(loop, seen)
        loop.call_later(60, loop.deliver_signal, sig)
        await asyncio.sleep(120)

    simloop.run(main())
    return seen


def test_a_handler_runs_as_a_step_with_its_arguments() -> None:
    """What add_signal_handler set runs when the signal is delivered, each time."""

    def prepare(loop, seen) -> None:
        loop.add_signal_handler(
            signal.SIGTERM, lambda *args: seen.append((args, loop.time())), 1, 2
        )
        loop.call_later(30, loop.deliver_signal, signal.SIGTERM)

    assert run_with(signal.SIGTERM, prepare) == [((1, 2), 30.0), ((1, 2), 60.0)]


def test_a_later_handler_replaces_an_earlier_one() -> None:
    """A signal has one handler; adding another cancels the first."""

    def prepare(loop, seen) -> None:
        loop.add_signal_handler(signal.SIGHUP, seen.append, "first")
        loop.add_signal_handler(signal.SIGHUP, seen.append, "second")

    assert run_with(signal.SIGHUP, prepare) == ["second"]


def test_signal_signal_sets_a_virtual_handler() -> None:
    """signal.signal in a run is the simulated process's; the real one is not touched."""
    before = signal.getsignal(signal.SIGUSR1)

    def prepare(_loop, seen) -> None:
        first = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append((number, frame)))
        assert first == signal.SIG_DFL
        assert callable(signal.getsignal(signal.SIGUSR1))

    assert run_with(signal.SIGUSR1, prepare) == [(signal.SIGUSR1, None)]
    assert signal.getsignal(signal.SIGUSR1) == before


def test_raise_signal_acts_at_once() -> None:
    """A process that signals itself runs its handler before it goes on."""
    seen = []

    async def main() -> None:
        signal.signal(signal.SIGUSR2, lambda number, frame: seen.append("handler"))
        signal.raise_signal(signal.SIGUSR2)
        seen.append("after")

    simloop.run(main())
    assert seen == ["handler", "after"]


@pytest.mark.parametrize("sig", [signal.SIGCHLD, signal.SIGWINCH])
def test_what_linux_ignores_does_nothing(sig) -> None:
    """Signals that are ignored by default pass unnoticed."""
    assert run_with(sig, lambda loop, seen: None) == []


def test_an_ignored_signal_does_nothing() -> None:
    """SIG_IGN makes a signal pass that would end the process."""

    def prepare(_loop, _seen) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    assert run_with(signal.SIGTERM, prepare) == []


@pytest.mark.parametrize(("sig", "verb"), [(signal.SIGTERM, "end"), (signal.SIGTSTP, "stop")])
def test_a_signal_that_nobody_handles_says_what_it_would_do(loop, sig, verb) -> None:
    """Delivering a deadly signal without a handler is an error that names the way out."""
    with pytest.raises(simloop.UsageError, match=f"would {verb} the process.*add_signal_handler"):
        loop.deliver_signal(sig)


def test_sigint_is_ctrl_c_for_asyncio_s_runner() -> None:
    """Without a handler SIGINT cancels the main task, and comes out as KeyboardInterrupt."""
    seen = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(5, loop.deliver_signal, signal.SIGINT)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            seen.append(loop.time())
            raise

    with pytest.raises(KeyboardInterrupt):
        simloop.run(main())
    assert seen == [5.0]


def test_sigint_comes_out_of_a_bare_loop(loop) -> None:
    """Without a runner SIGINT is KeyboardInterrupt out of the loop, which can go on."""
    loop.call_later(5, loop.deliver_signal, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.sleep(3600))
    assert loop.time() == 5.0


def test_removing_tells_whether_there_was_a_handler(either) -> None:
    """remove_signal_handler is true once."""
    either.add_signal_handler(signal.SIGUSR1, print)
    assert either.remove_signal_handler(signal.SIGUSR1)
    assert not either.remove_signal_handler(signal.SIGUSR1)


def test_a_closed_loop_forgets_its_handlers(factory) -> None:
    """What handlers refer to is free once their loop is closed, whoever still holds the loop."""

    class Service:
        def stop(self) -> None:
            pass

    loop, service = factory(), Service()
    loop.add_signal_handler(signal.SIGUSR1, service.stop)
    loop.close()
    is_alive = weakref.ref(service)
    del service
    gc.collect()
    assert is_alive() is None
    assert loop.is_closed()


@pytest.mark.parametrize(
    ("sig", "error", "message"),
    [
        ("TERM", TypeError, "sig must be an int, not 'TERM'"),
        (500, ValueError, "invalid signal number 500"),
        (signal.SIGKILL, RuntimeError, f"sig {signal.SIGKILL:d} cannot be caught"),
    ],
)
def test_signals_that_are_none_are_refused(either, sig, error, message) -> None:
    """A signal that cannot be handled is an error in asyncio's words."""
    with pytest.raises(error, match=message):
        either.add_signal_handler(sig, print)


def test_a_coroutine_function_is_no_handler(either) -> None:
    """A handler is a plain function."""
    with pytest.raises(TypeError, match="coroutines cannot be used"):
        either.add_signal_handler(signal.SIGTERM, asyncio.sleep)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((0, print), ValueError),
        ((signal.SIGKILL, print), OSError),
        ((signal.SIGTERM, "handler"), TypeError),
    ],
)
def test_signal_signal_refuses_what_the_system_refuses(args, error) -> None:
    """Bad calls of signal.signal fail in a run as outside."""

    async def main() -> None:
        signal.signal(*args)

    with pytest.raises(error):
        signal.signal(*args)
    with pytest.raises(error):
        simloop.run(main())


INTERRUPTED = """
import asyncio, simloop

async def main():
    print("ready", flush=True)
    try:
        while True:
            await asyncio.sleep(1)
    finally:
        print("cleaned up", flush=True)

try:
    simloop.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.slow
def test_a_real_ctrl_c_ends_a_run_cleanly() -> None:
    """Ctrl-C cancels a program that would run for ever, and comes out as KeyboardInterrupt."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.communicate(timeout=60)[0] == "cleaned up\ninterrupted\n"
        finally:
            process.kill()
    assert process.returncode == 0
