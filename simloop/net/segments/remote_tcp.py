"""A TCP socket whose other end is on another host.

Owns: the calls of a ``TcpSocket`` as far as they reach the peer, which they do by the packets of a
``Connection``. All that a program sees of states, errors and readiness is inherited. Must not know
sequence numbers.

A socket becomes one when connect() leads to another host, and is a ``TcpSocket`` again when that
has failed: what it keeps is the same, so its class changes and nothing else. Where a ``TcpSocket``
has its peer, this one has its connection, which readers tell that they have made room.

Invariants: ``direct`` is false: no byte goes without a packet; ``peer`` is the connection while
there is one, and ``connection`` stays when it is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from simloop.net.inet import options as opt
from simloop.net.inet.socket_file import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, InetSocket
from simloop.net.inet.tcp import TcpSocket
from simloop.net.inet.tcp_states import CLOSED, ESTABLISHED, FIN_WAIT_2, ON_SYN_ACK, SYN_SENT
from simloop.net.linux import socket_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.fabric import Endpoint
    from simloop.net.inet.buffers import ByteQueue
    from simloop.net.inet.byte_stream import StreamSocket
    from simloop.net.inet.tcp_states import State

    from .connection import Connection

__all__ = ["RemoteTcpSocket"]

_SHOWN_PER_SEGMENT = 6_912  # What SO_SNDBUF shows: three times the memory of a segment.
_OF_KEEPALIVE = (
    (SOL_SOCKET, int(socket_names.SO_KEEPALIVE)),
    (opt.IPPROTO_TCP, int(socket_names.TCP_KEEPIDLE)),
    (opt.IPPROTO_TCP, int(socket_names.TCP_KEEPINTVL)),
)


class AwaitedEnd:
    """The other end of a connection, before its handshake is over there.

    It is for those that look at a run from outside: what is sent already will be read there.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def awaited_socket(self) -> StreamSocket | None:
        """Return the socket, once there is one."""
        twin = self._connection.twin
        return None if twin is None else twin.socket


class RemoteTcpSocket(TcpSocket):
    """One end of a connection between two hosts."""

    __slots__ = ()

    connection: Connection
    # Inherited, and said again where this class sets them: type checkers infer each its own.
    state: State
    unsent: ByteQueue | None
    peer: StreamSocket | None
    quiet: Callable[[bytes], bool] | None
    direct: bool
    blocked: bool
    on_readable: Callable[[], None] | None
    on_writable: Callable[[], None] | None

    # -- connecting --------------------------------------------------------------------------------

    def fail(self, code: int) -> None:
        """Tell that connect() has failed."""
        self._fail(code)

    def established(self) -> None:
        """Become connected."""
        self.state = ON_SYN_ACK[self.state]
        self.join_connection()
        self.notify_writable()

    def join_connection(self) -> None:
        """Put the connection where readers look for a peer, and follow options set before."""
        self.peer = cast("StreamSocket", self.connection)  # It has what is asked of one here.
        self.quiet = self.connection.send_quietly
        if self.options is not None:
            self.connection.settle_keepalive()

    def _disconnect(self) -> None:
        super()._disconnect()
        self.quiet = None
        self.connection.end()
        if self.state is CLOSED:
            self.__class__ = TcpSocket  # type: ignore[assignment]  # See above.

    # -- sending -------------------------------------------------------------------------------

    def send(self, data: bytes, flags: int = 0) -> int:
        """Take as many of ``data`` as there is room for; BlockingIOError where there is none."""
        if not flags and self.connection.send_quietly(data):
            return len(data)
        return self._send_slowly(data, flags)

    def room(self) -> int:
        """Return how many bytes a send can take now."""
        connection = self.connection
        return connection.capacity_to_send() - self.unsent_size - connection.bytes_out()

    def unacknowledged(self) -> int:
        """Return how much was sent and is not acknowledged, the end of stream one of it."""
        connection = self.connection
        return 0 if connection.is_over else connection.snd_nxt - connection.snd_una

    def _flush(self) -> None:
        self.connection.output()

    def _refresh(self) -> None:
        self.direct = self.blocked = False

    def _receiver(self) -> Any:
        connection = self.connection
        twin = connection.twin
        if twin is not None:
            return twin.socket
        return AwaitedEnd(connection) if connection.twin_answers() else None

    def _has_room_to_write(self) -> bool:
        """Linux' rule: a third of the buffer is free, or a write would fail at once."""
        if self.is_shut_write or self.state is SYN_SENT:
            return self.is_shut_write
        connection = self.connection
        used = self.unsent_size + connection.bytes_out()
        return connection.capacity_to_send() - used >= used // 2

    # -- ends ----------------------------------------------------------------------------------

    def reset_peer(self) -> None:
        """Send a reset: what the peer has not been sent yet is lost."""
        if not self.connection.is_over:
            self.connection.send_reset()
        self._break()

    def _over(self, *, was_let_go: bool = False) -> None:
        self.peer = None
        super()._over(was_let_go=was_let_go)
        self.connection.end()

    def _wait_time(self) -> None:
        super()._wait_time()
        self.connection.stack.wait(self.connection, is_half=self.state is FIN_WAIT_2)

    def _close_connection(self) -> None:
        self.peer = None  # Nothing is read any more.
        super()._close_connection()
        if self.state is FIN_WAIT_2 and not self.connection.is_over:
            self._wait_time()

    def release(self) -> None:
        """Close, as ``TcpSocket.release`` says; a connect that is under way ends in silence."""
        super().release()
        if self.state is CLOSED:
            self.connection.end()

    def vanish(self) -> None:
        """Be closed without a packet or a word: the machine has lost its power."""
        self.connection.end()
        self.state = CLOSED
        self.peer = None
        self.unsent = None
        self.on_readable = self.on_writable = None

    # -- options -------------------------------------------------------------------------------

    def option_changed(self, key: opt.Key, value: opt.Value) -> None:
        """Act upon an option; a new receive buffer is a new window."""
        InetSocket.option_changed(self, key, value)
        if key == SO_RCVBUF:
            self.connection.resize()
        elif key in _OF_KEEPALIVE and self.state is not SYN_SENT:
            self.connection.settle_keepalive()

    def special_option(self, name: int) -> opt.Value | None:
        """Answer SO_SNDBUF by what the buffer has grown to."""
        if name == SO_SNDBUF[1] and not (self.options and SO_SNDBUF in self.options):
            return self.connection.congestion.window * _SHOWN_PER_SEGMENT
        return super().special_option(name)

    def check(self) -> None:
        """Assert the invariants."""
        InetSocket.check(self)
        self._check_ends()
        assert not self.direct
        if self.state is ESTABLISHED:
            assert not self.error
            assert not self.is_shut_write
            assert not self.is_released
        if not self.connection.is_over:
            self.connection.check()

    def flow(self) -> tuple[Endpoint, Endpoint]:
        """Return both names."""
        return self._flow()
