"""After runs that end in errors, of whatever kind, the process is as it was before them."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import logging
import os
import queue
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

import simloop
from simloop._sandbox import current, foreign
from simloop._sandbox.patching import registry as patches
from simloop._sandbox.run_context import by_thread


class OwnError(Exception):
    """An error of the program's own."""


async def raise_at_once():
    raise OwnError


async def raise_in_a_task():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(100))
        group.create_task(raise_at_once())


async def raise_while_tasks_are_left():
    asyncio.create_task(stubborn())  # noqa: RUF006
    await asyncio.sleep(1)
    random.seed(5)
    raise OwnError


async def stubborn():
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(1)


async def raise_in_a_job():
    await asyncio.to_thread(fail)


def fail():
    time.sleep(1)
    random.random(), uuid.uuid1(), tempfile.mktemp()  # noqa: S306
    raise OwnError


async def raise_beside_a_thread():
    held: queue.Queue[int] = queue.Queue()
    thread = threading.Thread(target=held.get, daemon=True)
    thread.start()
    await asyncio.sleep(1)
    raise OwnError


async def exit_in_a_job():
    await asyncio.to_thread(sys.exit, 3)


async def deadlock():
    await asyncio.Event().wait()


async def deadlock_in_a_thread():
    await asyncio.to_thread(threading.Event().wait)


async def spin():
    while True:
        await asyncio.sleep(0)


async def interrupt():
    await asyncio.sleep(1)
    raise KeyboardInterrupt


async def interrupt_by_signal():
    signal.raise_signal(signal.SIGINT)
    await asyncio.sleep(1)


async def leave():
    raise SystemExit(3)


async def escape_by_process():
    subprocess.run(["/bin/true"], check=True)


async def escape_by_client():
    urllib.request.urlopen("http://192.0.2.1/")


async def escape_by_wait():
    signal.sigwait([signal.SIGUSR1])


async def escape_in_a_job():
    await asyncio.to_thread(os.system, "true")


async def lose_a_connection():
    server = await asyncio.start_server(lambda _r, w: w.transport.abort(), "127.0.0.1", 80)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        writer.write(b"x")
        await reader.readexactly(1)


async def be_refused():
    await asyncio.open_connection("127.0.0.1", 80)


async def leave_a_socket_open():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        sock = socket.create_server(("127.0.0.1", 80))
        signal.signal(signal.SIGUSR1, lambda *_: None)
        logging.getLogger("x").debug("%s", time.time())
        assert dt.datetime.now(dt.UTC).year == 2024
        del sock
    raise OwnError


async def loop_in_a_loop():
    coroutine = raise_at_once()
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()


async def give_up():
    async with asyncio.timeout(5):
        await asyncio.sleep(10)


ENDINGS = {
    raise_at_once: OwnError,
    raise_in_a_task: ExceptionGroup,
    raise_while_tasks_are_left: OwnError,
    raise_in_a_job: OwnError,
    raise_beside_a_thread: OwnError,
    exit_in_a_job: SystemExit,
    deadlock: simloop.DeadlockError,
    deadlock_in_a_thread: simloop.DeadlockError,
    spin: simloop.LimitError,
    interrupt: KeyboardInterrupt,
    interrupt_by_signal: KeyboardInterrupt,
    leave: SystemExit,
    escape_by_process: simloop.EscapeError,
    escape_by_client: simloop.EscapeError,
    escape_by_wait: simloop.EscapeError,
    escape_in_a_job: simloop.EscapeError,
    lose_a_connection: ConnectionResetError,
    be_refused: ConnectionRefusedError,
    leave_a_socket_open: OwnError,
    loop_in_a_loop: RuntimeError,
    give_up: TimeoutError,
}


def snapshot():
    """What a run changes, and more."""
    return {
        "clock": (time.time.__self__, time.monotonic.__self__, time.sleep.__self__),
        "datetime": dict(vars(dt.datetime)),
        "socket": (socket.socket, dict(vars(socket.socket)), socket.getaddrinfo),
        "random": (random.getstate(), random.Random.seed.__code__),
        "uuid": (uuid._node, uuid._last_timestamp),
        "tempfile": tempfile._name_sequence,
        "logging": logging._startTime,
        "waits": (threading._time, queue.time, dict(vars(threading.Thread))),
        "locks": dict(vars(type(threading.Lock()))),
        "threads": threading.active_count(),
        "thread names": threading._counter.__self__ if hasattr(threading, "_counter") else None,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        # By thousands: Python 3.12 begins with some hundred frozen objects.
        "collector": (gc.isenabled(), gc.get_freeze_count() // 1000, gc.get_threshold()),
        "tracing": (sys.gettrace(), threading.gettrace(), sys.getprofile()),
        "hooks": (sys.get_asyncgen_hooks(), sys.unraisablehook, sys.excepthook),
        "asyncio": (asyncio._get_running_loop(), asyncio.new_event_loop, asyncio.Task.__name__),
        "select": (select.epoll, select.select, select.poll),
        "warnings": list(warnings.filters),
        "inside": (current(), dict(by_thread), dict(foreign), patches._users),
    }


def use_the_real_world():
    """Do what is an escape in a run, which is not outside."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as client, server.accept()[0] as peer:
            client.sendall(b"x")
            assert peer.recv(1) == b"x"
    assert socket.getaddrinfo("127.0.0.1", 80)
    assert subprocess.run(["/bin/true"], check=True).returncode == 0
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()
    before = time.monotonic()
    time.sleep(0.001)
    assert 0 < time.monotonic() - before < 60
    assert dt.datetime.now(dt.UTC).year > 2024
    assert asyncio.run(asyncio.sleep(0, "real")) == "real"
    assert os.urandom(8) != os.urandom(8)


def assert_same(before, after):
    for name, value in before.items():
        assert after[name] == value, name


@pytest.fixture
def settled():
    """Have everything loaded and begun that is when it is first used."""
    uuid.getnode()
    assert patches._users == 0
    use_the_real_world()
    simloop.simulate(raise_in_a_job)
    simloop.simulate(lose_a_connection)
    gc.collect()


def end_by(main, error, seed):
    with pytest.raises(error):
        simloop.run(main(), seed=seed, livelock_steps=1000)


@pytest.mark.parametrize("main", ENDINGS, ids=lambda main: main.__name__)
def test_the_process_is_as_before_a_run_that_fails(main, settled):
    """A single run of each kind leaves no trace, and the error is the one that ended it."""
    before = snapshot()
    end_by(main, ENDINGS[main], 1)
    gc.collect()
    assert_same(before, snapshot())


@pytest.mark.slow
def test_the_process_is_as_before_a_thousand_runs_that_fail(settled):
    """After a thousand runs of all kinds nothing is virtual, refused, or left behind."""
    random.seed(7)
    expected = random.random()
    random.seed(7)
    before = snapshot()
    kinds = list(ENDINGS.items())
    for seed in range(1000):
        main, error = kinds[seed % len(kinds)]
        end_by(main, error, seed)
    gc.collect()
    assert_same(before, snapshot())
    assert random.random() == expected
    use_the_real_world()


@pytest.mark.slow
def test_the_same_in_other_threads():
    """Runs that fail in two threads at once leave none of them inside."""
    before = snapshot()
    failures = []

    def work():
        for seed in range(60):
            main, error = list(ENDINGS.items())[seed % 3]
            with suppress(error):
                simloop.run(main(), seed=seed)
                failures.append(seed)
        if current() is not None:
            failures.append("inside")

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert_same(before, {**snapshot(), "random": before["random"]})
    use_the_real_world()
