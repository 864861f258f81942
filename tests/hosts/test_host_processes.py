"""Processes on hosts: how they end, by themselves and by signals, and what becomes of that."""

from __future__ import annotations

import asyncio
import errno
import gc
import math
import os
import signal
import socket
import sys
import time
import warnings

import pytest

import simloop
from simloop.errors import UsageError

from .test_add_host import ask, serve, world


def fail(error):
    async def program():
        await asyncio.sleep(1)
        raise error

    return program


# Exit codes ------------------------------------------------------------------------------------


async def nothing():
    return None


async def five():
    return 5


async def text():
    return "done"


async def leave(value):
    await asyncio.sleep(1)
    sys.exit(value)


async def leave_in_a_task():
    await asyncio.gather(leave(7))


async def leave_in_a_callback():
    asyncio.get_running_loop().call_later(1, sys.exit, 8)
    await asyncio.sleep(10)


async def cancel_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


CODES = {
    "returns nothing": (nothing, (), 0),
    "returns a number": (five, (), 5),
    "returns something else": (text, (), 0),
    "sys.exit()": (leave, (None,), 0),
    "sys.exit(3)": (leave, (3,), 3),
    "sys.exit(text)": (leave, ("gone",), 1),
    "sys.exit in a task": (leave_in_a_task, (), 7),
    "sys.exit in a callback": (leave_in_a_callback, (), 8),
    "an error": (fail(LookupError("gone")), (), 1),
    "cancelled by itself": (cancel_itself, (), 1),
}


@pytest.mark.parametrize("case", CODES)
def test_an_exit_code_is_what_the_system_would_show(case):
    """``exited()`` returns the code, takes an error, and the test goes on."""
    program, args, code = CODES[case]

    async def main():
        process = world().add_host("db").start(program, args=args)
        assert process.exit_code is None
        assert await process.exited() == code
        assert await process.exited() == process.exit_code
        return process.error

    error = simloop.run(main())
    assert (error is not None) == (case in {"an error", "cancelled by itself"})


def test_an_uncaught_error_fails_the_run():
    """The run ends by the error of a host's program, with a note on host, process and time."""

    async def main():
        world().add_host("db", fail(LookupError("no such row")))
        await asyncio.sleep(100)

    outcome = simloop.simulate(main)
    assert repr(outcome.error) == "LookupError('no such row')"
    assert outcome.time == 1.0
    (note,) = outcome.error.__notes__
    assert note == (
        "This ended the process 1001 (fail.<locals>.program) of the host 'db' at 1.0 s of virtual"
        " time."
    )
    with pytest.raises(LookupError):
        simloop.run(main())


def test_the_first_error_is_told():
    """A second program that fails while the test cleans up does not hide the first one's error."""

    async def fail_later():
        await asyncio.sleep(2)
        raise ValueError("second")

    async def main():
        world().add_host("a", fail(LookupError("first")))
        world().add_host("b", fail_later)
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(10)

    with pytest.raises(LookupError, match="first"):
        simloop.run(main())


def test_what_a_program_has_left_may_clean_up():
    """A program that returns ends as ``asyncio.run`` does: its tasks may clean up."""
    log = []

    async def background():
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            log.append("cleaned up")

    async def program():
        task = asyncio.create_task(background())
        await asyncio.sleep(1)
        assert not task.done()

    async def main():
        process = world().add_host("db").start(program)
        await process.exited()
        return asyncio.get_running_loop().time()

    assert simloop.run(main()) == 2.0
    assert log == ["cleaned up"]


def test_the_driver_s_program_ends_the_run():
    """What still runs on hosts ends in silence: no ``finally``, no error, no time."""
    log = []

    async def program():
        try:
            await asyncio.sleep(100)
        except BaseException as error:
            log.append(error)
            raise
        finally:
            log.append("finally")

    async def main():
        world().add_host("db", program)
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert simloop.run(main()) == 1.0
    assert log == []


# Signals ---------------------------------------------------------------------------------------


def test_a_killed_process_closes_its_connections():
    """Peers hear the end of a killed server, and the next connection is refused."""

    async def hold(reader, writer):
        writer.write(b"hello")
        await reader.read()

    async def server():
        await (await asyncio.start_server(hold, port=80)).serve_forever()

    async def main():
        db = world().add_host("db", server)
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("db", 80)
        await asyncio.sleep(1)
        (process,) = db.processes
        process.kill()
        heard = await reader.read()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await ask("db")
        return heard, process.exit_code, db.processes, db.state

    assert simloop.run(main()) == (b"hello", -9, (), "up")


def test_unread_data_makes_the_end_a_reset():
    """A process that is killed with bytes unread resets the connection, as close(2) does."""

    async def server():
        async def hold(reader, writer):
            await asyncio.sleep(100)

        await (await asyncio.start_server(hold, port=80, limit=1)).serve_forever()

    async def main():
        db = world().add_host("db", server)
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("db", 80)
        writer.write(b"x" * 1_000_000)
        await asyncio.sleep(1)
        db.processes[0].kill()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    simloop.run(main())


@pytest.mark.parametrize("way", ["add_signal_handler", "signal.signal"])
def test_terminate_lets_a_program_end_by_itself(way):
    """A program that handles SIGTERM has the grace to end; then its exit code is its own."""

    async def program():
        stopped = asyncio.Event()
        if way == "signal.signal":
            signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        else:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await stopped.wait()
        await asyncio.sleep(2)
        return 4

    async def main():
        process = world().add_host("db").start(program)
        await asyncio.sleep(1)
        process.terminate()
        return await process.exited(), asyncio.get_running_loop().time()

    assert simloop.run(main()) == (4, 3.0)


def test_terminate_kills_after_the_grace():
    """A program that outlasts the grace is killed; one without a handler ends at once."""

    async def program(handles):
        if handles:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, int)
        await asyncio.sleep(1000)

    async def main():
        stubborn = world().add_host("db").start(program, args=(True,))
        plain = world().add_host("web").start(program, args=(False,))
        await asyncio.sleep(1)
        stubborn.terminate(grace=3)
        plain.terminate()
        codes = [await plain.exited(), asyncio.get_running_loop().time()]
        codes += [await stubborn.exited(), asyncio.get_running_loop().time()]
        return [*codes, os.getpid()]

    assert simloop.run(main()) == [-15, 1.0, -9, 4.0, 1000]


def test_ctrl_c_cancels_a_program():
    """SIGINT without a handler ends a program by way of its clean-up, as ``asyncio.run`` has it."""
    log = []

    async def program():
        try:
            await asyncio.sleep(1000)
        finally:
            log.append("cleaned up")

    async def main():
        process = world().add_host("db").start(program)
        await asyncio.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        return await process.exited()

    assert simloop.run(main()) == -2
    assert log == ["cleaned up"]


def test_a_process_sees_the_processes_of_its_own_machine():
    """The number of a process of another machine is no process, and no signal reaches that."""

    def look(number):
        seen = []
        for call in (
            lambda: os.kill(number, signal.SIGTERM),
            lambda: os.killpg(number, signal.SIGTERM), lambda: os.getpgid(number),
        ):  # fmt: skip
            try:
                seen.append(call())
            except ProcessLookupError as error:
                seen.append(error.errno)
        told.append(seen)

    told: list[list[int | None]] = []

    async def main():
        here, there = world().add_host("here"), world().add_host("there")
        near, far = (each.start(asyncio.sleep, args=(1000,)) for each in (here, there))
        for number in (far.pid, os.getpid()):
            await here.start(look, args=(number,)).exited()
        assert far.exit_code is None
        os.kill(far.pid, 0)  # The test's own hands reach everywhere.
        await here.start(os.kill, args=(near.pid, signal.SIGTERM)).exited()
        return near.exit_code

    assert simloop.run(main()) == -signal.SIGTERM
    assert told == [[errno.ESRCH] * 3] * 2


@pytest.mark.parametrize("grace", [-1, math.inf, math.nan, "long", True])
def test_a_grace_is_a_number_of_seconds(grace):
    """What is no time that a signal could come later is refused."""

    async def main():
        process = world().add_host("db").start(serve)
        with pytest.raises(UsageError, match="terminate"):
            process.terminate(grace=grace)

    simloop.run(main())


# Pauses ----------------------------------------------------------------------------------------


def test_a_paused_process_is_late():
    """Nothing of it runs while it is paused; what was due then runs when it goes on, in order."""
    log = []

    async def tick():
        loop = asyncio.get_running_loop()
        for _ in range(3):
            await asyncio.sleep(1)
            log.append(loop.time())

    async def main():
        db = world().add_host("db", tick)
        await asyncio.sleep(1.5)
        (process,) = db.processes
        process.pause()
        states = [db.state]
        await asyncio.sleep(4)
        process.resume()
        states.append(db.state)
        await process.exited()
        return states

    assert simloop.run(main()) == ["paused", "up"]
    assert log == [1.0, 5.5, 6.5]


def test_the_machine_of_a_paused_process_takes_what_is_sent():
    """A paused server is connected to and written to; it answers when it goes on."""

    async def main():
        db = world().add_host("db", serve)
        await asyncio.sleep(1)
        db.processes[0].pause()
        asking = asyncio.create_task(ask("db"))
        await asyncio.sleep(5)
        assert not asking.done()
        db.processes[0].resume()
        return await asking, asyncio.get_running_loop().time()

    assert simloop.run(main()) == (b"hello", 6.001)  # The answer takes 1 ms.


def test_signals_to_a_paused_process_come_when_it_goes_on():
    """SIGTERM waits for a stopped process, SIGKILL does not, as in signal(7)."""

    async def program():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sys.exit, 3)
        await asyncio.sleep(1000)

    async def main():
        host = world().add_host("db")
        first, second = host.start(program), host.start(program)
        await asyncio.sleep(1)
        os.kill(first.pid, signal.SIGSTOP)
        second.pause()
        first.terminate(grace=100)
        second.kill()
        codes = [await second.exited(), first.exit_code]
        os.kill(first.pid, signal.SIGCONT)
        return [*codes, await first.exited()]

    assert simloop.run(main()) == [-9, None, 3]


def test_a_process_may_stop_itself():
    """A process that sends itself SIGSTOP runs no more until somebody lets it go on."""
    log = []

    async def program():
        await asyncio.sleep(1)
        os.kill(os.getpid(), signal.SIGSTOP)
        await asyncio.sleep(0)
        log.append(asyncio.get_running_loop().time())

    async def main():
        process = world().add_host("db").start(program)
        await asyncio.sleep(10)
        process.resume()
        return await process.exited()

    assert simloop.run(main()) == 0
    assert log == [10.0]


# Power and policies ----------------------------------------------------------------------------


def test_a_crash_says_nothing():
    """A client of a machine that lost its power waits; a new connection is not answered either."""

    async def main():
        db = world().add_host("db", hold_on)
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("db", 80)
        db.crash()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask("db"), 30)
        writer.close()
        return db.state, db.processes

    async def hold_on():
        async def hold(reader, writer):
            await reader.read()

        await (await asyncio.start_server(hold, port=80)).serve_forever()

    assert simloop.run(main()) == ("off", ())


def test_a_restart_boots_the_same_program():
    """A host that boots again runs its program anew, with its ports free; it may get another."""

    async def main():
        db = world().add_host("db", serve)
        answers = []
        for restart in (lambda: None, db.restart, lambda: db.restart(serve, args=(80, b"new"))):
            restart()
            await asyncio.sleep(1)
            answers.append((db.boots, await ask("db")))
        return answers

    assert simloop.run(main()) == [(0, b"hello"), (1, b"hello"), (2, b"new")]


POLICIES = {
    "never": [1],
    "on-failure": [1, 3, 5],
    "always": [1, 3, 5, 7],
}


@pytest.mark.parametrize("policy", POLICIES)
def test_restart_policies(policy):
    """A program that ends is started again a second later: never, after failures, or always."""
    starts = []

    async def program():
        await asyncio.sleep(1)
        starts.append(asyncio.get_running_loop().time())
        if len(starts) < 3:
            raise LookupError

    async def main():
        world().add_host("db", program, restart=policy)
        await asyncio.sleep(8)

    if policy == "never":
        with pytest.raises(LookupError):
            simloop.run(main())
    else:
        simloop.run(main())
    assert starts == POLICIES[policy]


def test_a_policy_does_not_boot_a_machine():
    """A host that crashed stays off, whatever its policy; a killed program is started again."""

    async def main():
        db = world().add_host("db", serve, restart="on-failure")
        await asyncio.sleep(1)
        db.processes[0].kill()
        await asyncio.sleep(1.5)
        answer = await ask("db")
        db.crash()
        await asyncio.sleep(5)
        return answer, db.state, db.processes

    assert simloop.run(main()) == (b"hello", "off", ())


def test_a_host_may_restart_itself():
    """A program that restarts its own machine runs no further, and starts anew."""
    log = []

    async def program():
        await asyncio.sleep(1)
        log.append(("starts", asyncio.get_running_loop().time()))
        if len(log) < 3:
            world().hosts["db"].restart()
        log.append("goes on")

    async def main():
        db = world().add_host("db", program)
        await asyncio.sleep(10)
        return db.boots

    assert simloop.run(main()) == 2
    assert log == [("starts", 1.0), ("starts", 2.0), ("starts", 3.0), "goes on"]


def test_what_an_ended_process_left_is_freed_without_a_word():
    """A transport that its program only began to close is freed after it with no error."""
    errors = []

    async def talk():
        await asyncio.start_server(lambda *_: None, port=80)
        _, writer = await asyncio.open_connection("127.0.0.1", 80)
        writer.close()

    def program():
        asyncio.run(talk())

    async def main():
        host = world().add_host("web", program)
        for _ in range(2):  # In the second boot the same numbers are others' files.
            await asyncio.sleep(1)
            gc.collect()
            host.restart()
        return [each.state for each in world().hosts.values()]

    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore", ResourceWarning)
        patch.setattr(sys, "unraisablehook", lambda told: errors.append(told.exc_value))
        assert simloop.run(main()) == ["up"]
        gc.collect()
    assert errors == []


def test_a_socket_is_closed_in_the_process_that_opened_it():
    """Closing a socket of another process of the same machine closes no descriptor of one's own."""
    opened = []

    async def first():
        opened.append(socket.socket())
        await asyncio.sleep(10)

    async def second():
        own = socket.socket()
        opened.pop().close()
        own.bind(("127.0.0.1", 80))
        return own.getsockname()[1]

    async def main():
        host = world().add_host("web", first)
        await asyncio.sleep(1)
        return await host.start(second).exited()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert simloop.run(main()) == 80


def test_a_thread_of_a_paused_process_keeps_no_other_from_its_turn():
    """A thread that has something to do while its process is stopped, and one that is started."""

    def serves():
        with socket.create_server(("", 80)) as server:
            while True:
                server.accept()[0].close()

    def sleeps():
        time.sleep(0.5)

    async def main():
        paused = world().add_host("a", serves)
        await asyncio.sleep(1)
        paused.processes[0].pause()
        reader, writer = await asyncio.open_connection("a", 80)
        await asyncio.sleep(1)
        other = world().add_host("b", sleeps)
        await asyncio.sleep(1)
        assert not other.processes
        paused.processes[0].resume()
        assert await reader.read() == b""
        writer.close()

    simloop.run(main())


def test_a_hook_for_errors_is_of_its_process():
    """What a program puts in the place of sys.excepthook is seen by it alone."""
    before = sys.excepthook
    seen = {}

    async def program(name):
        seen[name, "first"] = sys.excepthook
        sys.excepthook = own = lambda *_args: None
        await asyncio.sleep(1)
        assert sys.excepthook is own
        seen[name, "then"] = own

    async def main():
        for name in ("a", "b"):
            world().add_host(name, program, args=(name,))
        await asyncio.sleep(0.5)
        assert sys.excepthook is before
        await asyncio.sleep(1)

    simloop.run(main())
    assert sys.excepthook is before
    assert seen["a", "first"] is seen["b", "first"] is sys.__excepthook__
    assert seen["a", "then"] is not seen["b", "then"]
