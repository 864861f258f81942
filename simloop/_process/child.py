"""Child processes: a registered program at work.

Owns: the face of a simulated process that its parent holds, with the attributes and calls of
``subprocess.Popen`` that asyncio uses, and the task in which the program lives. Between program and
parent are virtual pipes, so a program that writes more than a pipe holds waits until it is read.

Must not know: transports; the parent's is told once, when the program ends.

Invariants:

- The exit code is told after the program's streams were flushed and closed.
- A signal that ends the process closes its streams at once. The program's coroutine is cancelled,
  and what it still does is not seen.
- The code of a program, and all that it schedules, knows its process by a context variable, because
  it shares the loop of its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop.errors import SimError, UnsupportedError
from simloop.net.linux import signal_names as signal

from .dispositions import IGNORED, check_sent
from .process import program_of_caller
from .standard_streams import SinkTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from .process import Process
    from .programs import Main

__all__ = ["Child"]

_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


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
        self.stdin: Any = None
        self.stdout: Any = None
        self.stderr: Any = None
        self._loop = loop
        self._process = process
        self._main = main
        self._ends = ends
        self._exited = exited
        self._transports: list[Any] = []
        self._opening: Any = None
        self._ended_by: int | None = None
        self._is_told = False
        process.send_signal = self.send_signal
        process.calls_exit_functions = True
        process.world.note("process", f"{process.pid} begins: {process.argv!r}")
        name = f"{process.argv[0]} (process {process.pid})"
        context = copy_context()
        context.run(program_of_caller.set, process)
        self._task: asyncio.Task[None] = asyncio.Task(
            self._live(), loop=loop, name=name, context=context
        )

    @property
    def returncode(self) -> int | None:
        """The exit code, negative where a signal ended the process; None while it lives."""
        return self._process.exit_code

    @returncode.setter
    def returncode(self, code: int) -> None:
        self._process.exit_code = code

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
            TypeError: It is no integer.
            OSError: EINVAL, there is no such signal.
            UnsupportedError: It would stop the process.
        """
        if self.returncode is not None or self._ended_by is not None:
            return
        check_sent(sig)
        if sig == 0:
            return
        self._process.world.note("signal", f"{int(sig)} to {self.pid}")
        handler = self._process._handlers.get(sig)
        if handler is not None:
            self._loop.call_soon(handler[0], *handler[1])
        elif sig in _STOPS:
            raise UnsupportedError(
                f"{signal.name_of(sig)} would stop the process {self.pid}, and a simulated one"
                " can't be stopped; let its program handle the signal"
                " (process.add_signal_handler), or end it by SIGTERM"
            )
        elif sig not in IGNORED:
            self._end_by(sig)

    def _end_by(self, sig: int) -> None:
        self._ended_by = sig
        self._process.calls_exit_functions, self._process.exit_functions = False, None
        for transport in self._transports:
            if not transport.is_closing():  # Its peer may be gone already.
                transport.abort() if hasattr(transport, "abort") else transport.close()
        self._close_ends(but=self._opening)  # Its transport is about to watch it, and closes it.
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
        except BaseException as error:  # the process dies of it, the world does not
            if process.world.is_of_user(error):
                raise
            process.stderr.write(traceback.format_exc().encode())
            code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
        try:
            process.call_exit_functions()
        except SimError:  # As above, where its code raises one.
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
            self._opening = end
            transport, _ = await loop.connect_read_pipe(lambda: protocol, end)
            self._opening = None
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
            self._opening = end
            transport, _ = await loop.connect_write_pipe(lambda: protocol, end)
            self._opening = None
        else:
            transport = SinkTransport(loop, protocol, end)
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

    def _close_ends(self, but: Any = None) -> None:
        for end in self._ends.values():
            if end is not but and hasattr(end, "close"):
                end.close()

    def _exit(self, code: int) -> None:
        if not self._is_told:
            self._is_told = True
            self.returncode = code
            self._process.world.note("process", f"{self.pid} ends: {code}")
            self._close_ends()
            kernel = self._loop._kernel
            name = f"{self.args[0]} (process {self.pid})"
            ns = 0 if kernel.gate is None else kernel.delay_ns("exit", name)
            if ns:
                kernel.call_after(ns, self._exited, (code,), copy_context(), self._loop)
            else:
                self._exited(code)


def _exit_code(value: object, process: Process) -> int:
    """Return the exit code that the system would show for what a program returns."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    process.stderr.write(f"{value}\n".encode())  # As for sys.exit("a message").
    return 1
