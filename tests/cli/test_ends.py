"""The end of a program: what Python does there is done by ``simloop run``, in the world.

One script on both arms: the interpreter itself, in a process, and the command.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import weakref
from textwrap import dedent
from types import SimpleNamespace

import pytest

from simloop.cli import ExitStatus

pytestmark = pytest.mark.slow  # Two processes for each.

_CLOSING = re.compile(r"simloop: .* digest [0-9a-f]{32}\n")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def _told(text):
    """What is said on stderr, but for addresses and for marks below lines of code."""
    lines = _ADDRESS.sub("", _CLOSING.sub("", text)).splitlines()
    return [line for line in lines if set(line.strip()) - set("^~")]


@pytest.fixture
def both(command, tmp_path):
    """Run a script by Python and by the command; give what each wrote, told and returned."""

    def both(text, *line):
        (tmp_path / "app.py").write_text(dedent(text))
        real = subprocess.run(
            [sys.executable, "app.py"], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        return [
            SimpleNamespace(out=done.stdout, err=_told(done.stderr), status=done.returncode)
            for done in (real, command("run", "app.py", *line))
        ]

    return both


LEAVES = """
    import asyncio, atexit, sys, threading, time
    from concurrent.futures import ThreadPoolExecutor

    atexit.register(print, "the end", flush=True)

    def work():
        time.sleep(0.1)
        print("worked", flush=True)

    async def main():
        HOW

    asyncio.run(main())
    print("the script ends", flush=True)
"""


@pytest.mark.parametrize(
    "how",
    [
        "threading.Thread(target=work).start()",
        "threading.Thread(target=work).start(); sys.exit(3)",
        "threading.Thread(target=work).start(); sys.exit('told')",
        "threading.Thread(target=work).start(); raise ValueError('wrong')",
        "ThreadPoolExecutor(1).submit(work)",
        "global pool; pool = ThreadPoolExecutor(1); pool.submit(work); pool.submit(work)",
        "threading.Timer(0.1, work).start()",
        "threading.Thread(target=lambda: threading.Thread(target=work).start()).start()",
        "threading.Thread(target=work, daemon=True).start()",
    ],
)
def test_threads_that_are_left_end_first(both, how):
    """Threads that are no daemons, and jobs of pools, come before the functions of atexit."""
    if "lambda" in how and sys.version_info[:2] == (3, 12):
        how = how.replace("lambda: threading", "lambda: None and threading")  # It refuses these.
    real, ours = both(LEAVES.replace("HOW", how))
    assert (ours.out, ours.status) == (real.out, real.status)
    if "daemon" not in how and "None" not in how:
        assert "worked\nthe end" in ours.out
    if "ValueError" in how or "told" in how:
        assert ours.err[-1] == real.err[-1]


def test_a_thread_goes_on_when_the_loop_is_closed(both):
    """What a coroutine has started does not end with ``asyncio.run``; the script may join it."""
    real, ours = both("""
        import asyncio, threading, time

        def work():
            try:
                time.sleep(0.1)
                print("slept")
                event.wait()
                print("woken")
            finally:
                print("done")

        event = threading.Event()

        async def main():
            global thread
            thread = threading.Thread(target=work)
            thread.start()

        asyncio.run(main())
        print(thread.is_alive())
        time.sleep(0.2)
        event.set()
        thread.join()
        print("joined")
    """)
    assert ours == real
    assert ours.out == "True\nslept\nwoken\ndone\njoined\n"


def test_a_job_of_the_default_executor_goes_on_when_the_loop_is_closed(both):
    """A loop that is closed with jobs at work does not wait; the end of the program does."""
    real, ours = both("""
        import asyncio, atexit, time

        def work(number):
            time.sleep(0.05)
            print("worked", number, flush=True)

        atexit.register(print, "the end")
        loop = asyncio.new_event_loop()
        async def main():
            await loop.run_in_executor(None, print, "first")
            loop.run_in_executor(None, work, 2)
        loop.run_until_complete(main())
        loop.close()
        print("closed", flush=True)
    """)
    assert ours == real
    assert ours.out == "first\nclosed\nworked 2\nthe end\n"


def test_a_daemon_goes_no_further(both):
    """It stands still where it is: no ``finally`` of it is run, and nobody waits for it."""
    real, ours = both("""
        import asyncio, threading, time

        def work():
            try:
                time.sleep(1000)
            finally:
                print("never")

        async def main():
            threading.Thread(target=work, daemon=True).start()
            await asyncio.sleep(0.01)

        asyncio.run(main())
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.01)
        print("ends")
    """)
    assert ours == real
    assert ours.out == "ends\n"


def test_what_is_too_late_at_the_end_is_refused(both):
    """Pools take no more jobs, and functions that come before threads are called first."""
    real, ours = both("""
        import asyncio, atexit, threading, time
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(1)

        def late():
            for each in (pool, ThreadPoolExecutor(1)):
                try:
                    each.submit(print, "job")
                except RuntimeError as error:
                    print(error)
            try:
                threading._register_atexit(print)
            except RuntimeError as error:
                print(error)
            atexit.register(print, "too late")

        def work():
            time.sleep(0.1)
            late()

        async def main():
            threading.Thread(target=work).start()
            threading._register_atexit(print, "first of the threads'")
            threading._register_atexit(print, "last of the threads'")
            pool.submit(print, "pooled").result()

        asyncio.run(main())
        atexit.register(late)
    """)
    assert ours == real
    assert "interpreter shutdown" in ours.out


def test_a_thread_that_never_ends_is_a_deadlock(run):
    """Python would wait for ever; it is told where the thread waits, and that all else is over."""
    done = run(
        dedent("""
        import asyncio, atexit, threading

        def work():
            threading.Event().wait()

        async def main():
            threading.Thread(target=work).start()

        atexit.register(print, "never")
        asyncio.run(main())
        print("the script ends")
    """)
    )
    assert (done.status, done.out) == (ExitStatus.DEADLOCK, "the script ends\n")
    assert "app.py:5" in done.err
    assert "has ended" in done.err


def test_errors_of_functions_for_the_end_are_told_as_by_python(both):
    """After what the program ended by, without a context, and with no frames but the program's."""
    real, ours = both("""
        import asyncio, atexit, sys, weakref

        def fail():
            raise KeyError("x")

        class Thing:
            pass

        thing = Thing()
        weakref.finalize(thing, fail)
        atexit.register(fail)
        atexit.register(sys.exit, "exit")
        atexit.register(lambda: atexit.register(print, "too late"))

        async def main():
            return 1 / 0

        try:
            asyncio.run(main())
        except ZeroDivisionError:
            sys.exit("goodbye")
    """)
    assert (ours.out, ours.status) == (real.out, real.status)
    of_library = "weakref.py", "f()", "return info"
    told = [
        [line for line in done.err if not any(each in line for each in of_library)]
        for done in (ours, real)
    ]
    assert told[0] == told[1]
    assert ours.err[0] == "goodbye"
    assert not any("simloop" in line or "During" in line for line in ours.err)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_program_may_close_its_output(both, name):
    """The command says its own where it still can, and fails by nothing of this."""
    source = f"""
    import asyncio, sys
    asyncio.run(asyncio.sleep(1))
    print("told", file=sys.{name})
    sys.{name}.close()
    """
    real, ours = both(source)
    assert (ours.out, ours.err, ours.status) == (real.out, real.err, real.status)


def test_a_hook_of_the_programs_hears_of_its_error(both):
    """``sys.excepthook`` of a script is called by its end, but not for ``sys.exit``."""
    real, ours = both("""
        import asyncio, sys

        def hook(kind, error, traceback):
            print("heard", kind.__name__, error, traceback is error.__traceback__)

        sys.excepthook = hook

        async def main():
            raise ValueError("wrong")

        asyncio.run(main())
    """)
    assert ours == real
    assert ours.out == "heard ValueError wrong True\n"


def test_a_hook_that_fails_is_told(both):
    """With the error of the hook and the one that it was to hear of."""
    real, ours = both("""
        import asyncio, sys

        def hook(kind, error, traceback):
            raise LookupError("of the hook")

        sys.excepthook = hook
        asyncio.run(asyncio.sleep(0))
        raise ValueError("wrong")
    """)
    assert ours.status == real.status == 1
    assert [line for line in ours.err if not line.startswith("  ")] == [
        line for line in real.err if not line.startswith("  ")
    ]


def test_a_daemon_that_runs_a_loop_goes_no_further(both):
    """Nor do the tasks of a loop that it runs for ever."""
    real, ours = both("""
        import asyncio, threading, time

        async def tick():
            try:
                await asyncio.sleep(1000)
            finally:
                print("never")

        threading.Thread(target=lambda: asyncio.run(tick()), daemon=True).start()
        time.sleep(0.05)
        print("ends")
    """)
    assert ours == real
    assert ours.out == "ends\n"


ENDS_ON_DISK = """
    import asyncio, atexit, logging, logging.handlers, os, tempfile, weakref
    import helper

    class Thing:
        pass

    def write(name):
        with open(name, "w") as file:
            file.write("x")
        print(name, sorted(os.listdir(folder.name)), flush=True)

    thing = Thing()
    folder = tempfile.TemporaryDirectory(dir=".")
    weakref.finalize(thing, write, folder.name + "/finalized.txt")
    spared = weakref.finalize(thing, write, folder.name + "/spared.txt")
    spared.atexit = False

    async def main():
        weakref.finalize(asyncio.all_tasks, write, folder.name + "/of_a_coroutine.txt")
        await asyncio.sleep(0.01)

    asyncio.run(main())
    held = logging.handlers.MemoryHandler(100, target=logging.FileHandler("kept.log"))
    logging.getLogger().addHandler(held)
    logging.warning("held back")
    print(held.buffer[0].getMessage(), flush=True)
"""
HELPER = """
    import atexit, os
    atexit.register(lambda: print("of a module", sorted(os.listdir("."))))
"""


def test_finalizers_and_logs_end_in_the_world(both, tmp_path, command):
    """Finalizers, temporary folders, what a module registers, held records: on the run's disk."""
    (tmp_path / "helper.py").write_text(dedent(HELPER))
    real, ours = both(ENDS_ON_DISK)
    name = re.compile(r"tmp\w+")
    assert name.sub("tmp", ours.out) == name.sub("tmp", real.out)
    assert (ours.err, ours.status) == (real.err, real.status)
    assert (tmp_path / "kept.log").read_text() == "held back\n" * 2
    (tmp_path / "kept.log").unlink()
    before = sorted(tmp_path.iterdir())
    done = command("run", "--disk", "app.py")
    assert name.sub("tmp", done.stdout) == name.sub("tmp", real.out)
    assert sorted(tmp_path.iterdir()) == before


def test_what_tools_registered_before_is_left_alone(run):
    """A finalizer and a handler of the process around a run of the command stay as they are."""
    called = []

    class Thing(logging.Handler):
        def flush(self):
            called.append("flushed")

    thing = Thing()
    finalizer = weakref.finalize(thing, called.append, "finalized")
    assert run("import asyncio; asyncio.run(asyncio.sleep(1))").status == 0
    assert (called, finalizer.detach() is not None) == ([], True)
