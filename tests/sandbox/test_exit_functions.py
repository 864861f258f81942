"""Functions for the end of a process: whose they are, and when they are called."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent

import pytest

import simloop

SCRIPT = """
    import asyncio, atexit, os, sys, threading, weakref

    class Thing:
        pass

    def fail():
        raise ValueError("at the end")

    async def main():
        atexit.register(print, "registered in a coroutine", flush=True)
        await asyncio.sleep(0.01)

    @atexit.register
    def last():
        print("last")

    def helper():
        print("the thread ends")

    atexit.register(print, "twice", sep="")
    atexit.register(print, "twice", sep="")
    atexit.register(fail)
    atexit.register(helper)
    atexit.unregister(helper)
    thing = Thing()
    weakref.finalize(thing, print, "the thing is finalized")
    spared = weakref.finalize(thing, print, "never")
    spared.atexit = False
    asyncio.run(main())
    print("the script ends")
"""


def _run(tmp_path, text, *command):
    script = tmp_path / "script.py"
    script.write_text(dedent(text))
    done = subprocess.run(
        [sys.executable, *command, str(script)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    return done.stdout, done.stderr, done.returncode


def test_a_script_ends_as_with_python(tmp_path):
    """Functions are called after the script, the last first, and an error in one is only told."""
    # The thing's finalizer is called by the interpreter's end: it may be what a program returns.
    real, complaint, status = _run(tmp_path, SCRIPT)
    assert "Exception ignored in atexit callback" in complaint
    assert "ValueError: at the end" in complaint
    ours, our_complaint, our_status = _run(tmp_path, SCRIPT, "-m", "simloop", "run")
    assert re.search("Exception ignored in atexit callback:? <function fail", our_complaint)
    assert "ValueError: at the end" in our_complaint
    assert sorted(ours.splitlines()) == sorted(real.splitlines())
    assert [line for line in ours.splitlines() if "finalized" not in line] == [
        line for line in real.splitlines() if "finalized" not in line
    ]
    assert our_status == status == 0


@pytest.mark.parametrize("how", ["raise ValueError('first')", "sys.exit(3)", "return"])
def test_they_are_called_however_a_program_ends(tmp_path, how):
    """Also after an error and ``sys.exit``, with the same output and status as Python's."""
    text = f"""
        import asyncio, atexit, sys

        async def main():
            atexit.register(print, "the end")
            {how}

        asyncio.run(main())
    """
    real, _, status = _run(tmp_path, text)
    ours, _, our_status = _run(tmp_path, text, "-m", "simloop", "run")
    assert (ours, our_status) == (real, status)
    assert "the end" in ours


def test_a_run_ends_in_its_own_time_and_digest():
    """What is called at a run's end sees the run's clock, and what it prints is in the digest."""
    seen = []

    async def main(text):
        atexit.register(print, text)
        atexit.register(lambda: seen.append(time.monotonic()))
        await asyncio.sleep(5)

    digests = [simloop.simulate(lambda text=text: main(text)).digest for text in "aab"]
    assert seen == [5.0] * 3
    assert digests[0] == digests[1] != digests[2]


def test_what_a_run_registers_is_no_matter_of_the_process():
    """A thousand runs leave nothing for the interpreter's end."""
    before = atexit._ncallbacks()

    async def main():
        atexit.register(print)
        atexit.unregister(print)
        atexit.register(list)
        return atexit._ncallbacks()

    assert simloop.run(main()) == 1
    assert atexit._ncallbacks() == before


def test_a_deadlock_calls_none():
    """A program that the world ends is stopped where it is: it never came to its end."""
    called = []

    async def main():
        atexit.register(called.append, 1)
        await asyncio.Event().wait()

    with pytest.raises(simloop.DeadlockError):
        simloop.run(main())
    assert called == []


def test_what_is_returned_is_not_finalized():
    """A temporary folder that a run returns is there after it."""

    async def main():
        return tempfile.TemporaryDirectory()

    with simloop.run(main()) as folder:
        assert weakref.finalize._registry
        assert tempfile.gettempdir() in folder


class Thing:
    """Something to be finalized."""


def _keep(kept, called, name):
    """Register whatever a process can: a function, a finalizer of what is kept."""
    kept.append(Thing())
    weakref.finalize(kept[-1], called.append, f"{name} finalizes")
    atexit.register(called.append, f"{name} ends")


@pytest.mark.parametrize("is_coroutine", [True, False])
def test_a_process_of_a_host_calls_its_own(is_coroutine):
    """One that ends by itself does; of one that is killed, or whose machine fails, nothing runs."""
    called, kept = [], []

    async def serve(name, seconds):
        _keep(kept, called, name)
        await asyncio.sleep(seconds)

    def block(name, seconds):
        _keep(kept, called, name)
        time.sleep(seconds)

    async def main():
        world = simloop.current_world()
        program = serve if is_coroutine else block
        hosts = [
            world.add_host(name, program, args=(name, 1 if name == "ended" else 9))
            for name in ("ended", "killed", "crashed")
        ]
        await asyncio.sleep(2)
        hosts[1].processes[0].kill()
        hosts[2].crash()
        await asyncio.sleep(9)

    simloop.run(main())
    kept.clear()
    assert called == ["ended ends", "ended finalizes"]


def test_a_function_of_a_process_may_block_and_run_a_loop():
    """It runs in the process's main thread, on no loop, as in Python."""
    seen = []

    async def goodbye():
        await asyncio.sleep(1)
        return time.monotonic()

    def end():
        time.sleep(1)
        main = threading.current_thread() is threading.main_thread()
        seen.append((asyncio.run(goodbye()), main))

    async def serve():
        atexit.register(end)

    async def main():
        host = simloop.current_world().add_host("db", serve)
        return await host.processes[0].exited(), time.monotonic()

    assert simloop.run(main()) == (0, 2.0)
    assert seen == [(2.0, True)]


def test_a_killed_process_runs_no_finalizer_of_what_it_registered():
    """What only a function for the end holds goes in silence with its process."""
    called = []

    class Loud:
        def __del__(self):
            called.append("finalized")

        def end(self):
            called.append("ended")

    async def serve():
        atexit.register(Loud().end)
        await asyncio.sleep(9)

    async def main():
        host = simloop.current_world().add_host("db", serve)
        await asyncio.sleep(1)
        host.processes[0].kill()
        await asyncio.sleep(1)

    simloop.run(main())
    assert called == []


def test_a_registered_program_calls_its_own():
    """A program of the world that a subprocess runs calls them before its streams are closed."""

    async def program(process):
        atexit.register(lambda: process.stdout.write(b"the end\n"))
        process.stdout.write(b"works\n")

    async def main():
        simloop.current_world().programs.register("tool", program)
        child = await asyncio.create_subprocess_exec("tool", stdout=subprocess.PIPE)
        return (await child.communicate())[0]

    assert simloop.run(main()) == b"works\nthe end\n"


def test_a_module_that_a_run_imports_registers_with_the_interpreter(tmp_path, monkeypatch):
    """It stays loaded for later runs, so its function is called when all of them are over."""
    (tmp_path / "registers_as_it_loads.py").write_text(
        "import atexit\ndef end(): pass\natexit.register(end)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    before = atexit._ncallbacks()

    async def main():
        import registers_as_it_loads

        return registers_as_it_loads.end

    end = simloop.run(main())
    assert atexit._ncallbacks() == before + 1
    atexit.unregister(end)


async def _hangs():
    atexit.register(lambda: threading.Event().wait())


async def _hangs_on_a_loop():
    atexit.register(lambda: asyncio.run(asyncio.Event().wait()))


async def _breaks_a_property():
    def end():
        with contextlib.suppress(simloop.SimError):
            simloop.unreachable("in the end")

    atexit.register(end)


async def _goes_on_for_ever():
    async def tick():
        while True:
            await asyncio.sleep(1)

    atexit.register(lambda: asyncio.run(tick()))


async def _reaches_out():
    atexit.register(os.fork)


@pytest.mark.parametrize(
    ("main", "kind"),
    [
        (_hangs, simloop.DeadlockError),
        (_hangs_on_a_loop, simloop.DeadlockError),
        (_breaks_a_property, simloop.PropertyError),
        (_goes_on_for_ever, simloop.LimitError),
        (_reaches_out, simloop.EscapeError),
    ],
)
def test_what_the_world_ends_in_a_function_ends_the_run(main, kind):
    """A deadlock, a limit, a broken property there is the run's outcome, and an exploration's."""
    called = []

    async def program():
        atexit.register(called.append, "too late")
        await main()

    outcome = simloop.simulate(program, max_time=50)
    assert type(outcome.error) is kind
    assert called == ["too late"] * (main is _breaks_a_property)  # That function has returned.
    with pytest.raises(kind):
        simloop.run(program(), max_time=50)
    found = simloop.explore(program, schedules=2, max_time=50, shrink=False)
    assert [type(failure.error) for failure in found.failures] == [kind]


def test_the_error_of_the_world_has_the_programs_as_its_context():
    """Both are told, and neither is the other's for want of an end of its own."""

    async def main():
        atexit.register(lambda: threading.Event().wait())
        raise ValueError("of the program")

    error = simloop.simulate(main).error
    assert type(error) is simloop.DeadlockError
    assert repr(error.__context__) == "ValueError('of the program')"


def test_an_error_of_a_function_has_no_context(capsys, monkeypatch):
    """How the program ended is no context of it, whatever that was."""
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: heard.append(told.exc_value))

    async def main():
        atexit.register({}.pop, "x")
        raise ValueError

    assert type(simloop.simulate(main).error) is ValueError
    assert [(repr(error), error.__context__, error.__traceback__) for error in heard] == [
        ("KeyError('x')", None, None)
    ]


def test_a_failing_property_of_a_host_at_its_end_fails_the_run():
    """As one that fails in its program."""

    def serve():
        atexit.register(lambda: simloop.unreachable("in the end"))

    async def main():
        simloop.current_world().add_host("db", serve)
        await asyncio.sleep(1)

    assert type(simloop.simulate(main).error) is simloop.PropertyError


def test_what_is_registered_too_late_is_not_called():
    """A function of a host's process that registers another one comes too late, as in Python."""
    called = []

    def serve():
        atexit.register(lambda: atexit.register(called.append, "late"))
        atexit.register(called.append, "in time")

    async def main():
        await simloop.current_world().add_host("db", serve).processes[0].exited()

    simloop.run(main())
    assert called == ["in time"]


@pytest.mark.parametrize("how", ["return", "raise ValueError('x')", "sys.exit(3)"])
@pytest.mark.parametrize("kind", ["plain", "plain with a loop", "coroutine", "script"])
def test_a_process_of_a_host_waits_for_its_threads(how, kind, tmp_path, monkeypatch):
    """For those that are no daemons, however it ends, before its functions for the end."""
    seen = []
    body = f"""
        def work(start):
            time.sleep(0.5)
            seen.append(("worked", time.monotonic() - start))

        def begin():
            start = time.monotonic()
            atexit.register(seen.append, "the end")
            threading.Thread(target=work, args=(start,)).start()
            ThreadPoolExecutor(1).submit(work, start)
            threading.Thread(target=time.sleep, args=(9,), daemon=True).start()

        def plain():
            begin()
            {how}

        async def coroutine():
            begin()
            {how}

        def looping():
            asyncio.run(coroutine())
    """
    names = {
        "asyncio": asyncio, "atexit": atexit, "seen": seen, "sys": sys, "threading": threading,
        "time": time, "ThreadPoolExecutor": ThreadPoolExecutor,
    }  # fmt: skip
    exec(dedent(body), names)  # noqa: S102 - how it ends is a statement
    program = names.get({"plain with a loop": "looping"}.get(kind, kind))
    if kind == "script":
        program = tmp_path / "app.py"
        imports = (
            "import asyncio, atexit, sys, threading, time\n"
            "from concurrent.futures import ThreadPoolExecutor\nseen = sys.seen\n"
        )
        program.write_text(f"{imports}{dedent(body)}\nplain()")
        monkeypatch.setattr(sys, "seen", seen, raising=False)

    async def main():
        await asyncio.sleep(1)
        host = simloop.current_world().add_host("db", program)
        return await host.processes[0].exited(), time.monotonic()

    code = {"return": 0, "sys.exit(3)": 3}.get(how, 1)
    assert simloop.run(main()) == (code, 1.5)
    assert seen == [("worked", 0.5)] * 2 + ["the end"]


def test_a_process_whose_thread_never_ends_is_a_deadlock():
    """Python waits for it for ever, and so does who waits for the process."""

    def serve():
        threading.Thread(target=threading.Event().wait).start()

    async def main():
        await simloop.current_world().add_host("db", serve).processes[0].exited()

    error = simloop.simulate(main).error
    assert type(error) is simloop.DeadlockError
    assert "wait" in str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="disks are made over calls of Linux")
def test_a_run_on_a_disk_of_its_own_is_finalized_in_it(tmp_path):
    """After the run a finalizer would write to the real files; what it returns is of its disk."""
    kept = Thing()
    target = tmp_path / "finalized.txt"
    seen = []

    def finalize():
        target.write_text(str(time.monotonic()))
        seen.append(target.read_text())

    async def main():
        weakref.finalize(kept, finalize)
        await asyncio.sleep(5)
        return tempfile.TemporaryDirectory()

    outcome = simloop.simulate(main, disk=True)
    assert (seen, outcome.error, target.exists()) == (["5.0"], None, False)
    assert not outcome.value._finalizer.alive
    assert seen == ["5.0"]
    world = simloop.World(disk=True)  # Its next run finds what this one leaves.
    folder = simloop.run(main(), world=world)
    assert folder._finalizer.detach()
