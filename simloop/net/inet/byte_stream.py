"""Byte streams between two sockets: buffers, room, partial sends, and the fast path.

Owns: what TCP and UNIX streams have in common. Each side has an inbox, which the other side fills;
a TCP side also has a small queue of bytes that the peer had no room for. Must not know addresses,
ports or how a connection came about; the subclass decides what a failing call answers, and when.

The fast path: while ``direct`` holds, nothing is queued and nothing is wrong, so ``send`` appends
the caller's bytes object to the peer's inbox and calls the peer's watcher. Everything else goes
through ``_send_slowly``: it queues what fits and lets ``_flush`` pass it on piece by piece through
the fabric. Each fast path has a twin for stream transports: ``FastWriter.write``, which they
inherit, does what ``send`` does, and their read step what ``recv`` does (its first lines stand in
``stream_transport.py``: to ask a method of this file for them made a round trip between bare
protocols 4 % slower). tests/net/test_fast_twins.py runs both of a pair on the same states.

Invariants: ``direct`` implies connected, no error, this direction open, nothing unsent, and a peer
that still has a descriptor; ``in_flight`` counts bytes handed to a link and not yet delivered (0
without a link); with a peer, inbox + in flight never exceeds the window the sender saw; the order
is inbox, in flight, unsent; the end of stream goes once, behind the last unsent byte.
"""

from __future__ import annotations

import errno
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from simloop.errors import UnsupportedError
from simloop.net.errnos import os_error

from .buffers import ByteQueue
from .socket_file import AF_UNIX, MSG_ERRQUEUE, SocketFile
from .tcp_states import CLOSED, ENDING_STATES, LISTEN, SENDING_STATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host

    from .tcp_states import State

__all__ = ["FastWriter", "StreamSocket"]

_PIECE = 1 << 16  # As much as a reader asks for, so what a writer that waits may find room for.
_MSG_PEEK = int(socket.MSG_PEEK)
_MSG_OOB = int(socket.MSG_OOB)
_MSG_TRUNC = int(socket.MSG_TRUNC)


class StreamSocket(SocketFile):
    """The base of connected byte streams."""

    __slots__ = (
        "blocked",
        "direct",
        "in_flight",
        "inbox",
        "is_fin_taken",
        "is_released",
        "is_shut_read",
        "is_shut_write",
        "peer",
        "quiet",
        "state",
        "unsent",
        "window",
    )

    is_stream: ClassVar[bool] = True

    def __init__(
        self, host: Host, family: int, type_: int, proto: int, sndbuf: int, rcvbuf: int
    ) -> None:
        SocketFile.__init__(self, host, family, type_, proto, sndbuf, rcvbuf)
        self.state: State = CLOSED
        self.peer: StreamSocket | None = None
        # Sends all of some data by a short way that is not the fast path, if there is one.
        self.quiet: Callable[[bytes], bool] | None = None
        self.inbox: ByteQueue = ByteQueue()
        self.unsent: ByteQueue | None = None  # Made when the peer's inbox is full the first time.
        self.in_flight: int = 0
        self.window: int = rcvbuf  # How full this side may make the peer's inbox.
        self.direct: bool = False
        self.blocked: bool = False  # Whether the peer's reader must call room_made().
        self.is_fin_taken: bool = False  # The peer's end of stream reached us (SOCK_DONE).
        self.is_shut_read: bool = False
        self.is_shut_write: bool = False
        self.is_released: bool = False  # No descriptor is left; only what is queued still moves.

    @property
    def is_over(self) -> bool:
        """Whether no byte will come that is not there yet."""
        return self.is_shut_read or self.error != 0 or self.state is CLOSED

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections."""
        return self.state is LISTEN

    @property
    def is_shut_both(self) -> bool:
        """Whether neither direction is open any more."""
        return self.is_shut_read and self.is_shut_write

    # -- sending -------------------------------------------------------------------------------

    def send(self, data: bytes, flags: int = 0) -> int:
        """Take as many of ``data`` as there is room for; BlockingIOError where there is none."""
        if self.direct and not flags and self.fabric.direct:
            peer = self.peer
            assert peer is not None
            inbox = peer.inbox
            size = len(data)
            if 0 < size <= self.window - inbox.size:
                inbox.chunks.append(data)
                inbox.size += size
                watcher = peer.on_readable
                if watcher is not None:
                    watcher()
                return size
        return self._send_slowly(data, flags)

    def _send_slowly(self, data: bytes, flags: int) -> int:
        if flags & _MSG_OOB:
            raise UnsupportedError(
                "send() with MSG_OOB: urgent data does not exist in the virtual network; "
                "send it in the stream, or over a second connection"
            )
        self.check_sending()
        if not data:
            return 0
        room = self.room()
        if room <= 0:
            raise os_error(errno.EAGAIN)
        if len(data) > room:
            data = data[:room]
        fabric = self.fabric
        if not fabric.direct:
            fabric.observe(self.kind, *self._flow(), data, self._receiver())
        if self._arrives_at_once(len(data)):
            assert self.peer is not None
            self.peer._arrive(data)
            return len(data)
        queued = self.unsent_size
        if self.unsent is None:
            self.unsent = ByteQueue()
        self.unsent.append(data)
        self._flush()
        if self.unsent_size < queued:
            self.notify_writable()  # The peer closed meanwhile, and its full inbox is gone.
        return len(data)

    def _arrives_at_once(self, size: int) -> bool:
        """Return whether only the tap kept so many bytes from the fast path."""
        peer = self.peer
        return (
            self.direct
            and peer is not None
            and self.fabric.link is None
            and size <= self.window - peer.inbox.size
        )

    def _receiver(self) -> StreamSocket | None:
        """Return the file into which what is sent goes, if it is known."""
        return self.peer

    def check_sending(self) -> None:
        """Raise what a send answers where the stream can take nothing; EAGAIN while connecting."""
        raise NotImplementedError

    def room(self) -> int:
        """How many bytes a send can take now."""
        raise NotImplementedError

    def most_taken(self) -> int:
        """Return the room, or what a call that waits for room may find."""
        return _PIECE if self.peer is None else max(self.room(), _PIECE)

    def _flush(self) -> None:
        """Pass on what the peer has room for, in order, and the end of stream behind it."""
        unsent = self.unsent
        while unsent is not None and unsent.size and self.peer is not None:
            room = self.window - self.peer.inbox.size - self.in_flight
            if room <= 0:
                break
            data = unsent.take(min(room, len(unsent.chunks[0]) - unsent.head))
            if self.fabric.direct:  # What the lines below come to, for the most common case.
                if self.peer.peer is self:
                    self.peer._arrive(data)
                continue
            self.in_flight += len(data)
            self._carry("data", partial(self._delivered, self.peer, data), data)
        if self.state in SENDING_STATES:
            self._refresh()
            return
        unsent = self.unsent  # It is gone if what arrived was answered with a reset.
        self.direct = False
        self.blocked = is_queued = unsent is not None and unsent.size > 0
        if self.state in ENDING_STATES and not is_queued:
            # Once: bytes were queued in front of it until now, or CLOSE has just led here. A reader
            # that finds ``blocked`` unset does not come here.
            peer = self.peer
            assert peer is not None
            if self.fabric.direct:
                self._fin_delivered(peer)
            else:
                self._carry("fin", partial(self._fin_delivered, peer))

    def _carry(self, kind: str, deliver: Callable[[], None], data: bytes = b"") -> None:
        """Send a packet to the peer; sockets of one kernel deliver it themselves."""
        fabric = self.fabric
        if fabric.direct:
            deliver()
        else:
            fabric.carry(kind, *self._flow(), deliver, data)

    def _flow(self) -> tuple[Endpoint, Endpoint]:
        return self.local or _NOWHERE, self.remote or _NOWHERE

    @property
    def unsent_size(self) -> int:
        """Bytes taken from the program that the peer had no room for."""
        return 0 if self.unsent is None else self.unsent.size

    def _refresh(self) -> None:
        """Settle the two booleans that the hot paths test."""
        unsent = self.unsent
        peer = self.peer
        self.blocked = is_queued = unsent is not None and unsent.size > 0
        self.direct = (
            peer is not None
            and self.state in SENDING_STATES
            and not is_queued
            and not self.is_shut_write
            and not self.error
            and not peer.is_released
            and not (peer.is_shut_read and peer.is_shut_write)
        )

    def _delivered(self, peer: StreamSocket, data: bytes) -> None:
        """Let bytes arrive, even after we broke off: the reset comes behind them."""
        self.in_flight -= len(data)
        if peer.peer is self:
            peer._arrive(data)

    def _arrive(self, data: bytes) -> None:
        """Take bytes that the peer sent; a side without descriptors answers with a reset."""
        if self.is_released:
            self.reset_peer()
            return
        self.inbox.append(data)
        self.notify_readable()

    def reset_peer(self) -> None:
        """Break the connection: the peer's next call fails."""
        raise NotImplementedError

    def _fin_delivered(self, peer: StreamSocket) -> None:
        """Let the end of stream arrive, unless the peer broke off meanwhile."""
        if peer.peer is self:
            peer._fin_arrives()

    def _fin_arrives(self) -> None:
        """Note that the peer sends no more."""
        raise NotImplementedError

    def room_made(self) -> None:
        """Move on after the peer's reader took bytes: it found ``blocked`` set."""
        self._flush()
        watcher = self.on_writable
        if watcher is not None and self.writable:
            watcher()

    # -- receiving -----------------------------------------------------------------------------

    def count_unread(self) -> int:
        """Return the bytes that a receive would find (FIONREAD); EINVAL of a listener."""
        if self.state is LISTEN:
            raise os_error(errno.EINVAL)
        return self.inbox.size

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to ``size`` bytes, b"" at the end; BlockingIOError where nothing is there."""
        inbox = self.inbox
        chunks = inbox.chunks
        if len(chunks) == 1 and inbox.size <= size and not flags and not inbox.head:
            inbox.size = 0
            data = chunks.popleft()
        else:
            if flags & MSG_ERRQUEUE and self.family != AF_UNIX:
                raise os_error(errno.EAGAIN)  # That queue is empty, whatever became of the peer.
            if not chunks:
                return self.recv_nothing()
            if flags:
                return self._recv_flagged(size, flags)
            data = inbox.take(size)
        peer = self.peer
        if peer is not None and peer.blocked:
            peer.room_made()
        return data

    def _recv_flagged(self, size: int, flags: int) -> bytes:
        """Receive, bytes being there, with flags; MSG_WAITALL is heeded by who waits."""
        self._refuse_oob(flags)
        if flags & _MSG_PEEK:
            return self.inbox.peek(size)
        return StreamSocket.recv(self, size)  # Not the heir's, which has come here by its own.

    def _refuse_oob(self, flags: int) -> None:
        if flags & _MSG_OOB:
            raise os_error(errno.EINVAL)  # What Linux answers where no urgent data is there.

    def recv_nothing(self) -> bytes:
        """Answer a receive while the inbox is empty: b"" at the end, or the error."""
        raise NotImplementedError

    # -- invariants ----------------------------------------------------------------------------

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        self.inbox.check()
        if self.unsent is not None:
            self.unsent.check()
        assert self.in_flight >= 0, self.in_flight
        if self.direct:
            assert self.state in SENDING_STATES, self.state
            assert self.peer is not None
            assert not self.peer.is_released
            assert not self.is_shut_write
            assert not self.unsent_size
        if self.peer is not None and self.peer.peer is not None:
            assert self.peer.peer is self, (self, self.peer)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.state.name} local={self.local} remote={self.remote}"
            f" inbox={self.inbox.size} unsent={self.unsent_size}>"
        )


class FastWriter:
    """The fast half of ``send``, as a transport's ``write``: a transport inherits it.

    The heir keeps ``_is_flowing`` true only while it has nothing of its own to send first, and goes
    on with all else in ``_write_slowly``.
    """

    __slots__ = ()

    # The transport's, which are wider than what is asked of them here.
    _file: Any
    _is_flowing: bool

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data, now or as soon as there is room."""
        file = self._file
        if self._is_flowing and file.direct and type(data) is bytes and file.fabric.direct:
            peer = file.peer
            inbox = peer.inbox
            size = len(data)
            if 0 < size <= file.window - inbox.size:
                inbox.chunks.append(data)
                inbox.size += size
                watcher = peer.on_readable
                if watcher is not None:
                    watcher()
                return
        self._write_slowly(data)

    def _write_slowly(self, data: bytes | bytearray | memoryview) -> None:
        raise NotImplementedError


_NOWHERE: Endpoint = ("", 0)
