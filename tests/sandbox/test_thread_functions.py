"""What is told a thread by its identifier: the C library, by ctypes, and Python itself."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import signal
import sys
import threading
import time

import pytest

import simloop

_LIBC = ctypes.CDLL(None)
_set_name = _LIBC.pthread_setname_np
"""Looked up before all runs, as trio does it."""
_set_name.argtypes = [ctypes.c_void_p, ctypes.c_char_p]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="functions of glibc")


@pytest.fixture(params=["simulated", "real"])
def run(request):
    """Run a coroutine function on the simulated loop, or on the real one."""
    return simloop.run if request.param == "simulated" else asyncio.run


class Waiting(threading.Thread):
    """A thread that is there until it is told to end."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def run(self) -> None:
        self.may_end.wait()

    def end(self) -> None:
        self.may_end.set()
        self.join()


def begun() -> Waiting:
    """Return a thread that is there."""
    thread = Waiting()
    thread.start()
    return thread


def test_a_thread_is_named_by_a_function_looked_up_before(run) -> None:
    """Its identifier is that of a thread, for the C library as well."""

    async def main():
        thread = begun()
        named = _set_name(thread.ident, b"worker"), _set_name(threading.get_ident(), b"main")
        await asyncio.to_thread(thread.end)
        return named

    assert run(main()) == (0, 0)


def test_a_library_that_is_loaded_in_a_run(run) -> None:
    """Its functions see threads as all do, whatever type their arguments are given."""

    async def main():
        library = ctypes.CDLL(None)
        thread = begun()
        name = ctypes.create_string_buffer(16)
        library.pthread_setname_np(ctypes.c_ulong(thread.ident), b"given")
        library["pthread_getname_np"](ctypes.c_ulong(thread.ident), name, ctypes.c_size_t(16))
        library.pthread_self.restype = ctypes.c_ulong
        await asyncio.to_thread(thread.end)
        return name.value, library.pthread_self() == threading.get_ident()

    assert run(main()) == (b"given", True)


def test_a_thread_that_has_ended_is_none() -> None:
    """The answer is that there is no such thread; a real one is no thread's any more."""

    async def main():
        thread = begun()
        await asyncio.to_thread(thread.end)
        with pytest.raises(ProcessLookupError):
            signal.pthread_kill(thread.ident, 0)
        return _set_name(thread.ident, b"gone")

    assert simloop.run(main()) == errno.ESRCH


def test_a_living_thread_is_told_by_signal_0(run) -> None:
    """``pthread_kill`` with 0 says nothing of a thread that is there."""

    async def main():
        thread = begun()
        told = [signal.pthread_kill(each, 0) for each in (thread.ident, threading.get_ident())]
        told.append(_LIBC.pthread_kill(ctypes.c_ulong(thread.ident), 0))
        await asyncio.to_thread(thread.end)
        return told

    assert run(main()) == [None, None, 0]


@pytest.mark.parametrize("name", ["pthread_cancel", "pthread_detach", "pthread_join"])
def test_what_would_end_a_real_thread_is_refused(name) -> None:
    """The error names the function and the way out."""

    async def main():
        thread = begun()
        getattr(_LIBC, name)(ctypes.c_ulong(thread.ident), None)

    with pytest.raises(simloop.UnsupportedError, match=rf"{name}\(\) by ctypes.*Event"):
        simloop.run(main())


def test_outside_of_runs_ctypes_is_as_ever() -> None:
    """Nothing is left on the classes of ctypes, nor in what it has of Python's functions."""

    async def main():
        _set_name(threading.get_ident(), b"main")

    simloop.run(main())
    assert "__call__" not in vars(type(_set_name))
    assert type(ctypes.pythonapi.PyThreadState_SetAsyncExc) is ctypes.pythonapi._FuncPtr


# PyThreadState_SetAsyncExc ----------------------------------------------------------------------


class StopError(Exception):
    """What is raised in a thread."""


def stop(thread, error=StopError):
    """Raise an error in a thread, as func_timeout and many recipes do; return in how many."""
    return ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(error)
    )


def work(out):
    """Work in many small sleeps."""
    try:
        for _ in range(200):
            time.sleep(0.01)
        out.append("went on to its end")
    except StopError:
        out.append("stopped")


def test_an_error_is_raised_in_a_thread(run) -> None:
    """It comes where the thread goes on by itself; who raised it is told that there is one."""

    async def main():
        out = []
        thread = threading.Thread(target=work, args=(out,))
        thread.start()
        await asyncio.sleep(0.05)
        told = stop(thread)
        await asyncio.to_thread(thread.join)
        return told, out

    assert run(main()) == (1, ["stopped"])


def test_an_error_comes_in_the_middle_of_no_wait(run) -> None:
    """A thread that waits hears of it when its wait is over, at a lock and in a sleep."""

    async def main():
        out, lock = [], threading.Lock()
        lock.acquire()

        def wait():
            try:
                lock.acquire()
                out.append("not reached")
            except StopError:
                out.append("after the lock")

        thread = threading.Thread(target=wait)
        thread.start()
        await asyncio.sleep(0.01)
        stop(thread)
        await asyncio.sleep(0.05)
        out.append("released")
        lock.release()
        await asyncio.to_thread(thread.join)
        return out

    assert run(main()) == ["released", "after the lock"]


def test_an_error_may_be_taken_back() -> None:
    """As with NULL in the place of it, after which CPython 3.11 itself may stand still."""

    async def main():
        out = []
        thread = threading.Thread(target=work, args=(out,))
        thread.start()
        await asyncio.sleep(0.005)
        stop(thread)
        told = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), None)
        await asyncio.to_thread(thread.join)
        return told, out

    assert simloop.run(main()) == (1, ["went on to its end"])


def test_an_error_for_a_thread_that_has_ended(run) -> None:
    """There is none such, as the answer tells."""

    async def main():
        thread = begun()
        thread.end()  # By this thread: a real one that is begun now may get its identifier.
        return stop(thread)

    assert run(main()) == 0


def test_a_thread_may_raise_one_in_itself(run) -> None:
    """It comes at once."""

    async def main():
        def raise_it():
            try:
                stop(threading.current_thread())
                time.sleep(0.001)
            except StopError:
                return "stopped"

        return await asyncio.to_thread(raise_it)

    assert run(main()) == "stopped"


@pytest.mark.parametrize("wrong", ["main", "instance"])
def test_what_can_not_be_raised_is_refused(wrong) -> None:
    """In the thread of the loops, whose next instruction is the engine's; and what is no class."""

    async def main():
        thread = begun()
        error = StopError() if wrong == "instance" else StopError
        await asyncio.to_thread(
            stop, thread if wrong == "instance" else threading.main_thread(), error
        )

    with pytest.raises(simloop.UnsupportedError, match="PyThreadState_SetAsyncExc"):
        simloop.run(main())
