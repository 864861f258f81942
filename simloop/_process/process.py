"""Child processes: a registered program at work.

Owns: the two faces of one simulated process. :class:`Process` is what the program itself sees;
:class:`Child` is what its parent holds, with the attributes and calls of ``subprocess.Popen`` that
asyncio uses. Between them are virtual pipes, so a program that writes more than a pipe holds waits
until somebody reads.

Must not know: transports; whoever started the child is told once, when it ends.

Invariants:

- The exit code is told after the program's streams were flushed and closed.
- A signal that ends the process closes its streams at once. The program's coroutine is cancelled,
  and what it still does is seen by nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError

from .dispositions import IGNORED, UNCATCHABLE, check_signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .programs import Main

__all__ = ["Child", "Process"]

_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Process:
    """A simulated process, as its program sees it.

    Attributes:
        argv: The program's name and its arguments.
        env: Its environment.
        cwd: Its working directory.
        pid: Its number, counted per world.
        stdin: What it reads; at its end at once where nobody gave it anything.
        stdout: What it writes.
        stderr: What it complains; the same writer as ``stdout`` where that was asked for.
    """

    stdin: asyncio.StreamReader
    stdout: asyncio.StreamWriter
    stderr: asyncio.StreamWriter

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str, pid: int) -> None:
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.pid = pid
        self._handlers: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.argv!r} pid={self.pid}>"

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        """Run ``callback(*args)`` as a step when the process gets the signal.

        Without a handler a signal does what Linux has it do: nothing for SIGCHLD, SIGURG, SIGWINCH
        and SIGCONT, the end of the process for the others.

        Raises:
            ValueError: There is no such signal.
            RuntimeError: The signal cannot be caught.
        """
        check_signal(sig)
        if sig in UNCATCHABLE:
            raise RuntimeError(f"sig {sig} cannot be caught")
        self._handlers[sig] = callback, args

    def remove_signal_handler(self, sig: int) -> bool:
        """Let the signal do again what it does without a handler; false if there was none."""
        check_signal(sig)
        return self._handlers.pop(sig, None) is not None


class Child:
    """A simulated process, as its parent holds it.

    Args:
        loop: The loop on which it lives.
        process: What its program sees.
        main: The program.
        ends: The files of its standard streams, by descriptor: a virtual pipe's end to connect to,
            or a function that takes what is written, or the bytes that can be read.
        exited: Called once with the exit code.
    """

    def __init__(
        self,
        loop: Any,
        process: Process,
        main: Main,
        ends: dict[int, Any],
        exited: Callable[[int], object],
    ) -> None:
        self.args: list[str] = process.argv
        self.pid: int = process.pid
        self.returncode: int | None = None
        self.stdin: Any = None
        self.stdout: Any = None
        self.stderr: Any = None
        self._loop = loop
        self._process = process
        self._main = main
        self._ends = ends
        self._exited = exited
        self._transports: list[Any] = []
        self._ended_by: int | None = None
        self._is_told = False
        name = f"{process.argv[0]} (process {process.pid})"
        self._task: asyncio.Task[None] = asyncio.Task(self._live(), loop=loop, name=name)

    # What the parent does ------------------------------------------------------------------

    def poll(self) -> int | None:
        """Return the exit code, or None while the process lives."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code of a process that has ended, or was ended by a signal.

        Raises:
            UnsupportedError: It still works, and would never end while its parent waits so.
        """
        if self.returncode is None and self._ended_by is not None:
            self.returncode = -self._ended_by
        if self.returncode is None:
            raise UnsupportedError(
                f"wait(timeout={timeout!r}) for the process {self.pid}, which has not ended, would"
                " stop the loop on which it lives; await process.wait() instead"
            )
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, sig: int) -> None:
        """Send a signal; one that comes after the end does nothing.

        Raises:
            ValueError: There is no such signal.
            UnsupportedError: It would stop the process.
        """
        if sig == 0 or self.returncode is not None or self._ended_by is not None:
            return
        check_signal(sig)
        handler = self._process._handlers.get(sig)
        if handler is not None:
            self._loop.call_soon(handler[0], *handler[1])
        elif sig in _STOPS:
            raise UnsupportedError(
                f"{signal.Signals(sig).name} would stop the process {self.pid}, and a simulated one"
                " can't be stopped; let its program handle the signal"
                " (process.add_signal_handler), or end it by SIGTERM"
            )
        elif sig not in IGNORED:
            self._end_by(sig)

    def _end_by(self, sig: int) -> None:
        self._ended_by = sig
        for transport in self._transports:
            if not transport.is_closing():  # Its peer may be gone already.
                transport.abort() if hasattr(transport, "abort") else transport.close()
        self._close_ends()
        self._task.cancel()
        self._loop.call_soon(self._exit, -sig)

    # What happens inside -------------------------------------------------------------------

    async def _live(self) -> None:
        """Be the process: from its streams' opening to their end."""
        process = self._process
        try:
            await self._open()
            code = _exit_code(await self._main(process), process)
        except SystemExit as request:
            code = _exit_code(request.code, process)
        except asyncio.CancelledError:
            if self._ended_by is None:  # The loop ends, and everything on it.
                self._end_by(signal.SIGKILL)
            raise
        except BaseException:  # noqa: BLE001 - the process dies of it, the world does not
            process.stderr.write(traceback.format_exc().encode())
            code = 1
        await self._close()
        self._exit(code)

    async def _open(self) -> None:
        process, ends = self._process, self._ends
        process.stdin = await self._open_reader(ends.get(0))
        process.stdout = await self._open_writer(ends.get(1))
        is_shared = ends.get(2) is ends.get(1) and ends.get(2) is not None
        process.stderr = process.stdout if is_shared else await self._open_writer(ends.get(2))

    async def _open_reader(self, end: Any) -> asyncio.StreamReader:
        loop = self._loop
        reader = asyncio.StreamReader(loop=loop)
        if hasattr(end, "fileno"):
            protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
            transport, _ = await loop.connect_read_pipe(lambda: protocol, end)
            self._transports.append(transport)
            return reader
        if end:
            reader.feed_data(end)
        reader.feed_eof()
        return reader

    async def _open_writer(self, end: Any) -> asyncio.StreamWriter:
        loop = self._loop
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), loop=loop)
        if hasattr(end, "fileno"):
            transport, _ = await loop.connect_write_pipe(lambda: protocol, end)
        else:
            transport = _Sink(loop, protocol, end)
        self._transports.append(transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)

    async def _close(self) -> None:
        """Let everything that was written out, then close."""
        writers = [self._process.stdout]
        if self._process.stderr is not writers[0]:
            writers.append(self._process.stderr)
        for writer in writers:
            writer.close()
        for transport in self._transports:
            transport.close()
        for writer in writers:
            with contextlib.suppress(OSError):  # Whoever read is gone: so be it.
                await writer.wait_closed()

    def _close_ends(self) -> None:
        for end in self._ends.values():
            if hasattr(end, "close"):
                end.close()

    def _exit(self, code: int) -> None:
        if not self._is_told:
            self._is_told = True
            self.returncode = code
            self._close_ends()
            self._exited(code)


def _exit_code(value: object, process: Process) -> int:
    """Return the exit code that the system would show for what a program returns."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    process.stderr.write(f"{value}\n".encode())  # As for sys.exit("a message").
    return 1


class _Sink(asyncio.WriteTransport):
    """A transport that hands what is written to a function, or to nobody."""

    def __init__(
        self,
        loop: Any,
        protocol: asyncio.StreamReaderProtocol,
        take: Callable[[bytes], object] | None,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._take = take
        self._is_closing = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand it over at once."""
        if self._take is not None and not self._is_closing:
            self._take(bytes(data))

    def can_write_eof(self) -> bool:
        """Tell that closing is the way to end."""
        return False

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self._is_closing

    def close(self) -> None:
        """End."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """End."""
        self.close()

    def get_write_buffer_size(self) -> int:
        """Return 0: nothing waits here."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: there is no buffer."""


def print_to(name: str) -> Callable[[bytes], None]:
    """Return what writes to the parent's own ``stdout`` or ``stderr``."""

    def take(data: bytes) -> None:
        stream = getattr(sys, name)
        if stream is None:
            return
        if hasattr(stream, "buffer"):
            stream.flush()
            stream.buffer.write(data)
        else:
            stream.write(data.decode(errors="replace"))
        stream.flush()

    return take


class RealFile:
    """A real file that a process writes to, by a descriptor of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)

    def __call__(self, data: bytes) -> None:
        """Write everything."""
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Close it, once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
