"""UNIX packet sockets (SOCK_SEQPACKET): connections that keep the borders of what was sent.

Owns: the queue of packets, each with the files that came with it, and how much of its sender's
buffer they occupy. How such a connection comes about and ends is a stream's. Must not know time.

Invariants: ``memory`` is what the packets in the peer's queue cost.
"""

from __future__ import annotations

import errno
import sys
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from simloop.net.errnos import os_error
from simloop.net.inet.socket_file import Ancillary, Message, cut
from simloop.net.inet.tcp_states import ESTABLISHED
from simloop.net.linux import socket_names as socket

from .packet_memory import memory_of
from .unix_stream import UNNAMED, UnixStream, files_of

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint
    from simloop.net.files.open_file import File
    from simloop.net.host import Host

__all__ = ["UnixPackets"]

_MSG_PEEK = int(socket.MSG_PEEK)
_MSG_TRUNC = int(socket.MSG_TRUNC)
_MSG_OOB = int(socket.MSG_OOB)


class UnixPackets(UnixStream):
    """A SOCK_SEQPACKET socket: a connection that keeps the borders of what was sent."""

    __slots__ = ("memory", "packets")

    is_stream: ClassVar[bool] = False

    def __init__(self, host: Host, type_: int, proto: int) -> None:
        super().__init__(host, type_, proto)
        self.packets: deque[tuple[bytes, list[File]]] = deque()
        self.memory: int = 0  # Of this socket's packets that the peer did not take yet.

    def most_taken(self) -> int:
        """Return no bound: a packet is taken whole or not at all."""
        return sys.maxsize

    def check_sending(self) -> None:
        """Raise the pending error before all others."""
        if self.error:
            self.raise_error()
        super().check_sending()

    def send(self, data: bytes, flags: int = 0) -> int:
        """Send one packet."""
        return self.sendmsg(data, [], flags, None)

    def sendto(self, data: bytes, flags: int, endpoint: Endpoint) -> int:
        """Send one packet to the peer: the address does not count."""
        del endpoint
        return self.send(data, flags)

    def sendmsg(
        self, data: bytes, ancillary: list[Ancillary], flags: int, endpoint: Endpoint | None
    ) -> int:
        """Send one packet, with files."""
        del endpoint
        if flags & _MSG_OOB:
            raise os_error(errno.EOPNOTSUPP)
        files = files_of(ancillary)
        if self.state is ESTABLISHED and not self.error:
            self.take_name_to_pass()
        self.check_sending()
        peer = self.peer
        assert isinstance(peer, UnixPackets)
        if len(data) > self.sndbuf - 32:
            raise os_error(errno.EMSGSIZE)
        if self.memory >= self.sndbuf:
            raise os_error(errno.EAGAIN)
        source, destination = self.local or UNNAMED, self.remote or UNNAMED
        self.fabric.observe(self.kind, source, destination, data, peer)
        for file in files:
            file.acquire()
        self.memory += memory_of(len(data))
        peer.packets.append((data, files))
        peer.notify_readable()
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Take one packet; what does not fit is gone."""
        data, ancillary, _, _ = self.recvmsg(size, 0, flags)
        for _, _, files in ancillary:
            for file in files if isinstance(files, list) else ():
                file.drop()
        return data

    def recvmsg(self, size: int, ancillary_size: int, flags: int = 0) -> Message:
        """Take one packet, with files, and MSG_TRUNC if it did not fit."""
        del ancillary_size
        if flags & _MSG_OOB:
            raise os_error(errno.EOPNOTSUPP)
        if self.state is not ESTABLISHED:
            raise os_error(errno.ENOTCONN)
        if self.error:
            self.raise_error()
        if not self.packets:
            return self.recv_nothing(), [], 0, None
        data, files = self.packets[0]
        sender = self._sender()
        message_flags = _MSG_TRUNC if len(data) > size else 0
        if flags & _MSG_PEEK:
            for file in files:
                file.acquire()
            return cut(data, size, flags), self.beside(data, files), message_flags, sender
        self.packets.popleft()
        peer = self.peer
        if isinstance(peer, UnixPackets):
            peer.memory -= memory_of(len(data))
            peer.room_made()
        return cut(data, size, flags), self.beside(data, files), message_flags, sender

    def count_unread(self) -> int:
        """Return the bytes of all packets (``unix_inq_len`` of net/unix/af_unix.c)."""
        return super().count_unread() + sum(len(data) for data, _ in self.packets)

    def _has_input(self) -> bool:
        return bool(self.packets)

    def _is_unread(self) -> bool:
        # Linux overlooks a packet of nothing if it is the first one.
        return len(self.packets) > 1 or any(data for data, _ in self.packets)

    def _forget_input(self) -> None:
        super()._forget_input()
        while self.packets:
            for file in self.packets.popleft()[1]:
                file.drop()

    def _held(self) -> int:
        return self.memory

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        if isinstance(self.peer, UnixPackets):
            assert self.memory == sum(memory_of(len(data)) for data, _ in self.peer.packets)
