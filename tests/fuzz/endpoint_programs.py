"""Random programs of calls on datagram endpoints and on bare sockets under the loop's ``sock_*``.

Owns: two endpoints of one kind, a bare socket that both can send to, and the calls of all three.
Must not know the arm.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from .stage import Stage, programs_of, shown, told

KINDS = ("udp", "udp connected", "udp6", "unix", "unix connected")
CALLS = (
    "send", "send", "send", "send", "send", "close", "abort", "names", "size", "limits", "options",
    "sock_recv", "sock_recvfrom", "sock_recv_into", "sock_sendto", "sock_sendto", "sock_connect",
    "cancel", "is_closing", "swap", "sock_sendall", "sock_close",
)  # fmt: skip
STRANGERS = {"udp": ("127.0.0.1", 1), "udp6": ("::1", 1), "unix": "/nowhere/at/all"}
QUEUE = 8
SIZES = (1, 10, 0, 100, 1000, 5000, 66000)


def programs():
    """Return the strategy of these programs."""
    return programs_of(KINDS, CALLS)


class Listener(asyncio.DatagramProtocol):
    """Keeps what it is told."""

    def __init__(self, stage):
        self.stage = stage
        self.heard = []

    def connection_made(self, transport):
        self.heard.append("made")

    def datagram_received(self, data, addr):
        self.heard.append(("data", shown(data), self.stage.place(addr)))

    def error_received(self, exc):
        self.heard.append(("error", told(exc)))

    def connection_lost(self, exc):
        self.heard.append(("lost", exc and told(exc)))

    def pause_writing(self):
        self.heard.append("paused")

    def resume_writing(self):
        self.heard.append("resumed")


class Endpoints(Stage):
    """Two endpoints, of which the second one may be connected to the first, and a bare socket."""

    async def begin(self):
        loop = asyncio.get_running_loop()
        self.family = self.kind.split()[0]
        self.sent = 0
        self.sock = self.bare()
        self.names_of = [self.sock.getsockname()]
        self.listeners, self.transports = [Listener(self), Listener(self)], []
        for number, listener in enumerate(self.listeners):
            sock = self.bare(number + 1)
            if number and "connected" in self.kind:
                sock.connect(self.names_of[1])
            self.names_of.append(sock.getsockname())
            made, _ = await loop.create_datagram_endpoint(lambda it=listener: it, sock=sock)
            self.transports.append(made)

    def bare(self, number=0):
        """Return a bare socket that has a name."""
        family = {"udp": socket.AF_INET, "udp6": socket.AF_INET6, "unix": socket.AF_UNIX}
        sock = socket.socket(family[self.family], socket.SOCK_DGRAM)
        sock.setblocking(False)
        here = {"udp": ("127.0.0.1", 0), "udp6": ("::1", 0), "unix": f"{self.folder}/{number}"}
        sock.bind(here[self.family])
        return sock

    def states(self):
        heard = [listener.heard for listener in self.listeners]
        for listener in self.listeners:
            listener.heard = []
        return heard

    def close_all(self, end, what):
        for transport in self.transports:
            transport.close()

    async def finish(self):
        self.sock.close()
        for transport in self.transports:
            transport.abort()
        for number in (0, 1, 2):
            if self.family == "unix":
                Path(f"{self.folder}/{number}").unlink(missing_ok=True)

    # -- calls -------------------------------------------------------------------------------------

    def data(self, what):
        size = SIZES[what % len(SIZES)]
        self.count += 100
        return (bytes([self.count // 100 % 250]) * size)[:size]

    def target(self, what):
        """Return an address, or None for the one that it is connected to.

        A UNIX datagram socket whose queue is full shows as ready to the sender, which asyncio asks
        again and again: a few messages wait for the bare socket, and no more.
        """
        target = (None, *self.names_of, STRANGERS[self.family], None)[what % 6]
        if target is None and "connected" not in self.kind and what:
            target = self.names_of[1 + what % 2]  # None is the end of an endpoint without a peer.
        if self.family == "unix" and target == self.names_of[0]:
            self.sent += 1
            if self.sent > QUEUE:
                return self.names_of[1]
        return target

    def send(self, end, what):
        return self.transports[end].sendto(self.data(what // 7), self.target(what))

    def close(self, end, what):
        return self.transports[end].close()

    def abort(self, end, what):
        return self.transports[end].abort()

    def is_closing(self, end, what):
        return self.transports[end].is_closing()

    def names(self, end, what):
        ask = self.transports[end].get_extra_info
        return [self.place(ask(name)) for name in ("sockname", "peername")]

    def size(self, end, what):
        return self.transports[end].get_write_buffer_size()

    def limits(self, end, what):
        self.transports[end].set_write_buffer_limits(*((0,), (10,), (5, 10))[what % 3])
        return self.transports[end].get_write_buffer_limits()

    def options(self, end, what):
        sock = self.transports[end].get_extra_info("socket")
        return sock.getsockopt(socket.SOL_SOCKET, (socket.SO_ERROR, socket.SO_TYPE)[what % 2])

    def swap(self, end, what):
        """Give the endpoint the other protocol."""
        return self.transports[end].set_protocol(self.listeners[what % 2])

    def sock_recv(self, end, what):
        return asyncio.get_running_loop().sock_recv(self.sock, (5, 100_000, 1)[what % 3])

    async def sock_recvfrom(self, end, what):
        data, place = await asyncio.get_running_loop().sock_recvfrom(self.sock, 100_000)
        return shown(data), self.place(place)

    async def sock_recv_into(self, end, what):
        buffer = bytearray(20)
        count, place = await asyncio.get_running_loop().sock_recvfrom_into(self.sock, buffer)
        return count, bytes(buffer[:count]), self.place(place)

    def sock_sendto(self, end, what):
        place = self.target(what) or self.names_of[1]
        return asyncio.get_running_loop().sock_sendto(self.sock, self.data(what // 6), place)

    async def sock_connect(self, end, what):
        place = self.target(what) or self.names_of[1]
        await asyncio.get_running_loop().sock_connect(self.sock, place)

    def sock_sendall(self, end, what):
        return asyncio.get_running_loop().sock_sendall(self.sock, self.data(what))

    def sock_close(self, end, what):
        """Open another one in place of the bare socket, at another port or the same path."""
        if what % 3:
            return None
        for _, task in self.waiting:
            task.cancel()
        self.sock.close()
        with contextlib.suppress(OSError):
            Path(f"{self.folder}/0").unlink()
        self.sock = self.bare()
        self.names_of[0] = self.sock.getsockname()
        return "another"
