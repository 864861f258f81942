"""Programs of a world: how they are registered, found and run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE

import pytest

import simloop


async def nothing(_process) -> None:
    """Do nothing."""


@pytest.mark.parametrize("start", [asyncio.create_subprocess_exec, asyncio.create_subprocess_shell])
def test_an_unknown_program_is_refused_with_the_way_out(start) -> None:
    """The error names the program, what is known, and the two calls that help."""
    with pytest.raises(simloop.UnsupportedError) as caught:
        simloop.run(start("git"))
    for part in ("'git'", "registered: none", "programs.register('git', main)", "missing('git')"):
        assert part in str(caught.value)


def test_the_refusal_names_the_way_to_a_real_program() -> None:
    """Where real processes are allowed the refused call says so, and what it names works."""

    async def main() -> bytes:
        with simloop.allow("subprocess"):
            with pytest.raises(simloop.UnsupportedError, match=r"to_thread\(subprocess\.run"):
                await asyncio.create_subprocess_exec("echo", "hello")
            command = [sys.executable, "-c", "print('hello')"]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True)
            return done.stdout

    assert simloop.run(main()) == b"hello\n"


def test_a_path_finds_what_is_registered_by_name(run_with) -> None:
    """A path itself comes first, then its last part."""

    async def one(process) -> int:
        assert process.argv[0] == "/usr/bin/tool"
        return 1

    async def two(_process) -> int:
        return 2

    async def main() -> list[int]:
        programs = asyncio.get_running_loop().world.programs
        codes = []
        for _ in range(2):
            process = await asyncio.create_subprocess_exec("/usr/bin/tool")
            codes.append(await process.wait())
            programs.register("/usr/bin/tool", two)
        return codes

    assert run_with(main, tool=one) == [1, 2]


@pytest.mark.parametrize(
    ("name", "main"), [("", nothing), (1, nothing), ("git", print), ("git", 1)]
)
def test_what_is_no_program_is_refused(name, main) -> None:
    """A program is a coroutine function with a name."""
    with pytest.raises(simloop.UsageError):
        simloop.World().programs.register(name, main)


def test_an_object_may_be_a_program(run_with) -> None:
    """What has a coroutine function as ``__call__`` is one, too."""

    class Program:
        async def __call__(self, _process) -> int:
            return 5

    async def main() -> int:
        return await (await asyncio.create_subprocess_exec("tool")).wait()

    assert run_with(main, tool=Program()) == 5


def raising(error) -> None:
    raise error


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (lambda: None, 0, b""),
        (lambda: 300, 44, b""),
        (lambda: sys.exit(4), 4, b""),
        (sys.exit, 0, b""),
        (lambda: sys.exit("so it goes"), 1, b"so it goes\n"),
        (lambda: 1 / 0, 1, b"ZeroDivisionError"),
        (lambda: raising(KeyboardInterrupt), -2, b"KeyboardInterrupt"),
        (lambda: raising(GeneratorExit), 1, b"GeneratorExit"),
    ],
)
def test_how_a_program_may_end(run_with, end, code, said) -> None:
    """A result, SystemExit and an error give the exit codes of a Python program."""

    async def tool(_process) -> object:
        return end()

    async def main() -> tuple[bytes, int]:
        process = await asyncio.create_subprocess_exec("tool", stderr=PIPE)
        _, err = await process.communicate()
        return err, process.returncode

    err, returned = run_with(main, tool=tool)
    assert returned == code
    assert said in err


def test_programs_live_in_virtual_time_and_have_numbers(run_with) -> None:
    """Programs sleep side by side with their parent, and their numbers count per world."""

    async def tool(process) -> None:
        await asyncio.sleep(int(process.argv[1]))

    async def main() -> object:
        processes = [await asyncio.create_subprocess_exec("tool", str(hours)) for hours in (2, 1)]
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(process.wait() for process in processes))
        return loop.time(), [process.pid for process in processes]

    assert run_with(main, tool=tool) == (2.0, [1001, 1002])


def test_a_full_pipe_makes_a_program_wait(run_with) -> None:
    """A program that writes what nobody reads waits, until somebody does."""
    progress = []

    async def tool(process) -> None:
        for _ in range(10):
            process.stdout.write(b"x" * 65_536)
            await process.stdout.drain()
            progress.append(1)

    async def main() -> object:
        progress.clear()
        process = await asyncio.create_subprocess_exec("tool", stdout=PIPE)
        await asyncio.sleep(60)
        early = len(progress)
        out = await process.stdout.read()
        return early < 10, len(out), await process.wait()

    assert run_with(main, tool=tool) == (True, 655_360, 0)


def test_a_killed_program_is_silent(run_with) -> None:
    """What a program does as it is killed is seen by nobody, and its clean-up still runs."""
    seen = []

    async def tool(process) -> None:
        process.stdout.write(b"before")
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("cleaned up")
            process.stdout.write(b"after")

    async def main() -> object:
        seen.clear()
        process = await asyncio.create_subprocess_exec("tool", stdout=PIPE)
        await asyncio.sleep(1)
        process.kill()
        return await process.communicate(), process.returncode, list(seen)

    out = (b"before", None)
    assert run_with(main, tool=tool) == (out, -signal.SIGKILL, ["cleaned up"])


def test_a_program_is_killed_whose_reader_is_gone(run_with) -> None:
    """Killing works while the program's stdout leads nowhere, and its Popen tells the code."""

    async def talk(process) -> None:
        process.stdout.write(b"x")
        with contextlib.suppress(ConnectionError):
            await process.stdout.drain()
        await asyncio.sleep(3600)

    async def main() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, "talk")
        popen = transport.get_extra_info("subprocess")
        with pytest.raises(simloop.UnsupportedError, match=r"await process\.wait\(\)"):
            popen.wait()
        transport.get_pipe_transport(1).close()
        await asyncio.sleep(1)
        transport.kill()
        told = popen.wait()
        code = await transport._wait()
        transport.close()
        return told, code

    assert run_with(main, talk=talk) == (-9, -9)


def test_a_killed_program_that_never_began() -> None:
    """A program can be killed before its first step."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.world.programs.register("tool", nothing)
        process = await asyncio.create_subprocess_exec("tool")
        process.kill()
        return await process.wait()

    assert simloop.run(main()) in {-signal.SIGKILL, 0}


def test_inherited_streams_print(run_with, capfd) -> None:
    """Without a pipe a program prints to its parent's streams and has nothing to read."""

    async def tool(process) -> None:
        process.stdout.write(b"out:" + await process.stdin.read() + b"\n")
        process.stderr.write(b"err\n")

    async def main() -> int:
        return await (await asyncio.create_subprocess_exec("tool")).wait()

    assert run_with(main, tool=tool) == 0
    assert capfd.readouterr() == ("out:\n" * 2, "err\n" * 2)


def test_programs_start_programs(run_with) -> None:
    """A program may be a parent itself, and use the network."""

    async def inner(process) -> None:
        process.stdout.write(b"inner")

    async def outer(process) -> int:
        child = await asyncio.create_subprocess_exec("inner", stdout=PIPE)
        out, _ = await child.communicate()
        process.stdout.write(b"outer " + out)
        return 0

    async def main() -> bytes:
        process = await asyncio.create_subprocess_exec("outer", stdout=PIPE)
        return (await process.communicate())[0]

    assert run_with(main, inner=inner, outer=outer) == b"outer inner"


def test_simple_shell_commands_need_no_shell(run_with) -> None:
    """Quotes and assignments are understood; the program sees its own name and arguments."""

    async def tool(process) -> None:
        process.stdout.write(repr((process.argv, process.env.get("A"))).encode())

    async def main() -> bytes:
        process = await asyncio.create_subprocess_shell(
            "A='1 2' tool \"a  b\" c\\ d '$HOME' e", stdout=PIPE
        )
        return (await process.communicate())[0]

    assert run_with(main, tool=tool) == b"(['tool', 'a  b', 'c d', '$HOME', 'e'], '1 2')"


@pytest.mark.parametrize(
    "command",
    [
        "tool | tool",
        "tool > file",
        "tool && tool",
        "tool; tool",
        "tool $HOME",
        'tool "$HOME"',
        "tool `tool`",
        "tool *.py",
        "tool &",
        "tool 'open",
        "tool\ntool",
    ],
)
def test_what_needs_a_shell_is_refused_with_the_way_out(command) -> None:
    """Pipes, redirections, variables and patterns are refused; the error tells how to have them."""

    async def main() -> None:
        asyncio.get_running_loop().world.programs.register("tool", nothing)
        await asyncio.create_subprocess_shell(command)

    with pytest.raises(simloop.UnsupportedError, match=r'programs.register\("sh", main\)'):
        simloop.run(main())


def test_an_empty_command_does_nothing(run_with) -> None:
    """The shell's own nothing is 0."""

    async def main() -> int:
        return await (await asyncio.create_subprocess_shell("")).wait()

    assert run_with(main) == 0


@pytest.mark.parametrize(
    "options", [{"preexec_fn": print}, {"pass_fds": (3,)}, {"user": "nobody"}, {"nonsense": 1}]
)
def test_what_a_simulated_process_cannot_have_is_refused(options) -> None:
    """Options that reach into a real process are errors that name them."""

    async def main() -> None:
        asyncio.get_running_loop().world.programs.register("tool", nothing)
        await asyncio.create_subprocess_exec("tool", **options)

    with pytest.raises(simloop.UnsupportedError, match=next(iter(options))):
        simloop.run(main())


def test_sockets_are_no_streams_of_a_program() -> None:
    """A virtual socket as stdout is refused, and nothing stays open."""

    async def main() -> None:
        asyncio.get_running_loop().world.programs.register("tool", nothing)
        one, other = socket.socketpair()
        with one, other, pytest.raises(simloop.UnsupportedError, match="as stdout"):
            await asyncio.create_subprocess_exec("tool", stdin=PIPE, stdout=one)

    simloop.run(main())


def test_stopping_is_refused() -> None:
    """SIGSTOP is no end, and there is nothing that could be stopped."""

    async def sleeper(_process) -> None:
        await asyncio.sleep(5)

    async def main() -> None:
        asyncio.get_running_loop().world.programs.register("tool", sleeper)
        process = await asyncio.create_subprocess_exec("tool")
        await asyncio.sleep(1)
        with pytest.raises(simloop.UnsupportedError, match="SIGSTOP"):
            process.send_signal(signal.SIGSTOP)
        await process.wait()

    simloop.run(main())


def test_handlers_of_a_program(run_with) -> None:
    """A program can set and remove handlers, but not for SIGKILL."""

    async def tool(process) -> int:
        seen = asyncio.Event()
        with pytest.raises(RuntimeError, match="cannot be caught"):
            process.add_signal_handler(signal.SIGKILL, seen.set)
        with pytest.raises(ValueError, match="invalid signal"):
            process.add_signal_handler(1000, seen.set)
        process.add_signal_handler(signal.SIGUSR1, seen.set)
        process.stdout.write(b"ready")
        await seen.wait()
        assert process.remove_signal_handler(signal.SIGUSR1)
        assert not process.remove_signal_handler(signal.SIGUSR1)
        process.stdout.write(b"again")
        await asyncio.sleep(1000)
        return 0

    async def main() -> object:
        process = await asyncio.create_subprocess_exec("tool", stdout=PIPE)
        for _ in range(2):
            assert len(await process.stdout.readexactly(5)) == 5
            process.send_signal(signal.SIGUSR1)
        return await process.wait()

    assert run_with(main, tool=tool) == -signal.SIGUSR1


def test_a_deadlock_names_the_process() -> None:
    """A program that waits for ever is listed as the process that it is."""

    async def tool(_process) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        asyncio.get_running_loop().world.programs.register("tool", tool)
        await (await asyncio.create_subprocess_exec("tool")).wait()

    with pytest.raises(simloop.DeadlockError, match=r"tool \(process 1001\)"):
        simloop.run(main())


def test_a_run_ends_with_its_processes() -> None:
    """A program that outlives ``main`` is ended with the run, without a warning."""
    seen = []

    async def tool(_process) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            seen.append("ended")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.world.programs.register("tool", tool)
        transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, "tool")
        await asyncio.sleep(1)
        transport.close()

    simloop.run(main())
    assert seen == ["ended"]
