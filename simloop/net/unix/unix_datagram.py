"""UNIX datagram sockets: messages inside one host that are never lost.

Owns: what each call answers, as Linux' AF_UNIX does. A message counts against its sender's buffer
until it is taken, so that a sender waits instead of losing it. Must not know time.

Invariants: ``held`` is the sum of the costs of this socket's messages that were not received yet; a
peer that is set and open has no other peer itself. Source: unix(7).
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from simloop.net.errnos import os_error
from simloop.net.files.open_file import ERR, HUP, IN, OUT, RDHUP
from simloop.net.inet.socket_file import AF_UNIX, Ancillary, Message, cut

from .packet_memory import memory_of
from .unix_stream import BUFFER, UnixAddresses, files_of

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint
    from simloop.net.files.open_file import File
    from simloop.net.host import Host
    from simloop.net.inet.socket_file import SocketFile

__all__ = ["UnixDatagram"]

_QUEUE_MAX = 512  # net.unix.max_dgram_qlen, as systemd sets it; the kernel's own default is 10.
_UNNAMED: Endpoint = ("", 0)
_MSG_PEEK = int(socket.MSG_PEEK)
_MSG_TRUNC = int(socket.MSG_TRUNC)
_MSG_OOB = int(socket.MSG_OOB)


class UnixDatagram(UnixAddresses):
    """A SOCK_DGRAM socket of AF_UNIX."""

    __slots__ = ("held", "inbox", "is_shut_read", "is_shut_write", "knows_process", "peer")

    kind: ClassVar[str] = "unix"

    def __init__(self, host: Host, type_: int, proto: int) -> None:
        super().__init__(host, AF_UNIX, type_, proto, BUFFER, BUFFER)
        self.peer: UnixDatagram | None = None
        # (data, files, the sender, the sender's name or None), oldest first.
        self.inbox: deque[tuple[bytes, list[File], UnixDatagram]] = deque()
        self.held: int = 0
        self.knows_process: bool = False
        self.is_shut_read: bool = False
        self.is_shut_write: bool = False

    # -- peers ---------------------------------------------------------------------------------

    def join(self, other: SocketFile) -> None:
        """Make each the other's peer: socketpair(2)."""
        assert isinstance(other, UnixDatagram)
        self._set_peer(other)
        other._set_peer(self)
        self.knows_process = other.knows_process = True

    def _set_peer(self, peer: UnixDatagram) -> None:
        self.peer = peer
        self.remote = peer.local or _UNNAMED

    def connect(self, endpoint: Endpoint) -> int:
        """Set the peer: 0, or an errno; EPERM where it listens to another socket only."""
        if endpoint[0]:
            self.take_name_to_pass()
        try:
            peer = self._find(endpoint)
        except OSError as error:
            return error.errno or errno.EINVAL
        before = self.peer
        self._set_peer(peer)
        if before is not None and before is not peer:
            self._part_from(before)
        return 0

    def _part_from(self, peer: UnixDatagram) -> None:
        """Lose what was not read yet, and tell the old peer of the loss, as Linux does."""
        if not self.inbox:
            return
        self._forget_input()
        if peer.references and peer.peer is self:
            peer.error = errno.ECONNRESET
            peer.notify_readable()
            peer.notify_writable()

    def _find(self, endpoint: Endpoint) -> UnixDatagram:
        found = self.find(endpoint)
        assert isinstance(found, UnixDatagram)
        if found.peer is not None and found.peer is not self:
            raise os_error(errno.EPERM)
        return found

    # -- sending -------------------------------------------------------------------------------

    def send(self, data: bytes, flags: int = 0) -> int:
        """Send one message to the peer."""
        return self.sendmsg(data, [], flags, None)

    def sendto(self, data: bytes, flags: int, endpoint: Endpoint) -> int:
        """Send one message to a name."""
        return self.sendmsg(data, [], flags, endpoint)

    def sendmsg(
        self, data: bytes, ancillary: list[Ancillary], flags: int, endpoint: Endpoint | None
    ) -> int:
        """Send one message, with files."""
        if flags & _MSG_OOB:
            raise os_error(errno.EOPNOTSUPP)
        files = files_of(ancillary)
        if endpoint is not None and not endpoint[0]:
            raise os_error(errno.EINVAL)
        self.take_name_to_pass()
        self._check_room(len(data))
        if endpoint is None and self.peer is None:
            raise os_error(errno.ENOTCONN)
        receiver = self._peer_to_send() if endpoint is None else self._find(endpoint)
        if receiver.is_shut_read:
            raise os_error(errno.EPIPE)
        if self._is_queue_full(receiver):
            raise os_error(errno.EAGAIN)
        destination = receiver.local or _UNNAMED
        self.fabric.observe(self.kind, self.local or _UNNAMED, destination, data, receiver)
        for file in files:
            file.acquire()
        self.held += memory_of(len(data))
        receiver.inbox.append((data, files, self))
        receiver.notify_readable()
        return len(data)

    def _check_room(self, size: int) -> None:
        """Check what is looked at before the receiver is: ``sock_alloc_send_pskb``."""
        if size > self.sndbuf - 32:
            raise os_error(errno.EMSGSIZE)
        if self.is_shut_write:
            raise os_error(errno.EPIPE)
        if self.held >= self.sndbuf:
            raise os_error(errno.EAGAIN)

    def _is_queue_full(self, receiver: UnixDatagram) -> bool:
        """Whether too many messages wait; never at oneself and a peer that sends here alone."""
        is_open = receiver is self or receiver.peer is self
        return not is_open and len(receiver.inbox) > _QUEUE_MAX

    def _peer_to_send(self) -> UnixDatagram:
        """Return the peer; ECONNREFUSED once where it is closed, and there is none from then on."""
        peer = self.peer
        assert peer is not None
        if peer.references == 0:
            self.peer = self.remote = None
            self._forget_input()
            raise os_error(errno.ECONNREFUSED)
        if peer.peer is not None and peer.peer is not self:
            raise os_error(errno.EPERM)
        return peer

    # -- receiving -----------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Take one message; what does not fit is gone, and files are closed."""
        return self.recvfrom(size, flags)[0]

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Endpoint | None]:
        """Take one message and its sender's name; files are closed."""
        data, ancillary, _, sender = self.recvmsg(size, 0, flags)
        for _, _, files in ancillary:
            for file in files if isinstance(files, list) else ():
                file.drop()
        return data, sender

    def recvmsg(self, size: int, ancillary_size: int, flags: int = 0) -> Message:
        """Take one message, with files, and MSG_TRUNC if it did not fit."""
        del ancillary_size
        if flags & _MSG_OOB:
            raise os_error(errno.EOPNOTSUPP)
        if self.error:
            self.raise_error()
        if not self.inbox:
            if self.is_shut_read and self.is_blocking:
                return b"", [], 0, None
            raise os_error(errno.EAGAIN)
        data, files, sender = self.inbox[0]
        name = sender.local  # As it is by now.
        message_flags = _MSG_TRUNC if len(data) > size else 0
        if flags & _MSG_PEEK:
            for file in files:
                file.acquire()
            return cut(data, size, flags), self.beside(b"x", files), message_flags, name
        self.inbox.popleft()
        sender._taken(len(data))
        return cut(data, size, flags), self.beside(b"x", files), message_flags, name

    def count_unsent(self) -> int:
        """Return the memory of what the receivers did not read (unix(7); ``unix_outq_len``)."""
        return self.held

    def count_unread(self) -> int:
        """Return the bytes of the message that is next (unix(7), SIOCINQ)."""
        return len(self.inbox[0][0]) if self.inbox else 0

    def _taken(self, size: int) -> None:
        self.held -= memory_of(size)
        if self.writable:
            self.notify_writable()

    # -- life ----------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """Close one direction or both."""
        if how not in (0, 1, 2):
            raise os_error(errno.EINVAL)
        self.is_shut_read |= how in (int(socket.SHUT_RD), int(socket.SHUT_RDWR))
        self.is_shut_write |= how in (int(socket.SHUT_WR), int(socket.SHUT_RDWR))
        self.notify_readable()
        self.notify_writable()

    def release(self) -> None:
        """Close; messages that were not received are gone."""
        self.release_name()
        self.peer = None
        self._forget_input()

    def _forget_input(self) -> None:
        while self.inbox:
            data, files, sender = self.inbox.popleft()
            for file in files:
                file.drop()
            sender._taken(len(data))

    def poll(self) -> int:
        """Return what the system call poll shows."""
        peer = self.peer
        is_full = peer is not None and peer.references > 0 and self._is_queue_full(peer)
        mask = OUT if self.held * 4 <= self.sndbuf and not is_full else 0
        if self.inbox or self.is_shut_read:
            mask |= IN
        if self.is_shut_read:
            mask |= RDHUP
            if self.is_shut_write:
                mask |= HUP
        return mask | ERR if self.error else mask

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        assert self.held >= 0, self.held

    def __repr__(self) -> str:
        return f"<UnixDatagram local={self.local} remote={self.remote} queued={len(self.inbox)}>"
