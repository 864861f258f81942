"""Signals of a process whose main thread is blocked: one script, real and as a host's program.

Python calls a handler in the main thread, in the middle of the call that blocks, which goes on
after it (PEP 475) or ends by what it raises; see also signal(7), "Interruption of system calls".
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from textwrap import dedent

import pytest

import simloop

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="hosts, and signals as Linux has them"),
    pytest.mark.slow,  # A real process waits for each.
]

WAITS = {
    "time.sleep": "time.sleep(0.4); print('slept', time.monotonic() - begun >= 0.4)",
    "socket.recv": "pair[0].recv(1)",
    "socket.accept": "with socket.create_server(('127.0.0.1', 0)) as s: s.accept()",
    "os.read": "os.read(os.pipe()[0], 1)",
    "Lock.acquire": "lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=50)",
    "RLock and Condition": "c = threading.Condition(); c.acquire(); c.wait(50)",
    "Event.wait": "threading.Event().wait(50)",
    "queue.get": "queue.Queue().get(timeout=50)",
    "SimpleQueue.get": "queue.SimpleQueue().get()",
    "select": "select.select([pair[0]], [], [], 50)",
    "poll": "p = select.poll(); p.register(pair[0], select.POLLIN); p.poll(50_000)",
    "Thread.join": "threading.Thread(target=time.sleep, args=(5,), daemon=True).start();"
    " threading.enumerate()[-1].join()",
    "Future.result": "concurrent.futures.Future().result(50)",
    "a loop": "asyncio.run(asyncio.sleep(50))",
    "a step of a loop": "asyncio.run(blocking())",
}

SCRIPT = """
    import asyncio, concurrent.futures, os, queue, select, signal, socket, sys, threading, time

    pair = socket.socketpair()
    main = threading.current_thread()

    async def blocking():
        time.sleep(50)

    class Stop(Exception):
        pass

    def bye(number, frame):
        print("handler", number, threading.current_thread() is main)
        HANDLER

    signal.signal(signal.SIGTERM, bye)
    print("ready", flush=True)
    begun = time.monotonic()
    try:
        WAIT
        print("waited")
    except Stop:
        print("stopped")
    finally:
        print("finally")
"""


def _really(path, sig):
    """Run a script as a process, and send it a signal when it is blocked."""
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.1)
        child.send_signal(sig)
        return child.stdout.read(), child.wait()


def _in_a_world(path, sig, capsys):
    """Do the same with a process of a host."""

    async def main():
        process = simloop.current_world().add_host("a", path).processes[0]
        await asyncio.sleep(0.15)
        process.send_signal(sig)
        return await asyncio.wait_for(process.exited(), 100), time.monotonic()

    status, _ = simloop.run(main())
    out = capsys.readouterr().out
    assert out.startswith("ready\n")
    return out.removeprefix("ready\n"), status


@pytest.fixture
def both(tmp_path, capsys):
    """Run a script on both arms; give output and status of each."""

    def both(text, sig=signal.SIGTERM):
        path = str(tmp_path / "blocked.py")
        (tmp_path / "blocked.py").write_text(dedent(text))
        return _really(path, sig), _in_a_world(path, sig, capsys)

    return both


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("handler", ["sys.exit(5)", "raise Stop"])
def test_what_a_handler_raises_comes_out_of_the_wait(both, wait, handler):
    """In the main thread, through the program's own ``except`` and ``finally``."""
    real, ours = both(SCRIPT.replace("WAIT", WAITS[wait]).replace("HANDLER", handler))
    assert ours == real
    assert ours[0].startswith("handler 15 True\n")


@pytest.mark.parametrize("wait", ["time.sleep", "Thread.join", "a loop"])
def test_a_wait_goes_on_when_the_handler_returns(both, wait):
    """It takes as long as it would have; a sleep is not cut short (PEP 475)."""
    text = WAITS[wait].replace("50", "0.4").replace("(5,)", "(0.4,)")
    real, ours = both(SCRIPT.replace("WAIT", text).replace("HANDLER", "pass"))
    assert ours == real
    assert "waited\nfinally\n" in ours[0]


def test_a_handler_may_block_itself(both):
    """A sleep in a handler is one in the middle of the other, which goes on after it."""
    text = SCRIPT.replace("WAIT", WAITS["time.sleep"])
    real, ours = both(text.replace("HANDLER", "time.sleep(0.1); print('rested')"))
    assert ours == real


@pytest.mark.parametrize("wait", ["time.sleep", "a loop", "Thread.join"])
def test_an_interrupt_is_an_error_of_the_main_thread(both, wait):
    """SIGINT, which nobody handles, is a KeyboardInterrupt there, and the process ends by it."""
    text = SCRIPT.replace("WAIT", WAITS[wait]).replace("HANDLER", "pass")
    real, ours = both(text, signal.SIGINT)
    assert ours == real == ("finally\n", -2)


def test_a_process_that_signals_itself_handles_it_first(both):
    """Before the call returns, in the main thread; from another thread when that has its turn."""
    real, ours = both(
        """
        import os, signal, threading, time
        signal.signal(signal.SIGUSR1, lambda *_: print(threading.current_thread().name[-10:]))
        signal.signal(signal.SIGTERM, lambda *_: print("told"))
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGUSR1)
        print("killed")
        signal.raise_signal(signal.SIGUSR1)
        print("raised")
        thread = threading.Thread(target=lambda: signal.raise_signal(signal.SIGUSR1))
        thread.start()
        thread.join()
        print("joined")
        time.sleep(0.3)
        """
    )
    assert ours == real


def test_a_handler_of_one_process_interrupts_no_other():
    """Where the driver blocks in a step, a host's handler waits for a step of the host."""
    seen = []

    async def serve():
        signal.signal(signal.SIGUSR1, lambda *_: seen.append("host's"))
        await asyncio.sleep(9)

    async def main():
        process = simloop.current_world().add_host("a", serve).processes[0]
        await asyncio.sleep(1)
        threading.Timer(1, lambda: process.send_signal(signal.SIGUSR1)).start()
        time.sleep(2)
        seen.append("driver's")
        await asyncio.sleep(1)

    simloop.run(main())
    assert seen == ["driver's", "host's"]
