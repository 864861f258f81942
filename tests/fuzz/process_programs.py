"""Random programs of calls on a child process and its pipes.

Owns: starting the child, a real ``cat`` and the like or a world's, and the calls of
``asyncio.subprocess``. Must not know the arm.

A real child is done with what it was sent when it sleeps again (proc(5)), so no clock is needed.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from .stage import Stage, programs_of

KINDS = ("cat", "head", "true", "false")
COMMANDS = {
    "cat": ["cat"],
    "head": ["head", "-c", "5"],
    "true": ["true"],
    "false": ["false"],
}
CALLS = (
    "write", "write", "write", "drain", "end", "close_stdin", "read", "read", "read_line",
    "read_exactly", "read_all", "terminate", "kill", "interrupt", "nothing_sent", "wait",
    "communicate", "code", "at_eof", "is_closing", "wait_closed", "cancel", "write_lines",
)  # fmt: skip
SIZES = (1, 10, 0, 100, 1000)


def programs():
    """Return the strategy of these programs."""
    return programs_of(KINDS, CALLS)


async def cat(process):
    """Copy what is read to what is written."""
    while data := await process.stdin.read(1 << 16):
        process.stdout.write(data)
        await process.stdout.drain()


async def head(process):
    """Copy the first bytes, all at the end: the real one's output is buffered."""
    left, kept = int(process.argv[2]), b""
    while left > len(kept) and (data := await process.stdin.read(left - len(kept))):
        kept += data
    process.stdout.write(kept)
    await process.stdout.drain()


async def true(_process):
    """Do nothing."""


async def false(_process):
    """Fail."""
    return 1


class Processes(Stage):
    """A child, and its two pipes."""

    @staticmethod
    def register(programs):
        """Let a world know those that are started."""
        for program in (cat, head, true, false):
            programs.register(program.__name__, program)

    async def begin(self):
        self.process = await asyncio.create_subprocess_exec(
            *COMMANDS[self.kind], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )

    def is_idle(self):
        """Whether the real child sleeps, or has ended and that is known."""
        if self.process.returncode is not None:
            return True
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "S"

    def states(self):
        reader = self.process.stdout
        return [
            self.process.returncode,
            (reader.at_eof(), type(reader.exception()).__name__),
            self.process.stdin.is_closing(),
        ]

    def close_all(self, end, what):
        self.process.stdin.close()

    async def finish(self):
        if self.process.returncode is None:
            self.process.kill()
        self.record.append(await self.process.wait())
        self.process._transport.close()

    # -- calls -------------------------------------------------------------------------------------

    def data(self, what):
        return super().data(what % len(SIZES))

    def write(self, end, what):
        return self.process.stdin.write(self.data(what))

    def write_lines(self, end, what):
        return self.process.stdin.writelines([self.data(what), b"", b"x"])

    def drain(self, end, what):
        return self.process.stdin.drain()

    def end(self, end, what):
        return self.process.stdin.write_eof()

    def close_stdin(self, end, what):
        return self.process.stdin.close()

    def is_closing(self, end, what):
        return self.process.stdin.is_closing()

    def wait_closed(self, end, what):
        return self.process.stdin.wait_closed()

    def read(self, end, what):
        return self.process.stdout.read((1, 10, 200, 100_000, 0)[what % 5])

    def read_all(self, end, what):
        return self.process.stdout.read()

    def read_line(self, end, what):
        return self.process.stdout.readline()

    def read_exactly(self, end, what):
        return self.process.stdout.readexactly((1, 50, 2000, 0)[what % 4])

    def at_eof(self, end, what):
        return self.process.stdout.at_eof()

    def terminate(self, end, what):
        return self.process.terminate()

    def kill(self, end, what):
        return self.process.kill()

    def interrupt(self, end, what):
        return self.process.send_signal((signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)[what % 3])

    def nothing_sent(self, end, what):
        """Send what has no effect."""
        return self.process.send_signal((0, signal.SIGCONT, signal.SIGCHLD)[what % 3])

    def wait(self, end, what):
        return self.process.wait()

    def code(self, end, what):
        return self.process.returncode

    def communicate(self, end, what):
        return self.process.communicate((None, b"in\n", b"")[what % 3])
