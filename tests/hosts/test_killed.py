"""What is killed runs no more: no clean-up, no finalizer, no output, whoever holds its objects."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import gc
import importlib
import logging
import multiprocessing.pool
import multiprocessing.util
import os
import signal
import sys
import threading
import time
import warnings
import weakref
from functools import partial
from pathlib import Path

import pytest

import simloop

from .test_add_host import serve, world


class Traces:
    """What a killed program may leave no trace in."""

    def __init__(self):
        self.seen = []
        self.is_counting = False

    def note(self, what):
        self.seen.append(what)


TRACES = Traces()


class Noisy:
    """An object with a finalizer."""

    def __init__(self, name):
        self.name = name
        self.itself = self  # Only the garbage collector finds it.

    def __del__(self):
        TRACES.note(f"del {self.name}")


class Manager:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        TRACES.note("aexit")


@contextlib.contextmanager
def manager():
    try:
        yield
    finally:
        TRACES.note("manager")


async def numbers():
    try:
        for number in range(100):
            yield number
            await asyncio.sleep(1)
    finally:
        TRACES.note("generator")


async def careful(name):
    """Go from wait to wait, with everything that would tell of an end."""
    mine = Noisy(name)
    weakref.finalize(mine, TRACES.note, "finalize")
    try:
        async with Manager(), asyncio.timeout(500):
            with manager():
                async for number in numbers():
                    await asyncio.sleep(0.25)
                    await asyncio.to_thread(blocking, number)
                    print(f"{name} {number}")  # noqa: T201 - output of the killed is looked for
                    await asyncio.shield(asyncio.sleep(0.25))
    except asyncio.CancelledError:
        TRACES.note("cancelled")
        raise
    except BaseException as error:
        TRACES.note(error)
        raise
    finally:
        await asyncio.sleep(0)
        TRACES.note("finally")
    del mine


def blocking(number):
    mine = Noisy(f"thread {number}")
    try:
        with manager():
            time.sleep(0.25)
            threading.Event().wait(0.25)
    finally:
        TRACES.note(None if number < 90 else "thread")
    mine.itself = None
    TRACES.seen = [each for each in TRACES.seen if each not in {None, "manager"}]
    mine.name = "done"


async def everything():
    """Be a program with tasks, threads, a server, a child process and generators."""
    loop = asyncio.get_running_loop()
    loop.call_later(1000, TRACES.note, "timer")
    tasks = [asyncio.create_task(careful(name)) for name in "ab"]
    tasks.append(asyncio.create_task(serve()))
    tasks.append(asyncio.create_task(parent()))
    await asyncio.gather(*tasks)


async def child(process):
    try:
        await asyncio.sleep(1000)
    finally:
        TRACES.note("child")


async def parent():
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("child", stdout=pipe)
    try:
        await process.stdout.read()
    finally:
        TRACES.note("parent")


def is_noise(what):
    """Return whether a trace is of a thread's work that had ended before the kill."""
    return what is None or what == "del done"


@pytest.fixture(autouse=True)
def _no_traces():
    TRACES.seen = []
    yield
    left = [each for each in TRACES.seen if not is_noise(each)]
    TRACES.seen = []
    assert left == []


@pytest.fixture(autouse=True, scope="module")
def _no_traces_of_any():
    """Collect once more than the tests do: each time takes as long as the process is large."""
    yield
    TRACES.seen = []
    gc.collect()
    assert [each for each in TRACES.seen if not is_noise(each)] == []


def end(host, way):
    if way == "kill":
        host.processes[0].kill()
    elif way == "crash":
        host.crash()
    elif way == "restart":
        host.restart(asyncio.sleep, args=(0,))
    elif way == "stopped, and killed":
        host.processes[0].pause()
        host.processes[0].kill()
    elif way == "stopped, and the run ends":
        host.processes[0].pause()
    else:
        assert way == "the run ends"


WAYS = ["kill", "crash", "restart", "the run ends"]
STOPPED = ["stopped, and killed", "stopped, and the run ends"]


@pytest.mark.parametrize("way", WAYS + STOPPED)
@pytest.mark.parametrize("when", [0, 0.25, 0.3, 0.5, 0.6, 0.75, 1.1, 2, 3.3])
def test_nothing_of_a_killed_program_happens(way, when, capsys):
    """At whatever wait a program is killed, none of it runs afterwards, in the run or after it."""

    async def main():
        world().programs.register("child", child)
        host = world().add_host("db", everything)
        await asyncio.sleep(when)
        seen = [each for each in TRACES.seen if not is_noise(each)]
        printed = capsys.readouterr().out
        end(host, way)
        if way != "the run ends":
            await asyncio.sleep(2000)  # Its timers are due meanwhile, if it was only stopped.
        assert [each for each in TRACES.seen if not is_noise(each)] == seen == []
        return printed, capsys.readouterr().out

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        printed, after = simloop.run(main())
        gc.collect()
    assert after == ""
    assert (printed != "") == (when > 0.75)


def test_whoever_holds_the_objects_of_a_killed_program():
    """Its tasks, coroutines, generators and transports do nothing, whatever is done with them."""
    held = {}

    async def program():
        held["task"] = asyncio.current_task()
        held["coroutine"] = asyncio.current_task().get_coro()
        held["loop"] = asyncio.get_running_loop()
        held["future"] = asyncio.get_running_loop().create_future()
        held["generator"] = numbers()
        await anext(held["generator"])
        held["writer"] = (await asyncio.open_connection("driver", 80))[1]
        held["event"] = asyncio.Event()
        try:
            await held["future"]
        finally:
            TRACES.note("finally")

    async def waits():
        await held["event"].wait()
        TRACES.note("event")

    async def main():
        server = asyncio.create_task(serve())
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        host.start(waits)
        await asyncio.sleep(1)
        for process in host.processes:
            process.kill()
        held["future"].set_result(None)
        held["task"].cancel()
        held["event"].set()
        held["coroutine"].close()
        held["writer"].write(b"x")
        held["writer"].close()
        held["loop"].call_soon(TRACES.note, "soon")
        held["loop"].call_later(1, TRACES.note, "later").cancel()
        held["loop"].call_soon_threadsafe(TRACES.note, "threadsafe")
        held["loop"].create_task(serve())
        await held["generator"].aclose()
        await asyncio.sleep(10)
        server.cancel()
        return held["loop"].is_closed(), held["loop"].is_running()

    assert simloop.run(main()) == (True, False)
    held.clear()


class Masked:
    """An object that lets nobody ask what it is."""

    @property
    def __class__(self):
        TRACES.note("asked")
        raise RuntimeError("__class__")


@pytest.mark.parametrize("way", ["kill", "the run ends"])
def test_what_a_killed_program_holds_is_not_asked(way):
    """A proxy of an object that is gone, and one whose ``__class__`` raises, are let go of."""

    async def program():
        held = [weakref.proxy(Traces()), Masked(), Noisy("held")]
        await asyncio.sleep(100)
        held.clear()

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        end(host, way)

    simloop.run(main())
    gc.collect()
    assert TRACES.seen == []


_asked: list[int] = []


def _count_asked(event, args):
    if event == "gc.get_referents" and TRACES.is_counting:
        _asked.append(len(args[0]))


def test_what_there_was_before_the_run_is_not_gone_through():
    """The end of a killed program looks at what its run made, not at the whole process."""
    # That has a million objects in a large suite, and a search runs crashes by thousands.
    before = [[number] for number in range(100_000)]

    async def program():
        kept = [before, [before]]
        await asyncio.sleep(1e6)
        return kept

    async def main():
        db = world().add_host("db", program)
        await asyncio.sleep(1)
        db.processes[0].kill()

    simloop.run(main())  # What the first one imports is its own.
    sys.addaudithook(_count_asked)
    _asked.clear()
    TRACES.is_counting = True
    try:
        simloop.run(main())
    finally:
        TRACES.is_counting = False
    assert 0 < sum(_asked) < 20_000


@pytest.mark.parametrize("way", ["kill", "crash", "the run ends"])
def test_an_error_that_a_killed_thread_handles_is_not_finalized(way):
    """What it was raised with is let go of in silence, as the variables are."""

    def look_up():
        raise LookupError(Noisy("error"))

    def program():
        try:
            look_up()
        except LookupError:
            time.sleep(1000)

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        end(host, way)
        await asyncio.sleep(1)

    simloop.run(main())
    gc.collect()
    assert TRACES.seen == []


class OwnLocal(threading.local):
    """A thread-local object whose values each thread finds there."""

    def __init__(self):
        self.value = Noisy("first value")


LOCAL = threading.local()
OWN_LOCAL = OwnLocal()


@pytest.mark.parametrize("way", ["kill", "crash", "the run ends", "itself"])
@pytest.mark.parametrize("place", ["program", "thread", "worker"])
def test_what_is_local_to_a_killed_thread_is_not_finalized(way, place):
    """What it has in a ``threading.local`` goes in silence; what others have there stays."""

    def fill(wait):
        LOCAL.value = Noisy("value")
        OWN_LOCAL.more = Noisy("more")
        assert OWN_LOCAL.value
        LOCAL.itself = LOCAL
        hidden = threading.local()
        hidden.value = Noisy("hidden")
        wait()

    def program():
        wait = partial(time.sleep, 1000)
        if way == "itself":
            wait = partial(os.kill, os.getpid(), signal.SIGKILL)
        if place == "program":
            fill(wait)
        elif place == "thread":
            threading.Thread(target=fill, args=(wait,)).start()
        else:
            executor = concurrent.futures.ThreadPoolExecutor(1)
            executor.submit(fill, wait)
        time.sleep(1000)

    async def main():
        LOCAL.value = "of the test"
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        if way != "itself":
            end(host, way)
        await asyncio.sleep(1)

    simloop.run(main())
    gc.collect()
    assert TRACES.seen == []
    assert vars(LOCAL) == {"value": "of the test"}


@pytest.mark.parametrize("way", ["kill", "crash", "the run ends"])
def test_what_a_context_of_a_killed_program_holds_is_not_finalized(way):
    """The value of a context variable is let go of in silence, though a timer was set in there."""

    async def program():
        contextvars.ContextVar("mine").set(Noisy("value"))
        asyncio.get_running_loop().call_later(1000, TRACES.note, "timer")
        await asyncio.sleep(2000)

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        end(host, way)
        await asyncio.sleep(100)

    simloop.run(main())
    gc.collect()
    assert TRACES.seen == []


SCRIPT = """
import asyncio, sys, threading, time
from {here} import Noisy

SOMETHING = Noisy("global")

class Something:
    attribute = Noisy("attribute")

def something(default=Noisy("default")):
    return SOMETHING

sys.argv = [Noisy("argument")]
sys.excepthook = lambda *error, noisy=Noisy("hook"): None
if __name__ == "__main__":
    inner = Something()
    time.sleep(1000)
"""


@pytest.mark.parametrize("way", ["kill", "crash", "the run ends"])
@pytest.mark.parametrize("kind", ["script", "module", "fresh"])
def test_globals_of_a_killed_program_are_not_finalized(way, kind, tmp_path, monkeypatch):
    """What a script has at its top goes in silence, and what is in a module's copy of its own."""
    (tmp_path / "killed_script.py").write_text(SCRIPT.format(here=__name__))
    monkeypatch.syspath_prepend(str(tmp_path))

    async def use():
        importlib.import_module("killed_script")
        await asyncio.sleep(1000)

    programs = {"script": str(tmp_path / "killed_script.py"), "module": "killed_script"}

    async def main():
        fresh = ("killed_script",) if kind == "fresh" else ()
        host = world().add_host("db", programs.get(kind, use), fresh=fresh)
        await asyncio.sleep(1)
        process = host.processes[0]
        end(host, way)
        await asyncio.sleep(1)
        return process

    process = simloop.run(main())
    gc.collect()
    assert TRACES.seen == []
    assert process.argv == []


@pytest.mark.parametrize("way", ["kill", "crash", "the run ends"])
@pytest.mark.parametrize("make", [weakref.ref, weakref.proxy])
def test_weak_references_of_a_killed_program_are_not_called(way, make):
    """One that dies with what it refers to calls nothing; one that lives calls the living."""

    class Thing:
        pass

    seen = []
    held = []

    def program():
        thing = Thing()
        reference = make(thing, lambda _: TRACES.note("its own"))
        held.append(weakref.ref(thing, lambda _: seen.append("the test's")))
        time.sleep(1000)
        return reference, thing

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        end(host, way)
        await asyncio.sleep(1)
        assert not seen

    simloop.run(main())
    gc.collect()
    assert TRACES.seen == []
    assert seen == ["the test's"]


def test_jobs_that_wait_in_an_executor_of_a_killed_program_are_not_finalized():
    """The queue of its workers is let go of in silence, though a table of Python's holds it."""

    def program():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            for name in "abc":
                executor.submit(lambda _: time.sleep(1000), Noisy(name))
            time.sleep(2000)

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        host.processes[0].kill()
        await asyncio.sleep(100)

    simloop.run(main())
    gc.collect()
    assert TRACES.seen == []


@pytest.mark.parametrize("turns", range(4))
def test_executors_go_on_when_a_program_is_killed_in_the_middle_of_a_submit(turns):
    """All executors share a lock that a submit holds while its thread starts: it is given back."""

    def program():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            executor.submit(lambda _: time.sleep(100), Noisy("job"))
            time.sleep(1000)

    async def main():
        host = world().add_host("db", program)
        for _ in range(turns):
            await asyncio.sleep(0)
        host.processes[0].kill()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            return executor.submit(int, "7").result()

    before = threading.enumerate()
    assert simloop.run(main(), real_step_limit=20) == 7
    gc.collect()
    assert TRACES.seen == []
    # Nor does a real thread do what was submitted.
    assert [each for each in threading.enumerate() if each not in before] == []


@pytest.mark.parametrize("way", ["kill", "crash", "the run ends"])
def test_a_writer_that_the_test_holds_says_nothing_when_it_is_freed(way):
    """A stream of a process that was ended is closed, and no warning says that it was left open."""

    async def connect(writers):
        writers += await asyncio.open_connection("server", 80)
        await asyncio.sleep(1000)

    async def main():
        writers = []
        world().add_host("server", serve)
        host = world().add_host("client", connect, args=(writers,))
        await asyncio.sleep(1)
        if way == "kill":
            host.processes[0].kill()
        elif way == "crash":
            host.crash()
        await asyncio.sleep(1)
        assert writers[1].is_closing() == (way != "the run ends")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        simloop.run(main())
        gc.collect()
    assert [str(each.message) for each in told] == []


def test_what_the_living_hold_is_theirs():
    """An object that a killed program shared with the test is finalized as ever."""
    shared = [Noisy("shared")]
    shared[0].itself = None

    async def program(thing):
        mine = [thing]
        await asyncio.sleep(1000)
        return mine

    async def main():
        host = world().add_host("db", program, args=(shared[0],))
        await asyncio.sleep(1)
        host.processes[0].kill()

    simloop.run(main())
    assert TRACES.seen == []
    shared.clear()
    gc.collect()
    assert TRACES.seen == ["del shared"]
    TRACES.seen = []


def kill_by(way):
    if way == "os.kill":
        os.kill(os.getpid(), 9)
    elif way == "os.abort":
        os.abort()
    elif way == "os._exit":
        os._exit(5)
    else:
        world().hosts["db"].crash()


@pytest.mark.parametrize("way", ["os.kill", "os.abort", "os._exit", "crash"])
@pytest.mark.parametrize("place", ["task", "callback", "thread", "plain"])
def test_a_program_that_kills_itself_goes_no_further(way, place):
    """The call that ends the caller's own process never returns, and nothing catches it."""

    def suicide():
        mine = Noisy("suicide")
        try:
            with manager():
                kill_by(way)
            TRACES.note("went on")
        except BaseException:
            TRACES.note("caught")
            raise
        finally:
            TRACES.note("finally")
        del mine

    async def program():
        loop = asyncio.get_running_loop()
        if place == "thread":
            await asyncio.to_thread(suicide)
        elif place == "callback":
            loop.call_later(1, suicide)
            await asyncio.sleep(1000)
        else:
            await asyncio.sleep(1)
            suicide()
        TRACES.note("went on")

    def plain():
        time.sleep(1)
        suicide()

    async def main():
        process = world().add_host("db").start(plain if place == "plain" else program)
        code = await process.exited()
        await asyncio.sleep(1)
        with contextlib.suppress(LookupError), manager():
            raise LookupError
        assert TRACES.seen == ["manager"]  # Handlers are in place again.
        TRACES.seen = []
        return code

    assert simloop.run(main()) == {"os.abort": -6, "os._exit": 5}.get(way, -9)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["kill", "crash"])
def test_memory_is_flat_over_many_runs(way):
    """Runs whose hosts were killed leave neither objects nor threads behind."""

    async def main():
        world().programs.register("child", child)
        host = world().add_host("db", everything)
        for _ in range(2):
            await asyncio.sleep(0.6)
            end(host, way)
            host.restart()

    def run(times):
        for _ in range(times):
            simloop.run(main())
        gc.collect()
        return len(gc.get_objects()), threading.active_count()

    run(20)
    objects, threads = run(20)
    objects_after, threads_after = run(400)
    assert threads_after == threads
    assert objects_after - objects < 400  # Not one for each run, which has some thousands.


@pytest.mark.parametrize("how", ["kill", "crash"])
def test_logging_goes_on_when_a_process_was_killed_in_the_middle_of_a_record(how):
    """The lock of the handler is free for all others, and for the interpreter's own end."""
    # Processes share the modules of the test; on machines each has a lock of its own.

    class Slow(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())
            time.sleep(100)

    def client(text):
        logging.getLogger("shop").warning(text)

    async def main():
        world = simloop.current_world()
        killed = world.add_host("killed", client, args=("never done",))
        waits = world.add_host("waits", client, args=("waited",))
        await asyncio.sleep(1)
        killed.processes[0].kill() if how == "kill" else killed.crash()
        await waits.processes[0].exited()
        return asyncio.get_running_loop().time()

    told, handler, logger = [], Slow(), logging.getLogger("shop")
    logger.addHandler(handler)
    try:
        assert simloop.run(main()) == 101
        assert told == ["never done", "waited"]
        assert handler.lock.acquire(blocking=False)
        handler.lock.release()
    finally:
        logger.removeHandler(handler)


@pytest.mark.parametrize("way", ["kill", "the run ends"])
def test_a_killed_thread_pool_leaves_nothing(way):
    """Neither its jobs nor its real pipes, its finalizer or the waits for it outlive the run."""

    def program():
        with multiprocessing.pool.ThreadPool(2) as pool:
            while True:
                pool.map(time.sleep, [0.01] * 4)

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(0.05)
        end(host, way)
        await asyncio.sleep(1)

    def count():
        gc.collect()
        pipes = len([*Path("/proc/self/fd").iterdir()]) if sys.platform == "linux" else 0
        return len(gc.get_objects()), pipes, len(multiprocessing.util._finalizer_registry)

    for _ in range(3):
        simloop.run(main())
    objects, *others = count()
    for _ in range(10):
        simloop.run(main())
    objects_after, *others_after = count()
    assert others_after == others
    assert objects_after - objects < 100  # Of a run's some hundreds not one.
