"""What a program shows of its stack is its own, whoever watches and whoever began the run."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from traceback import walk_stack, walk_tb

import pytest

import simloop
from simloop._kernel.safe_looks import without_addresses
from simloop.trace import Recorder

ENGINE = str(Path(simloop.__file__).parent)


async def error_in_a_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0.1)


async def error_in_a_callback_in_debug_mode():
    asyncio.get_running_loop().set_debug(True)
    await error_in_a_callback()


async def error_nobody_asks_for_in_debug_mode():
    async def main():
        asyncio.get_running_loop().create_future().set_exception(ValueError("unseen"))
        await asyncio.sleep(0.1)

    asyncio.get_running_loop().set_debug(True)
    await asyncio.create_task(main())
    gc.collect()


async def own_stack():
    traceback.print_stack()


async def own_stack_of_a_thread():
    await asyncio.to_thread(traceback.print_stack)


async def own_stack_of_a_host():
    simloop.current_world().add_host("other", own_stack)
    await asyncio.sleep(1)


async def record_with_a_stack():
    logging.getLogger("shown").warning("see below", stack_info=True)


async def record_of_a_callers_caller():
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(pathname)s:%(lineno)d"))
    logger = logging.Logger("shown")  # noqa: LOG001 - with a handler of its own
    logger.addHandler(handler)
    logger.warning("", stacklevel=2)


async def warning_of_a_callers_caller():
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show
        warnings.warn("old", DeprecationWarning, stacklevel=2)
        warnings.warn("older", DeprecationWarning, stacklevel=40)


def _show(message, category, filename, lineno, file=None, line=None):
    del file, line
    sys.stderr.write(f"{filename}:{lineno}: {category.__name__}: {message}\n")


async def error_from_within_a_call():
    try:
        await asyncio.open_connection("127.0.0.1", 7)
    except OSError:
        traceback.print_exc()


async def error_shown_by_another_tool():
    try:
        await asyncio.open_connection("127.0.0.1", 7)
    except OSError as error:
        for frame, line in walk_tb(error.__traceback__):
            sys.stderr.write(f"{frame.f_code.co_filename}:{line}\n")
    for frame, line in walk_stack(None):
        sys.stderr.write(f"{frame.f_code.co_filename}:{line}\n")


async def record_by_a_callback():
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(pathname)s:%(funcName)s"))
    logger = logging.Logger("shown")  # noqa: LOG001 - with a handler of its own
    logger.addHandler(handler)
    asyncio.get_running_loop().call_later(1, logger.warning, "late")
    await asyncio.sleep(2)


async def warning_by_a_callback():
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show
        asyncio.get_running_loop().call_soon(warnings.warn, "late", DeprecationWarning)
        await asyncio.sleep(1)


async def stacks_of_tasks():
    sleeper = asyncio.create_task(asyncio.sleep(1))
    await asyncio.sleep(0)
    for task in (asyncio.current_task(), sleeper):
        for frame in task.get_stack() + task.get_stack(limit=1):
            sys.stderr.write(f"{frame.f_code.co_filename}:{frame.f_lineno}\n")


async def task_made_in_debug_mode():
    async def fails():
        raise LookupError

    asyncio.get_running_loop().set_debug(True)
    task = asyncio.create_task(fails())
    await asyncio.sleep(1)
    del task
    gc.collect()


async def error_that_ends_a_thread():
    with pytest.MonkeyPatch.context() as patch:  # Pytest has a hook of its own.
        patch.setattr(threading, "excepthook", threading.__excepthook__)
        thread = threading.Thread(target=time.sleep, args=(-1,))
        thread.start()
        thread.join()


async def error_in_a_finalizer():
    class Sleeper:
        def __del__(self):
            time.sleep(-1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
        Sleeper()


async def warning_of_an_unclosed_file():
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show
        file = open(os.devnull)  # noqa: SIM115, PTH123 - left open
        file = None  # noqa: F841 - where it goes
        held = [open(os.devnull)]  # noqa: SIM115, PTH123 - the same
        held.append(held)
        del held
        gc.collect()


async def warning_that_is_an_error_in_a_finalizer_of_ours():
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
        warnings.simplefilter("error")
        socket.socket()


async def error_given_to_the_hook():
    try:
        time.sleep(-1)
    except ValueError:
        try:
            socket.create_connection(("127.0.0.1", 9))
        except OSError as error:
            group = BaseExceptionGroup("both", [error])
            sys.__excepthook__(type(group), group, None)


PROGRAMS = [
    error_that_ends_a_thread,
    error_in_a_finalizer,
    error_given_to_the_hook,
    warning_that_is_an_error_in_a_finalizer_of_ours,
    warning_of_an_unclosed_file,
    record_by_a_callback,
    warning_by_a_callback,
    stacks_of_tasks,
    task_made_in_debug_mode,
    error_shown_by_another_tool,
    error_in_a_callback,
    error_in_a_callback_in_debug_mode,
    error_nobody_asks_for_in_debug_mode,
    own_stack,
    own_stack_of_a_thread,
    own_stack_of_a_host,
    record_with_a_stack,
    record_of_a_callers_caller,
    warning_of_a_callers_caller,
    error_from_within_a_call,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_the_same_whoever_watches(program, capsys, monkeypatch):
    """Watchers have turns of their own, which no output and no digest tells apart."""

    def called_deeper(depth, **options):
        if depth:
            return called_deeper(depth - 1, **options)
        return simloop.simulate(program, **options)

    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # Pytest's keep records to themselves.
    seen = []
    for depth, options in ((0, {}), (3, {}), (0, {"recorder": Recorder()})):
        outcome = called_deeper(depth, **options)
        assert outcome.error is None
        seen.append((outcome.digest, without_addresses(capsys.readouterr().err)))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][1]
    assert ENGINE not in seen[0][1]
    simloop.run(program())  # Which nobody watches.
    assert without_addresses(capsys.readouterr().err) == seen[0][1]


@pytest.mark.parametrize("program", PROGRAMS)
def test_such_a_program_is_explored(program, capsys):
    """Its undisturbed run is no other when an exploration begins it, which would be refused."""
    assert not simloop.explore(program, schedules=3, failures=("error",)).failures
    assert ENGINE not in capsys.readouterr().err


def _tell_caller(level, told):
    with warnings.catch_warnings(record=True) as kept:
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=level)
    told.append((Path(kept[0].filename).name, kept[0].lineno))
    record = []
    logger = logging.Logger("caller")  # noqa: LOG001 - with a handler of its own
    logger.addHandler(handler := logging.Handler())
    handler.emit = record.append
    logger.warning("", stacklevel=level)
    told.append((Path(record[0].pathname).name, record[0].lineno))


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("run", [asyncio.run, simloop.run])
def test_a_callers_place_is_the_real_one(level, run):
    """Where the program itself is the caller, a warning and a record name the line of Python's."""
    told = []

    def inner():
        _tell_caller(level, told)

    async def main():
        inner()

    run(main())
    first = _tell_caller.__code__.co_firstlineno
    lines = [[first + 3, first + 9], [inner.__code__.co_firstlineno + 1] * 2]
    expected = [*lines, [main.__code__.co_firstlineno + 1] * 2][level - 1]
    assert told == [("test_shown_stacks.py", line) for line in expected]


def test_who_is_in_no_run_sees_every_frame():
    """Another thread of the process is shown what there is, while a run is on and after it."""
    shown = []
    asked, answered = threading.Semaphore(0), threading.Semaphore(0)

    def elsewhere():
        for _ in range(2):
            asked.acquire()
            shown.append(traceback.extract_stack())
            shown.append(
                traceback.extract_stack(sys._current_frames()[threading.main_thread().ident])
            )
            answered.release()

    def ask():
        with simloop.allow("threads"):
            asked.release()
            answered.acquire()

    thread = threading.Thread(target=elsewhere)
    thread.start()

    async def main():
        ask()

    simloop.run(main())
    ask()
    thread.join()
    own, in_run, _, after = ({frame.filename for frame in stack} for stack in shown)
    assert threading.__file__ in own
    assert any(name.startswith(ENGINE) for name in in_run)
    assert in_run > after


def test_the_main_task_shows_what_asyncio_shows():
    """Its callback is that of asyncio's ``run_until_complete``: no path of ours is in its repr."""

    async def main():
        asyncio.current_task().set_name("main")  # Each counts its own.
        return repr(asyncio.current_task())

    assert simloop.run(main()) == asyncio.run(main())


def test_an_error_keeps_its_frames():
    """What was shown without the engine's frames has all of them afterwards, for debuggers."""

    async def main():
        try:
            time.sleep(-1)
        except ValueError as error:
            frames = _files(error.__traceback__)
            sys.__excepthook__(type(error), error, error.__traceback__)
            return frames, _files(error.__traceback__)

    before, after = simloop.run(main())
    assert before == after
    assert any(each.startswith(ENGINE) for each in before)


def _files(entry):
    found = []
    while entry is not None:
        found.append(entry.tb_frame.f_code.co_filename)
        entry = entry.tb_next
    return found


async def call_soon(function) -> None:
    asyncio.get_running_loop().call_soon(function, "late")
    await asyncio.sleep(0.001)


async def call_in_a_pool(function) -> None:
    await asyncio.get_running_loop().run_in_executor(None, function, "late")


async def call_in_a_pool_of_ones_own(function) -> None:
    with ThreadPoolExecutor() as pool:
        await asyncio.get_running_loop().run_in_executor(pool, function, "late")


async def call_in_a_thread(function) -> None:
    await asyncio.to_thread(function, "late")


@pytest.mark.parametrize(
    "call", [call_soon, call_in_a_pool, call_in_a_pool_of_ones_own, call_in_a_thread]
)
def test_a_logger_that_is_called_back_names_the_real_caller(call):
    """Nothing of the program stands between: it is a line of the library that calls there."""

    async def main() -> list[tuple[str, int, str]]:
        places = []
        logger = logging.Logger("called")  # noqa: LOG001 - with a handler of its own
        logger.addHandler(handler := logging.Handler())
        handler.emit = lambda record: places.append(
            (record.pathname, record.lineno, record.funcName)
        )
        await call(logger.warning)
        return places

    assert simloop.run(main()) == asyncio.run(main())
