"""What a host can run: functions, modules and scripts, with threads and children of their own."""

from __future__ import annotations

import asyncio
import locale
import os
import random
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

import simloop

from .test_add_host import ask, serve, world


def run_on_host(program, *args, **options):
    async def main():
        process = world().add_host("db", **options).start(program, args=args)
        code = await process.exited()
        if process.error is not None:
            raise process.error
        return code, asyncio.get_running_loop().time()

    return simloop.run(main())


def test_a_plain_function_may_run_its_own_loop(programs):
    """``asyncio.run`` in a function runs on its host; the function runs in the main thread."""
    assert run_on_host(programs.plain, 5) == (3, 1.0)
    assert programs.SEEN == [("plain", "db", (5,), True), ("coroutine", "db", ("inner",))]


@pytest.mark.parametrize("name", ["coroutine", "plain"])
def test_a_function_is_found_by_its_name(name, programs):
    """``module:function`` is imported and called with the arguments."""
    code, _ = run_on_host(f"{programs.__name__}:{name}", "x")
    assert code == 3
    assert programs.SEEN[0][:3] == (name, "db", ("x",))


def test_a_script_runs_as_main(capsys, programs):
    """A path is run as ``python FILE`` runs it: ``__main__``, arguments as texts, exit code."""
    main, path = sys.modules["__main__"], list(sys.path)
    assert run_on_host(Path(programs.__file__), 5, "x") == (3, 1.0)
    assert capsys.readouterr().out == "main of db ['5', 'x'] module\n"
    assert sys.modules["__main__"] is main
    assert sys.path == path


def test_a_module_runs_as_main(capsys, programs):
    """The name of a module is run as ``python -m`` runs it."""
    assert run_on_host(programs.__name__, "y") == (3, 1.0)
    assert capsys.readouterr().out == "main of db ['y'] module\n"


def test_a_function_that_does_not_block_the_others():
    """``time.sleep`` in a plain function lets the other hosts go on."""

    def nap():
        time.sleep(5)

    async def main():
        process = world().add_host("db").start(nap)
        await asyncio.sleep(1)
        first = asyncio.get_running_loop().time()
        return first, await process.exited(), asyncio.get_running_loop().time()

    assert simloop.run(main()) == (1.0, 0, 5.0)


def test_a_blocking_server_on_a_host():
    """A server that is written with blocking sockets serves clients on other hosts."""

    def server():
        with socket.create_server(("", 80)) as listening:
            for _ in range(2):
                connection, _address = listening.accept()
                with connection:
                    connection.sendall(connection.recv(100).upper())

    async def main():
        process = world().add_host("db").start(server)
        await asyncio.sleep(1)
        answers = []
        for word in (b"one", b"two"):
            reader, writer = await asyncio.open_connection("db", 80)
            writer.write(word)
            answers.append(await reader.read())
            writer.close()
        return answers, await process.exited()

    assert simloop.run(main()) == ([b"ONE", b"TWO"], 0)


@pytest.mark.parametrize("how", ["SIGTERM", "kill", "crash"])
def test_a_plain_function_is_ended_from_outside(how):
    """A signal reaches the loop that a function runs; a kill ends it where it waits."""
    log = []

    async def inner():
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        server = await asyncio.start_server(lambda *_: None, port=80)
        await stopped.wait()
        server.close()
        log.append("stopped")

    def program():
        try:
            asyncio.run(inner())
        finally:
            log.append("finally")

    async def main():
        host = world().add_host("db")
        process = host.start(program)
        await asyncio.sleep(1)
        if how == "SIGTERM":
            process.terminate()
        elif how == "kill":
            process.kill()
        else:
            host.crash()
        code = await process.exited()
        await asyncio.sleep(10)
        return code

    assert simloop.run(main()) == (0 if how == "SIGTERM" else -9)
    assert log == (["stopped", "finally"] if how == "SIGTERM" else [])


def test_errors_of_plain_functions():
    """An uncaught error of a plain function fails the run, and ``sys.exit`` gives the code."""

    def fail():
        raise LookupError("gone")

    def leave():
        sys.exit(4)

    with pytest.raises(LookupError, match="gone"):
        run_on_host(fail)
    assert run_on_host(leave) == (4, 0.0)

    async def main():
        world().add_host("db", fail)
        await asyncio.sleep(10)

    outcome = simloop.simulate(main)
    assert repr(outcome.error) == "LookupError('gone')"
    assert "of the host 'db'" in outcome.error.__notes__[0]


def test_threads_are_of_their_host():
    """Threads of a program see its machine, its number and its entropy, and end with it."""
    seen = []

    def tell():
        seen.append((socket.gethostname(), os.getpid(), random.random()))
        time.sleep(1000)

    async def program():
        threading.Thread(target=tell, daemon=True).start()
        await asyncio.to_thread(tell)

    async def main():
        for name in "ab":
            world().add_host(name, program)
        await asyncio.sleep(1)

    simloop.run(main())
    assert [each[:2] for each in seen] == [("a", 1001)] * 2 + [("b", 1002)] * 2
    assert len({each[2] for each in seen}) == 4


def test_a_program_waits_for_its_threads():
    """A function ends its process when its threads have ended, but for daemons."""

    def program():
        for seconds, is_daemon in ((5, False), (50, True)):
            threading.Thread(target=time.sleep, args=(seconds,), daemon=is_daemon).start()

    assert run_on_host(program) == (0, 5.0)


def test_children_are_of_their_host():
    """A registered program that a process on a host starts runs there."""
    seen = []

    async def child(process):
        seen.append((socket.gethostname(), os.getpid(), os.getppid()))
        process.stdout.write(b"from the child")

    async def program():
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("child", stdout=pipe)
        seen.append((await process.communicate())[0])

    async def main():
        world().programs.register("child", child)
        process = world().add_host("db").start(program)
        await process.exited()

    simloop.run(main())
    assert seen == [("db", 1002, 1001), b"from the child"]


# What each process has for itself -----------------------------------------------------------------


def test_environments_are_each_process_s_own():
    """A process sees and changes its own environment, and no other's."""
    seen = []

    async def program():
        seen.append((os.environ.get("SIMLOOP_HOST"), os.getenv("HOME") is not None))
        os.environ["SIMLOOP_HOST"] = "changed"
        await asyncio.sleep(1)
        seen.append(os.environ["SIMLOOP_HOST"])

    async def main():
        os.environ["SIMLOOP_HOST"] = "the test's"
        world().add_host("a", program, env={"SIMLOOP_HOST": "a's"})
        world().add_host("b", program)
        await asyncio.sleep(2)
        return os.environ.pop("SIMLOOP_HOST")

    assert simloop.run(main()) == "the test's"
    assert seen == [("a's", False), ("the test's", "HOME" in os.environ), "changed", "changed"]
    assert "SIMLOOP_HOST" not in os.environ


def test_working_directories_are_each_process_s_own(tmp_path):
    """``os.chdir`` moves the process that calls it, and no other."""
    seen = []

    async def program(path):
        os.chdir(path)
        await asyncio.sleep(1)
        seen.append((str(Path.cwd()), Path("file").read_text()))

    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"of {name}")
    here = str(Path.cwd())

    async def main():
        hosts = [world().add_host(name, program, args=(tmp_path / name,)) for name in "ab"]
        processes = [host.processes[0] for host in hosts]
        await asyncio.sleep(0.5)
        cwds = [str(Path.cwd()), *[each.cwd for each in processes]]
        await asyncio.sleep(1)
        return cwds

    assert simloop.run(main()) == [here, str(tmp_path / "a"), str(tmp_path / "b")]
    assert seen == [(str(tmp_path / name), f"of {name}") for name in "ab"]
    assert str(Path.cwd()) == here


def test_each_start_draws_anew():
    """A process draws its own numbers, another one each start, the same in each run."""

    def drawn():
        numbers = []

        async def program():
            numbers.append((random.random(), os.urandom(4)))

        async def main():
            host = world().add_host("db", program)
            await asyncio.sleep(1)
            host.restart()
            await asyncio.sleep(1)
            numbers.append((random.random(), os.urandom(4)))

        simloop.run(main(), seed=3)
        return numbers

    first, again = drawn(), drawn()
    assert first == again
    assert len(set(first)) == 3


def test_descriptors_are_each_process_s_own():
    """Each process's table begins with its lowest number; one's end leaves another's open."""
    seen = []

    async def program(seconds):
        left, right = socket.socketpair()
        seen.append(left.fileno())
        await asyncio.sleep(seconds)
        left.send(b"open")
        seen.append(right.recv(4))
        left.close()
        right.close()

    async def main():
        host = world().add_host("db")
        first = host.start(program, args=(1,))
        second = host.start(program, args=(3,))
        await first.exited()
        third = host.start(program, args=(1,))
        await second.exited()
        await third.exited()

    simloop.run(main())
    first, second, third = (each for each in seen if isinstance(each, int))
    assert first == third != second
    assert seen.count(b"open") == 3


def test_a_closed_port_is_free_for_the_next_program():
    """A server that is started again right after a kill binds the same port."""

    async def main():
        host = world().add_host("db", serve)
        await asyncio.sleep(1)
        for _ in range(3):
            host.processes[0].kill()
            host.start()
            await asyncio.sleep(1)
        return await ask("db")

    assert simloop.run(main()) == b"hello"


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_an_end_is_told_by_the_process_itself(kind, capsys):
    """The words of ``sys.exit`` go to its standard error, an error to the hook that it has set."""
    seen = []

    def work():
        time.sleep(1)
        seen.append("worked")

    def fail():
        sys.excepthook = lambda kind, error, traceback: seen.append(
            (kind, str(error), bool(traceback))
        )
        threading.Thread(target=work).start()
        raise LookupError("broken")

    def leave():
        threading.Thread(target=work).start()
        sys.exit("leaves")

    async def failing():
        fail()

    async def leaving():
        leave()

    async def main():
        programs = (fail, leave) if kind == "plain" else (failing, leaving)
        for name, program in zip("ab", programs, strict=True):
            host = simloop.current_world().add_host(name, program)
            seen.append(await host.processes[0].exited())

    simloop.run(main())
    assert seen == [(LookupError, "broken", True), "worked", 1, "worked", 1]
    assert capsys.readouterr().err == "leaves\n"


def test_a_locale_is_the_process_s():
    """What one process sets by ``locale.setlocale`` no other one sees, nor the run's program."""
    seen = {}

    async def set_it():
        locale.setlocale(locale.LC_ALL, "POSIX")
        await asyncio.sleep(2)
        seen["its own"] = locale.setlocale(locale.LC_CTYPE)

    async def look():
        await asyncio.sleep(1)
        seen["another one's"] = locale.setlocale(locale.LC_CTYPE)

    async def main():
        first = locale.setlocale(locale.LC_CTYPE)
        for name, program in (("a", set_it), ("b", look)):
            world().add_host(name, program)
        await asyncio.sleep(3)
        seen["the driver's"] = locale.setlocale(locale.LC_CTYPE)
        return first

    first = simloop.run(main())
    assert first != "C"
    assert seen == {"its own": "C", "another one's": first, "the driver's": first}
