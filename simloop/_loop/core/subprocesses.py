"""``subprocess_exec`` and ``subprocess_shell``: processes of the world, under asyncio's transport.

Owns: finding the program, making the pipes between it and its parent, and telling asyncio's own
``SubprocessTransport`` when it ends. No child watcher takes part, on no version.

A simulated process lives as a task of its parent's loop, so it is listed in a report of a
deadlock, and ends with the loop. Its ``stdin`` is empty where it would be inherited; an inherited
``stdout`` or ``stderr`` prints to the parent's.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
from asyncio import base_events, base_subprocess
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState
from simloop._process.child import Child
from simloop._process.process import Process
from simloop._process.programs import as_text, parse_shell
from simloop._process.standard_streams import RealFile, print_to
from simloop.errors import UnsupportedError
from simloop.net.files.pipes import PipeReader, PipeWriter
from simloop.net.syscalls.socket_calls import make_pipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._process.programs import Main

__all__ = ["Processes"]

_base_events: Any = base_events  # Whose logger typeshed does not know.

_HARMLESS = dict.fromkeys(
    (
        "close_fds",
        "creationflags",
        "pipesize",
        "process_group",
        "restore_signals",
        "start_new_session",
        "umask",
    )
)
"""What changes nothing that a simulated process could see."""


class _Transport(base_subprocess.BaseSubprocessTransport):
    """asyncio's transport, with a simulated process behind it."""

    _loop: LoopState
    _proc: Child | None  # type: ignore[assignment]  # a Popen in all that asyncio asks of it

    def _start(  # type: ignore[override]  # called from the constructor, with its options
        self,
        args: Any,
        shell: bool,  # noqa: FBT001 - asyncio calls it so
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        *,
        start: _Start,
    ) -> None:
        del args, shell, bufsize
        loop = self._loop
        pipes = _Pipes(loop.host)
        try:
            pipes.give(0, stdin)
            pipes.give(1, stdout)
            pipes.give(2, stderr)
        except BaseException:
            pipes.close()
            raise
        processes = loop.world.processes
        parent = loop.process.of_caller()
        process = Process(parent.world, processes.next_pid(), parent)
        process.argv, process.env, process.cwd = start.argv, start.env, start.cwd
        processes.add(process, start.group_of(process.pid))
        self._proc = child = Child(loop, process, start.main, pipes.childs, self._process_exited)
        child.stdin, child.stdout, child.stderr = (pipes.parents.get(fd) for fd in range(3))

    def send_signal(self, signal: int) -> None:
        """Send the process a signal."""
        self._check_proc()
        if self._proc is not None:
            self._proc.send_signal(signal)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self._check_proc()
        if self._proc is not None:
            self._proc.terminate()

    def kill(self) -> None:
        """Send it SIGKILL."""
        self._check_proc()
        if self._proc is not None:
            self._proc.kill()


class _Start:
    """What a command asks for: which program, with which arguments, where."""

    main: Main
    argv: list[str]

    def __init__(
        self, loop: LoopState, args: Any, options: dict[str, Any], *, is_shell: bool
    ) -> None:
        env, cwd = options.pop("env", None), options.pop("cwd", None)
        executable = options.pop("executable", None)
        self._group = options.get("process_group")
        if options.get("start_new_session"):
            self._group = 0
        _check_options(options)
        source = os.environ if env is None else env
        self.env = {_name(key): _c_text(value) for key, value in source.items()}
        self.cwd = os.getcwd() if cwd is None else _c_text(cwd)  # noqa: PTH109 - a string is wanted
        if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112 - real files are there
            code = errno.ENOTDIR if os.path.exists(cwd) else errno.ENOENT  # noqa: PTH110
            raise OSError(code, os.strerror(code), cwd)
        if is_shell:
            self._find_shell(loop.world.programs, _c_text(args))
        else:
            self.argv = [_c_text(each) for each in args]
            path = self.argv[0] if executable is None else _c_text(executable)
            self.main = loop.world.programs.find(path, f"subprocess_exec({path!r}, ...)")

    def group_of(self, pid: int) -> int | None:
        """Return the group of the process, or None for that of its parent."""
        return pid if self._group == 0 else self._group

    def _find_shell(self, programs: Any, command: str) -> None:
        self.argv = ["/bin/sh", "-c", command]
        shell = programs.find_shell()
        if shell is not None:
            self.main = shell
            return
        assignments, words = parse_shell(command)
        if not words:
            self.main = _do_nothing
        elif programs.is_missing(words[0]):
            self.main = _not_found(words[0])
        else:
            self.env.update(assignments)
            self.argv = words
            self.main = programs.find(words[0], f"subprocess_shell({command!r})")


def _c_text(value: Any) -> str:
    """Return a text as the process sees it; none holds the character that ends a string of C.

    Raises:
        ValueError: It does; the words are those of CPython's _posixsubprocess.c.
    """
    text = as_text(value)
    if "\0" in text:
        raise ValueError("embedded null byte")
    return text


def _name(key: Any) -> str:
    """Return the name of a variable of the environment, which ends at the first "=" there.

    Raises:
        ValueError: It holds one (``Popen._execute_child`` in CPython's subprocess.py).
    """
    if "=" in (name := _c_text(key)):
        raise ValueError("illegal environment variable name")
    return name


async def _do_nothing(_process: Process) -> int:
    return 0


def _not_found(name: str) -> Main:
    """Return what a shell does where the program is not there."""

    async def main(process: Process) -> int:
        process.stderr.write(f"/bin/sh: 1: {name}: not found\n".encode())
        return 127

    return main


def _check_options(options: dict[str, Any]) -> None:
    """Refuse what a simulated process cannot have."""
    for name, value in options.items():
        if name in _HARMLESS or not value:
            continue
        raise UnsupportedError(
            f"{name}={value!r}: a simulated process is a coroutine of this process and inherits"
            " nothing but its standard streams; leave the argument out, and let the registered"
            " program do what it stands for"
        )


class _Pipes:
    """The standard streams of one process, while it is started."""

    def __init__(self, host: Any) -> None:
        self._host = host
        self.childs: dict[int, Any] = {}
        self.parents: dict[int, Any] = {}

    def give(self, number: int, what: Any) -> None:
        """Make one stream what the parent asked for."""
        if what == subprocess.PIPE and isinstance(what, int):
            self._make_pipe(number)
        elif what == subprocess.DEVNULL and isinstance(what, int):
            self.childs[number] = None
        elif what == subprocess.STDOUT and isinstance(what, int):
            if number == 1 and sys.version_info >= (3, 13):
                raise ValueError("STDOUT can only be used for stderr")
            if number != 2:  # noqa: PLR2004 - the number of stderr; STDOUT is taken for a descriptor
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self.childs[2] = self.childs[1]
        elif what is None:
            self.childs[number] = (
                None if number == 0 else print_to(("", "stdout", "stderr")[number])
            )
        else:
            fd = what if isinstance(what, int) else what.fileno()
            self.childs[number] = self._share(number, fd, what)

    def _make_pipe(self, number: int) -> None:
        reading, writing = make_pipe(self._host)
        ends = self._open(reading, "rb"), self._open(writing, "wb")
        self.childs[number], self.parents[number] = ends if number == 0 else reversed(ends)

    def _open(self, fd: int, mode: str) -> Any:
        from simloop.net.syscalls.descriptor_io import DescriptorIO  # noqa: PLC0415 - who starts nothing needs none

        return DescriptorIO(self._host, fd, mode)

    def _share(self, number: int, fd: int, what: Any) -> Any:
        """Give the process a descriptor of its own for something that the parent has open."""
        if fd in self._host.descriptors:
            kind = PipeReader if number == 0 else PipeWriter
            if isinstance(self._host.file(fd), kind):
                return self._open(self._host.dup(fd), "rb" if number == 0 else "wb")
            raise UnsupportedError(
                f"{what!r} as {('stdin', 'stdout', 'stderr')[number]} of a simulated process: only"
                " the right end of a pipe, a file, PIPE, DEVNULL and STDOUT can be its streams"
            )
        if number != 0:
            return RealFile(fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UnsupportedError(
                f"{what!r} as stdin of a simulated process: it is a pipe or a terminal of the real"
                " process, for which no simulated one can wait; use PIPE"
            )
        return _rest_of(fd)

    def close(self) -> None:
        """Close everything: the process could not be started."""
        for end in [*self.childs.values(), *self.parents.values()]:
            if hasattr(end, "close"):
                end.close()


def _rest_of(fd: int) -> bytes:
    """Read a file from where it stands to its end, as the process would."""
    pieces = []
    while piece := os.read(fd, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


class Processes(LoopState):
    """The part of a loop that starts processes."""

    async def subprocess_exec(  # type: ignore[override]  # typeshed spells the options out
        self,
        protocol_factory: Callable[[], asyncio.SubprocessProtocol],
        program: Any,
        *args: Any,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        **options: Any,
    ) -> tuple[asyncio.SubprocessTransport, asyncio.SubprocessProtocol]:
        """Start a program of the world; return ``(transport, protocol)``.

        Args:
            protocol_factory: Makes the protocol that hears of pipes and of the end.
            program: What to start: a name or a path that is registered in ``world.programs``.
            *args: Its arguments.
            stdin: PIPE, DEVNULL, None, a file, or the reading end of a virtual pipe.
            stdout: PIPE, DEVNULL, None, a file, or the writing end of a virtual pipe.
            stderr: As ``stdout``, or STDOUT.
            **options: ``env``, ``cwd`` and ``executable``, as in ``subprocess.Popen``.

        Raises:
            FileNotFoundError: The program, or the working directory, is not there.
            UnsupportedError: The program is not registered, or it cannot have an option.
        """
        shell = options.pop("shell", False)
        if shell:
            raise ValueError("shell must be False")
        streams = stdin, stdout, stderr
        command = (program, *args)
        return await self._start_process(
            protocol_factory, command, streams, options, is_shell=False
        )

    async def subprocess_shell(  # type: ignore[override]  # as above
        self,
        protocol_factory: Callable[[], asyncio.SubprocessProtocol],
        cmd: Any,
        *,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        **options: Any,
    ) -> tuple[asyncio.SubprocessTransport, asyncio.SubprocessProtocol]:
        """Run a shell command; return ``(transport, protocol)``.

        A program registered as ``sh`` gets the command as ``argv[2]``. Without one the command may
        be a program and its arguments, quoted as for a shell.

        Raises:
            UnsupportedError: The command needs a shell, or a program that is not registered.
        """
        if not isinstance(cmd, (bytes, str)):
            raise ValueError("cmd must be a string")  # noqa: TRY004 - asyncio's own
        if not options.pop("shell", True):
            raise ValueError("shell must be True")
        streams = stdin, stdout, stderr
        return await self._start_process(protocol_factory, cmd, streams, options, is_shell=True)

    async def _start_process(
        self,
        protocol_factory: Callable[[], asyncio.SubprocessProtocol],
        command: Any,
        streams: tuple[Any, Any, Any],
        options: dict[str, Any],
        *,
        is_shell: bool,
    ) -> tuple[asyncio.SubprocessTransport, asyncio.SubprocessProtocol]:
        _check_text(options)
        protocol = protocol_factory()
        _ask_mock(command, streams, options, is_shell=is_shell)
        if self._debug:
            _base_events.logger.debug("start %r", command if is_shell else command[0])
        waiter: asyncio.Future[None] = self.create_future()
        start = _Start(self, command, options, is_shell=is_shell)
        transport: Any = _Transport(
            self, protocol, command, is_shell, *streams, 0, waiter=waiter, start=start
        )
        try:
            await waiter
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport, protocol


def _ask_mock(
    command: Any, streams: tuple[Any, Any, Any], options: dict[str, Any], *, is_shell: bool
) -> None:
    """Call the mock that a test has put in the place of ``subprocess.Popen``, and raise its error.

    asyncio calls it so (``_UnixSubprocessTransport._start`` of asyncio/unix_events.py). What it
    returns is no process of a world: the program is started all the same.
    """
    popen: Any = subprocess.Popen
    if isinstance(popen, type):
        return
    mocks = sys.modules.get("unittest.mock")
    if mocks is not None and isinstance(popen, mocks.NonCallableMock):
        stdin, stdout, stderr = streams
        popen(
            command,
            shell=is_shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            universal_newlines=False,
            bufsize=0,
            **options,
        )


def _check_text(options: dict[str, Any]) -> None:
    """Refuse text modes and buffers, in asyncio's words."""
    for name, wanted in (
        ("universal_newlines", False),
        ("bufsize", 0),
        ("text", None),
        ("encoding", None),
        ("errors", None),
    ):
        value = options.pop(name, wanted)
        if value != wanted and (value or name == "bufsize"):
            shown = "False" if name == "text" else wanted
            raise ValueError(f"{name} must be {shown}")
