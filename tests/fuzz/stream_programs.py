"""Random programs of calls on two ends of a stream: TCP, UNIX, TLS, or a pipe.

Owns: the ends, and the calls of readers, writers and their transports. Must not know the arm.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path

from ..loop_io.certificates import client_context, server_context  # noqa: TID252 - shared
from .stage import SIZES, Stage, programs_of

LIMIT = 5000
RESET = struct.pack("ii", 1, 0)
KINDS = ("tcp", "unix", "pipe", "tls", "tcp6", "unix")
CALLS = (
    "write", "write", "write", "write_lines", "drain", "end", "close", "abort", "read", "read",
    "read_line", "read_exactly", "read_until", "read_all", "pause", "resume", "limits",
    "wait_closed", "reset", "shut", "cancel", "is_closing", "can_end", "size", "upgrade", "names",
    "read", "resume",
)  # fmt: skip


def programs():
    """Return the strategy of these programs."""
    return programs_of(KINDS, CALLS)


class Streams(Stage):
    """Two ends of a stream; of a pipe, the first one reads and the second one writes."""

    server = None

    async def begin(self):
        if self.kind == "pipe":
            self.ends = await self.pipe()
            return
        met = asyncio.get_running_loop().create_future()

        async def meet(reader, writer):
            met.set_result((reader, writer))

        options = {"limit": LIMIT}
        if self.kind == "tls":
            options["ssl"] = server_context()  # A new one: contexts keep every session.
        if self.kind == "unix":
            path = f"{self.folder}/meet"
            self.server = await asyncio.start_unix_server(meet, path, **options)
            first = await asyncio.open_unix_connection(path, limit=LIMIT)
        else:
            host = "::1" if self.kind == "tcp6" else "127.0.0.1"
            self.server = await asyncio.start_server(meet, host, 0, **options)
            if self.kind == "tls":
                options.update(ssl=client_context(), server_hostname="localhost")
            first = await asyncio.open_connection(
                host, self.server.sockets[0].getsockname()[1], **options
            )
        self.ends = [first, await met]

    async def pipe(self):
        loop = asyncio.get_running_loop()
        here, there = os.pipe()
        reader = asyncio.StreamReader(limit=LIMIT)
        heard = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_read_pipe(lambda: heard, open(here, "rb", 0))  # noqa: SIM115, PTH123
        self.reading = transport
        out, protocol = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop=loop),
            open(there, "wb", 0),  # noqa: SIM115, PTH123 - a descriptor.
        )
        writer = asyncio.StreamWriter(out, protocol, None, loop)
        return [(reader, None), (None, writer)]

    def transport(self, end):
        writer = self.ends[end][1]
        return self.reading if writer is None else writer.transport

    def reader(self, end):
        return self.ends[0][0] if self.kind == "pipe" else self.ends[end][0]

    def writer(self, end):
        return self.ends[1][1] if self.kind == "pipe" else self.ends[end][1]

    def states(self):
        return [self.state(end) for end in (0, 1)]

    def data(self, what):
        """Return bytes: no more than the kernel takes at once, or in how many pieces they come?"""
        is_large = what % len(SIZES) == len(SIZES) - 1 and self.kind not in {"unix", "pipe"}
        return super().data(what - is_large)

    def state(self, end):
        transport, (reader, writer) = self.transport(end), self.ends[end]
        read = None if reader is None else (reader.at_eof(), type(reader.exception()).__name__)
        try:
            wrote = writer is not None and transport.get_write_buffer_size() > 0
            is_reading = reader is not None and self.is_reading(transport)
        except AttributeError:  # Of TLS that is at its end.
            wrote = is_reading = "gone"
        return transport.is_closing(), read, wrote, is_reading

    def is_reading(self, transport):
        return not transport._paused if self.kind == "pipe" else transport.is_reading()

    def close_all(self, end, what):
        for each in (0, 1):
            if hasattr(self.transport(each), "resume_reading"):
                self.transport(each).resume_reading()

    async def finish(self):
        for end in (1, 0):
            transport = self.transport(end)
            if self.kind != "pipe":
                transport.abort()
            elif not transport.is_closing():  # A closed one has no loop any more.
                transport.abort() if end else transport.close()
        if self.server is not None:
            self.server.close()
        await self.settle()
        for number, (_, writer) in enumerate(self.ends):
            if writer is not None and self.kind != "pipe":
                closing = asyncio.ensure_future(writer.wait_closed())
                await self.settle()
                self.record.append((number, closing.done() and self.outcome(closing)))
                closing.cancel()
        Path(f"{self.folder}/meet").unlink(missing_ok=True)

    # -- calls -------------------------------------------------------------------------------------

    def write(self, end, what):
        return self.writer(end).write(self.data(what))

    def write_lines(self, end, what):
        return self.writer(end).writelines([self.data(what), b"", self.data(what + 1)])

    def drain(self, end, what):
        return self.writer(end).drain()

    def end(self, end, what):
        return self.writer(end).write_eof()

    def can_end(self, end, what):
        return self.writer(end).can_write_eof()

    def close(self, end, what):
        return self.transport(end).close()

    def abort(self, end, what):
        return self.writer(end).transport.abort()

    def wait_closed(self, end, what):
        return None if self.kind == "pipe" else self.writer(end).wait_closed()

    def read(self, end, what):
        return self.reader(end).read((1, 10, 200, 100_000, 0)[what % 5])

    def read_all(self, end, what):
        return self.reader(end).read()

    def read_line(self, end, what):
        return self.reader(end).readline()

    def read_exactly(self, end, what):
        return self.reader(end).readexactly((1, 50, 2000, 0)[what % 4])

    def read_until(self, end, what):
        return self.reader(end).readuntil((b"\n", b"\x07\x0e", b"\x00")[what % 3])

    def pause(self, end, what):
        return self.transport(end).pause_reading()

    def resume(self, end, what):
        return self.transport(end).resume_reading()

    def limits(self, end, what):
        return self.writer(end).transport.set_write_buffer_limits(
            *((0,), (10,), (100_000,), (5, 10))[what % 4]
        )

    def size(self, end, what):
        return self.writer(end).transport.get_write_buffer_limits()

    def is_closing(self, end, what):
        return self.writer(end).is_closing()

    def names(self, end, what):
        transport = self.transport(end)
        return [self.place(transport.get_extra_info(name)) for name in ("sockname", "peername")]

    def sock(self, end):
        return self.writer(end).get_extra_info("socket")

    def reset(self, end, what):
        self.sock(end).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return self.transport(end).close()

    def shut(self, end, what):
        return self.sock(end).shutdown(what % 3)

    async def upgrade(self, end, what):
        """Have both ends go over to TLS."""
        (_, first), (_, second) = self.ends
        if self.kind == "pipe" or first.get_extra_info("ssl_object"):
            return None
        outcomes = await asyncio.gather(
            second.start_tls(server_context()),
            first.start_tls(client_context(), server_hostname="localhost"),
            return_exceptions=True,
        )
        return [each and type(each).__name__ for each in outcomes]
