"""Numbers of processes and threads, and the name of the machine, are the world's in a run."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import os
import platform
import signal
import subprocess
import sys
import threading

import pytest

import simloop

PROGRAM = """
import asyncio, email.utils, logging, os, platform, threading, simloop

async def main():
    record = logging.makeLogRecord({})
    record = logging.Logger("x").makeRecord("x", 10, "f", 1, "m", (), None)
    threads = await asyncio.to_thread(lambda: (threading.get_ident(), threading.get_native_id()))
    return (
        os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), os.uname(), platform.node(),
        email.utils.make_msgid(), threading.get_ident(), threads, record.process, record.thread,
        repr(threading.current_thread()), repr(threading.main_thread()),
    )

print(simloop.run(main()))
"""


@pytest.mark.slow
def test_every_python_tells_the_same():
    """What a program can make ids, seeds and log lines of is the same in another process."""
    told = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert str(os.getpid()) not in told[0].replace("(", " ").split(", ")


def test_what_agrees_with_what():
    """The functions that tell one thing agree: of the process, of its thread, of its machine."""

    async def main():
        me = threading.current_thread()
        assert me.ident == threading.get_ident() == logging.makeLogRecord({}).thread
        assert me.native_id == threading.get_native_id() == os.getpid()
        assert me.ident in sys._current_frames()
        assert os.getpgid(0) == os.getpgid(os.getpid()) == os.getpgrp() == os.getsid(0)
        assert platform.node() == os.uname().nodename == platform.uname().node
        os.kill(os.getpid(), 0)
        domain = email.utils.make_msgid().rstrip(">").partition("@")[2]
        assert domain == os.uname().nodename
        return os.getpid()

    assert simloop.run(main()) == 1000 != os.getpid()


def test_the_stacks_of_threads_are_those_of_the_runs():
    """Real threads of the process, and those of an earlier run, are none of a run's."""

    async def main():
        ended = threading.Thread(target=int)
        ended.start()
        ended.join()
        await asyncio.to_thread(int)
        held = threading.Event()
        waiting = threading.Thread(target=held.wait, name="waiting")
        waiting.start()
        names = {each.ident: each.name for each in threading.enumerate()}
        found = [names[ident] for ident in sys._current_frames()]
        assert list(sys._current_exceptions()) == list(sys._current_frames())
        held.set()
        waiting.join()
        return found

    found = [simloop.simulate(main).value for _ in range(3)]
    assert found == [["MainThread", "asyncio_0", "waiting"]] * 3


def test_threads_of_a_run_are_told_apart():
    """Each thread of a run has an identifier of its own, known to itself and by its object."""
    told = []

    def tell():
        told.append((threading.get_ident(), threading.get_native_id()))

    async def main():
        threads = [threading.Thread(target=tell) for _ in range(3)]
        for thread in threads:
            assert thread.ident is None
            thread.start()
        for thread in threads:
            thread.join()
        assert [(each.ident, each.native_id) for each in threads] == told
        assert threading.get_ident() < min(told)[0]
        assert str(threads[0].ident) in repr(threads[0])

    simloop.run(main())
    assert len(dict.fromkeys(told)) == 3


def test_python_still_knows_its_threads():
    """``current_thread``, ``enumerate`` and locks of imports go by the real identifiers."""

    def tell():
        return threading.current_thread() in threading.enumerate()

    async def main():
        assert threading.current_thread() is threading.main_thread()
        return await asyncio.to_thread(tell)

    assert simloop.run(main())
    assert threading.get_ident() == threading.main_thread().ident


def test_what_reaches_real_processes_sees_real_numbers():
    """Where real processes or signals are allowed, the process is the real one."""
    real = os.getpid()

    async def main():
        with simloop.allow("subprocess"):
            assert os.getpid() == real
        with simloop.allow("signals"):
            assert os.getpid() == real
        return os.getpid()

    assert simloop.run(main()) == 1000


def test_a_number_from_before_the_run_is_the_program():
    """A program that kept its real number at import signals itself by it."""
    before, heard = os.getpid(), []

    async def main():
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.append, "it")
        os.kill(before, signal.SIGUSR1)
        await asyncio.sleep(1)

    simloop.run(main())
    assert heard == ["it"]


def test_a_registered_program_is_a_process_of_its_own():
    """Its number, parent and group are its own wherever its code runs, tasks and callbacks too."""
    told = []

    async def child(process):
        told.append((os.getpid(), os.getppid(), os.getpgrp(), process.parent.pid))
        asyncio.get_running_loop().call_soon(lambda: told.append(os.getpid()))
        await asyncio.create_task(tell())

    async def tell():
        await asyncio.sleep(1)
        told.append(os.getpid())

    async def main():
        world = asyncio.get_running_loop().world
        world.programs.register("child", child)
        process = await asyncio.create_subprocess_exec("child", start_new_session=True)
        await process.wait()
        assert process.pid in world.process.children
        return process.pid, os.getpid()

    pid, own = simloop.run(main())
    assert (pid, own) == (1001, 1000)
    assert told == [(1001, 1000, 1001, 1000), 1001, 1001]


def test_outside_everything_is_real():
    """After a run, and in other threads during one, the real numbers are back."""
    told = {}

    def beside():
        told["pid"], told["ident"] = os.getpid(), threading.get_ident()

    async def main():
        context = asyncio.get_running_loop().world.sandbox
        with context.outside():
            thread = threading.Thread(target=beside)
            thread.start()
            thread.join()
            told["real"] = thread.ident

    simloop.run(main())
    assert told["pid"] == os.getpid()
    assert told["ident"] == told["real"]
    assert os.uname().nodename == platform.node()
