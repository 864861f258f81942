"""The two programs that CPython's tests start: a Python, and a shell.

Owns: as much of both as those tests need. The Python runs real code, in a thread of the world, with
``sys`` and ``os`` of its own that read and write the simulated process's streams. The shell knows
``exit``, ``echo``, ``sleep`` and the path of that Python.
"""

from __future__ import annotations

import asyncio
import builtins
import os
import shlex
import sys
import types
from pathlib import Path
from typing import Any


class _System:
    """The system calls of one process, made in its thread."""

    def __init__(self, process: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._process = process
        self.environ = process.env
        self._loop = loop
        self._writers = {1: process.stdout, 2: process.stderr}

    def read(self, fd: int, size: int) -> bytes:
        assert fd == 0, fd
        return self._ask(self._process.stdin.read(size))

    def write(self, fd: int, data: bytes) -> int:
        return self._ask(self._write(self._writers[fd], data))

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> int:
        try:
            writer.write(data)
            await writer.drain()
        except ConnectionError as error:
            raise BrokenPipeError(*error.args) from None
        return len(data)

    def _ask(self, coro: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coro, self._loop).result()


class _File:
    """A standard stream, of text and of bytes."""

    def __init__(self, system: _System, fd: int) -> None:
        self._system = system
        self._fd = fd
        self._unread = b""
        self.buffer = self

    def read(self, size: int = -1) -> bytes:
        return self._system.read(self._fd, size)

    def readline(self) -> str:
        while b"\n" not in self._unread and (data := self.read(1024)):
            self._unread += data
        line, end, self._unread = self._unread.partition(b"\n")
        return (line + end).decode()

    def write(self, data: Any) -> int:
        return self._system.write(self._fd, data.encode() if isinstance(data, str) else data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _run(code: str, argv: list[str], system: _System) -> int | None:
    """Run code as a program, in the calling thread, and return its exit status."""
    fake_sys, fake_os = types.ModuleType("sys"), types.ModuleType("os")
    fake_sys.__dict__.update(vars(sys))
    fake_os.__dict__.update(vars(os))
    fake_sys.argv = argv
    fake_sys.stdin, fake_sys.stdout, fake_sys.stderr = (_File(system, fd) for fd in range(3))
    fake_os.read, fake_os.write, fake_os.environ = system.read, system.write, system.environ
    fake_os.getenv = system.environ.get
    fakes = {"sys": fake_sys, "os": fake_os}

    def import_module(name: str, *args: Any) -> Any:
        return fakes[name] if name in fakes else __import__(name, *args)

    def open_file(name: Any, *args: Any) -> Any:
        return fake_sys.stdin if name == "/dev/stdin" else Path(name).open(*args)

    def write_line(*values: object, **_options: Any) -> None:
        fake_sys.stdout.write(" ".join(map(str, values)) + "\n")

    names = {**vars(builtins), "__import__": import_module, "print": write_line}
    names["open"] = open_file
    try:
        exec(code, {"__builtins__": names, "__name__": "__main__"})  # noqa: S102 - it is a Python
    except SystemExit as leave:
        return leave.code
    return 0


async def python(process: Any) -> int | None:
    """Run ``python -c CODE`` or ``python FILE``."""
    _, *arguments = process.argv
    code = arguments.pop(1) if arguments[0] == "-c" else Path(arguments[0]).read_text()
    system = _System(process, asyncio.get_running_loop())
    return await asyncio.to_thread(_run, code, arguments, system)


async def shell(process: Any) -> int | None:
    """Run ``sh -c COMMANDS``."""
    for command in process.argv[2].split(";") if '"' not in process.argv[2] else process.argv[2:]:
        match shlex.split(command):
            case ["exit", code]:
                return int(code)
            case ["echo", *words]:
                process.stdout.write(" ".join(words).encode() + b"\n")
            case ["sleep", seconds]:
                await asyncio.sleep(float(seconds))
            case [sys.executable, *_] as words:
                process.argv = words
                return await python(process)
            case _:
                process.stderr.write(f"sh: {command}: not found\n".encode())
                return 127
    return 0


async def sleep(process: Any) -> None:
    """Run ``sleep SECONDS``."""
    await asyncio.sleep(float(process.argv[1]))


def register(programs: Any) -> None:
    """Put both into a world."""
    programs.register(sys.executable, python)
    programs.register("sh", shell)
    programs.register("sleep", sleep)
