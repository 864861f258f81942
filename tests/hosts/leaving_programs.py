"""Programs that raise somewhere what asyncio lets through; run as a script, it tells real codes.

Called with the names of errors, it runs each program with each error in a process of its own and
prints the exit codes as JSON.
"""

from __future__ import annotations

import _thread
import asyncio
import atexit
import json
import os
import signal
import sys
import threading
import time
from functools import partial

ERRORS = {
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "BaseException": BaseException,
    "ValueError": ValueError,
}


def fail(error, *_):
    raise error


async def later(error):
    await asyncio.sleep(0.01)
    fail(error)


async def in_a_task(error):
    await asyncio.gather(later(error), asyncio.sleep(1))


async def in_a_callback(error):
    asyncio.get_running_loop().call_later(0.01, fail, error)
    await asyncio.sleep(0.05)


async def in_an_exception_handler(error):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(partial(fail, error))
    loop.call_soon(fail, LookupError())
    await asyncio.sleep(0.05)


async def in_a_handler_of_the_loop(error):
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, fail, error)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(0.05)


async def in_a_handler_at_once(error):
    signal.signal(signal.SIGUSR1, partial(fail, error))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    except ValueError:
        return 9
    await asyncio.sleep(0.05)
    return 0


def send_soon():
    """Have a thread send the signal; return what tells that it has, however late it was."""
    pid, sent = os.getpid(), threading.Event()

    def send():
        os.kill(pid, signal.SIGUSR1)
        sent.set()

    threading.Timer(0.02, send).start()
    return sent


async def in_a_handler_between_steps(error):
    signal.signal(signal.SIGUSR1, partial(fail, error))
    sent = send_soon()
    while not sent.is_set():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def in_an_executor(error):
    await asyncio.to_thread(fail, error)


async def in_a_protocol(error):
    class Failing(asyncio.Protocol):
        def data_received(self, data):
            fail(error)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Failing, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"x")
    await asyncio.sleep(0.05)


async def in_a_thread(error):
    threading.Thread(target=fail, args=(error,)).start()
    await asyncio.sleep(0.05)
    return 5


async def in_a_raw_thread(error):
    _thread.start_new_thread(fail, (error,))
    await asyncio.sleep(0.05)
    return 5


async def caught(error):
    try:
        fail(error)
    except BaseException:  # noqa: BLE001 - what the program is about
        return 6


async def in_a_clean_up(error):
    async def fail_in_the_end():
        try:
            await asyncio.sleep(1)
        finally:
            fail(error)

    task = asyncio.create_task(fail_in_the_end())
    await asyncio.sleep(0.01)
    return 8 if task else 0


async def at_exit(error):
    atexit.register(fail, error)


def plainly(error):
    time.sleep(0.01)
    fail(error)


def in_a_run(error):
    asyncio.run(later(error))


def in_a_callback_of_a_run(error):
    asyncio.run(in_a_callback(error))


def in_a_handler_while_it_sleeps(error):
    signal.signal(signal.SIGUSR1, partial(fail, error))
    sent = send_soon()
    while not sent.is_set():
        time.sleep(0.01)
    time.sleep(0.05)


PROGRAMS = {
    each.__name__: each
    for each in (
        *(later, in_a_task, in_a_callback, in_an_exception_handler, in_a_handler_of_the_loop),
        *(in_a_handler_at_once, in_a_handler_between_steps, in_an_executor, in_a_protocol),
        *(in_a_thread, in_a_raw_thread, caught, in_a_clean_up, at_exit),
        *(plainly, in_a_run, in_a_callback_of_a_run, in_a_handler_while_it_sleeps),
    )
}


def run_for_real(program, error):
    if asyncio.iscoroutinefunction(program):
        sys.exit(asyncio.run(program(error)))
    sys.exit(program(error))


if __name__ == "__main__":
    pids = {}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for error in sys.argv[1:]:
        for name, program in PROGRAMS.items():
            pid = os.fork()
            if not pid:
                run_for_real(program, ERRORS[error])
            pids[pid] = f"{name} {error}"
    codes = {each: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, each in pids.items()}
    sys.stdout.write(json.dumps(codes))
