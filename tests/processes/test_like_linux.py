"""asyncio's subprocess calls behave on a world's programs as on the real ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from unittest import mock

import pytest

import simloop

SHELL = "echo out; echo err >&2; exit 3"
TRAP = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"


@pytest.mark.parametrize("size", [0, 5, 1_000_000])
def test_communicate(arm, size) -> None:
    """What goes in comes out, also more than pipes hold."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        assert process.returncode is None
        assert process.pid > 0
        out, err = await process.communicate(b"x" * size)
        assert (len(out), err, process.returncode) == (size, None, 0)
        assert await process.wait() == 0

    arm.run(main)


def test_a_mock_in_the_place_of_popen_is_asked(arm) -> None:
    """Its error is raised, and it has been called as asyncio calls it."""

    async def main() -> None:
        with mock.patch("subprocess.Popen", side_effect=PermissionError("not you")) as popen:
            with pytest.raises(PermissionError, match="not you"):
                await asyncio.create_subprocess_exec("cat", "x", stdin=DEVNULL, cwd="/")
            with pytest.raises(PermissionError, match="not you"):
                await asyncio.create_subprocess_shell("no such program")
        common = {"universal_newlines": False, "bufsize": 0, "stdout": None, "stderr": None}
        assert popen.call_args_list == [
            mock.call(("cat", "x"), shell=False, stdin=DEVNULL, cwd="/", **common),
            mock.call("no such program", shell=True, stdin=None, **common),  # noqa: S604 - a mock.
        ]

    arm.run(main)


def test_streams_while_it_runs(arm) -> None:
    """Lines go back and forth, and the end of stdin ends the program."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            await process.stdin.drain()
            assert await process.stdout.readline() == line
        process.stdin.close()
        await process.stdin.wait_closed()
        assert await process.stdout.read() == b""
        assert await process.wait() == 0

    arm.run(main)


def test_exit_codes_and_separate_streams(arm) -> None:
    """A shell's command has its two streams and its exit code, and so has ``false``."""

    async def main() -> None:
        process = await asyncio.create_subprocess_shell(SHELL, stdout=PIPE, stderr=PIPE)
        assert await process.communicate() == (b"out\n", b"err\n")
        assert process.returncode == 3
        process = await asyncio.create_subprocess_shell(SHELL, stdout=PIPE, stderr=STDOUT)
        assert await process.communicate() == (b"out\nerr\n", None)
        process = await asyncio.create_subprocess_shell(SHELL, stdout=DEVNULL, stderr=PIPE)
        assert await process.communicate() == (None, b"err\n")
        process = await asyncio.create_subprocess_exec("false")
        assert await process.wait() == 1

    arm.run(main)


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_only_stderr_can_be_where_stdout_goes(arm, name) -> None:
    """The error is subprocess's own, which differs by version."""

    async def main() -> tuple[str, str]:
        with pytest.raises((OSError, ValueError)) as caught:
            await asyncio.create_subprocess_exec("false", **{name: STDOUT})
        return type(caught.value).__name__, str(caught.value)

    if name == "stdout" and sys.version_info >= (3, 13):
        wanted = ("ValueError", "STDOUT can only be used for stderr")
    else:
        wanted = ("OSError", "[Errno 9] Bad file descriptor")
    assert arm.run(main) == wanted


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda process: process.terminate(), -signal.SIGTERM),
        (lambda process: process.kill(), -signal.SIGKILL),
        (lambda process: process.send_signal(signal.SIGHUP), -signal.SIGHUP),
    ],
)
def test_signals_end_a_program(arm, send, code) -> None:
    """The exit code of a program that a signal ends is the signal's number, negative."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "1000", stdout=PIPE)
        send(process)
        assert await process.wait() == code
        assert await process.stdout.read() == b""

    arm.run(main)


def test_a_program_may_handle_sigterm(arm) -> None:
    """A handler decides what happens; signals that come after the end are as on Linux."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sh", "-c", TRAP, stdout=PIPE)
        assert await process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGURG)  # Ignored.
        process.terminate()
        assert await process.wait() == 7
        await process.stdout.read()
        with contextlib.suppress(ProcessLookupError):  # Only some versions raise it.
            process.terminate()

    arm.run(main)


def test_environment_and_directory(arm, tmp_path) -> None:
    """``env`` is all that the program has, and ``cwd`` is where it is."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("env", env={"A": "1"}, stdout=PIPE)
        assert await process.communicate() == (b"A=1\n", None)
        process = await asyncio.create_subprocess_exec("pwd", cwd=tmp_path, stdout=PIPE)
        out, _ = await process.communicate()
        assert tmp_path.samefile(out.decode().strip())
        with pytest.raises(FileNotFoundError) as caught:
            await asyncio.create_subprocess_exec("pwd", cwd=tmp_path / "gone")
        assert os.fspath(caught.value.filename) == str(tmp_path / "gone")

    arm.run(main)


def test_files_as_streams(arm, tmp_path) -> None:
    """A program reads from a file and writes to one."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"from a file")

    async def main() -> None:
        with source.open("rb") as reading, target.open("wb") as writing:
            process = await asyncio.create_subprocess_exec("cat", stdin=reading, stdout=writing)
        assert await process.wait() == 0

    arm.run(main)
    assert target.read_bytes() == b"from a file"


def test_a_pipe_between_two_programs(arm) -> None:
    """The ends of ``os.pipe()`` connect one program to the next."""

    async def main() -> None:
        reading, writing = os.pipe()
        first = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=writing)
        os.close(writing)
        second = await asyncio.create_subprocess_exec("cat", stdin=reading, stdout=PIPE)
        os.close(reading)
        first.stdin.write(b"through two")
        first.stdin.close()
        assert await second.stdout.read() == b"through two"
        assert [await first.wait(), await second.wait()] == [0, 0]

    arm.run(main)


class Recorder(asyncio.SubprocessProtocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, _transport) -> None:
        self.seen.append("made")

    def pipe_data_received(self, fd, data) -> None:
        self.seen.append((fd, data))

    def pipe_connection_lost(self, fd, exc) -> None:
        self.seen.append((fd, exc))

    def process_exited(self) -> None:
        self.seen.append("exited")

    def connection_lost(self, exc) -> None:
        self.seen.append(("lost", exc))
        self.closed.set_result(None)


def test_what_a_protocol_hears(arm) -> None:
    """A protocol hears of data, the pipes' ends and the exit, and last of the connection's end."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(Recorder, "cat")
        assert protocol.seen == ["made"]
        assert transport.get_pid() > 0
        assert transport.get_returncode() is None
        transport.get_pipe_transport(0).write(b"hello")
        transport.get_pipe_transport(0).write_eof()
        await protocol.closed
        assert protocol.seen[0] == "made"
        assert protocol.seen[-1] == ("lost", None)
        assert sorted(protocol.seen[1:-1], key=str) == sorted(
            [(1, b"hello"), (0, None), (1, None), (2, None), "exited"], key=str
        )
        assert protocol.seen.index((1, b"hello")) < protocol.seen.index((1, None))
        assert transport.get_returncode() == 0
        transport.close()

    arm.run(main)


def test_closing_the_transport_kills(arm) -> None:
    """A transport that is closed kills its program."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(Recorder, "sleep", "1000")
        transport.close()
        await protocol.closed
        assert transport.get_returncode() == -signal.SIGKILL

    arm.run(main)


def test_wrong_arguments(arm) -> None:
    """Text modes, buffers and the wrong kind of command are refused in asyncio's words."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for options, words in (
            ({"universal_newlines": True}, "universal_newlines must be False"),
            ({"shell": True}, "shell must be False"),
            ({"bufsize": 1}, "bufsize must be 0"),
            ({"text": True}, "text must be False"),
            ({"encoding": "utf-8"}, "encoding must be None"),
            ({"errors": "strict"}, "errors must be None"),
        ):
            with pytest.raises(ValueError, match=words):
                await loop.subprocess_exec(Recorder, "cat", **options)
        with pytest.raises(ValueError, match="cmd must be a string"):
            await loop.subprocess_shell(Recorder, ["cat"])
        with pytest.raises(ValueError, match="shell must be True"):
            await loop.subprocess_shell(Recorder, "cat", shell=False)
        with pytest.raises(TypeError):
            await asyncio.create_subprocess_exec(1)
        process = await asyncio.create_subprocess_exec("sleep", "1000")
        for number in (1000, -1):
            with pytest.raises(OSError, match="Invalid argument"):
                process.send_signal(number)
            with pytest.raises(OSError, match="Invalid argument"):
                os.kill(process.pid, number)
        for number in ("SIGTERM", None, 1.5):
            with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
                process.send_signal(number)
        process.kill()
        await process.wait()

    arm.run(main)


def test_a_timeout_around_a_program(arm) -> None:
    """A program that takes too long is given up by asyncio's own means."""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "1000", stdout=PIPE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.communicate(), 0.05)
        process.kill()
        await process.communicate()
        assert process.returncode == -signal.SIGKILL

    arm.run(main)


def test_a_missing_program() -> None:
    """A program that is said to be missing is, by name and by path; a shell says 127."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.world.programs.missing("gone")
        for path in ("gone", "/usr/bin/gone"):
            with pytest.raises(FileNotFoundError) as caught:
                await asyncio.create_subprocess_exec(path)
            assert caught.value.filename == path
        process = await asyncio.create_subprocess_shell("gone --help", stderr=PIPE)
        assert await process.communicate() == (None, b"/bin/sh: 1: gone: not found\n")
        assert process.returncode == 127

    simloop.run(main())


@pytest.mark.parametrize("turns", range(8))
def test_a_start_that_is_cancelled(arm, turns) -> None:
    """Wherever the start is given up, the process is killed, and the loop has nothing to report."""

    async def main() -> None:
        loop, told = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda _, context: told.append(context))
        start = loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "1000")
        task = loop.create_task(start)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():  # It was there already.
            task.result()[0].close()
        await asyncio.sleep(0.01)
        assert told == []

    arm.run(main)


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        (("cat\0",), {}, "embedded null byte"),
        (("cat", "a\0b"), {}, "embedded null byte"),
        (("cat", b"a\0b"), {}, "embedded null byte"),
        (("cat",), {"executable": "cat\0"}, "embedded null byte"),
        (("cat",), {"cwd": "/\0"}, "embedded null byte"),
        (("cat",), {"env": {"NAME": "x\0"}}, "embedded null byte"),
        (("cat",), {"env": {"NAME\0": "x"}}, "embedded null byte"),
        (("cat",), {"env": {"NAME=": "x"}}, "illegal environment variable name"),
        (("cat",), {"env": {b"=NAME": b"x"}}, "illegal environment variable name"),
    ],
)
def test_texts_that_no_process_can_have(arm, command, options, words) -> None:
    """A NUL in what a process is given, and a name with "=", are errors in Python's words."""

    async def main() -> None:
        with pytest.raises(ValueError, match=words):
            await asyncio.create_subprocess_exec(*command, **options)
        if not options and len(command) == 1:
            with pytest.raises(ValueError, match=words):
                await asyncio.create_subprocess_shell(command[0])

    arm.run(main)
