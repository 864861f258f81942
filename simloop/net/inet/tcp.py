"""TCP as a program sees it: states, connecting, the backlog, ends of stream, resets.

Owns: what each call answers in each state, and at which moment a side learns what the other did,
as Linux does it over loopback. There are no segments, windows or retransmissions: what reaches the
peer at all reaches it in order, through the fabric. Must not know time; nothing here waits.

Sources: RFC 9293 for the states, tcp(7), connect(2), listen(2), accept(2), shutdown(2) and poll(2)
for the calls, and Linux (net/ipv4/tcp.c, tcp_input.c, af_inet.c) where these leave a choice; each
scenario of tests/net runs on Linux too. The states and the table of what leads from one to another
are in ``tcp_states.py``: a state is only ever what the table of an event makes of the last one.

Invariants: each state goes with the marks that ``check()`` lists, so a side whose own end of stream
is queued, sent or there always counts as writable (a send says EPIPE at once); a port is held from
bind, connect or accept until the connection is over (a bound port: until the descriptor is gone,
too), and for 60 seconds more by what was closed first (TIME_WAIT); a listener's queue holds
connected sockets without descriptors, at most backlog + 1 of them; a client beyond that waits in
``waiting``.
"""

from __future__ import annotations

import errno
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from simloop.net.addressing.addresses import (
    ANY,
    ANY6,
    LOOPBACK,
    SocketAddress,
    is_limited_broadcast,
    is_loopback,
    is_multicast,
    is_wildcard,
)
from simloop.net.addressing.port_tables import BOUND, TimeWait, sharing_of
from simloop.net.errnos import os_error
from simloop.net.linux import socket_names as socket

from .byte_stream import StreamSocket
from .socket_file import AF_INET, SOL_SOCKET, V6ONLY, InetSocket
from .tcp_options import RCVBUF, SNDBUF, SO_LINGER, is_zero
from .tcp_readiness import TcpReadiness
from .tcp_states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    CONNECTED,
    CONNECTED_STATES,
    CONNECTING,
    DISCONNECTING,
    ENDING_STATES,
    LEGAL_PHASES,
    LISTEN,
    ON_CLOSE,
    ON_CONNECT,
    ON_FIN,
    ON_FIN_ACKED,
    ON_LISTEN,
    ON_RESET,
    ON_SYN,
    ON_SYN_ACK,
    SENDING_STATES,
    SYN_SENT,
    UNCONNECTED,
    Phase,
    State,
)

if TYPE_CHECKING:
    from simloop.net.addressing.port_tables import PortTable
    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host

    from .buffers import ByteQueue

__all__ = ["TcpSocket"]

_BACKLOG_MAX = 4_096  # net.core.somaxconn

# Whether a port is shared goes by these (``Holder``).
_SHARING = dict.fromkeys(
    ((SOL_SOCKET, int(socket.SO_REUSEADDR)), (SOL_SOCKET, int(socket.SO_REUSEPORT)), V6ONLY)
).keys()

_SHUT_READ = (int(socket.SHUT_RD), int(socket.SHUT_RDWR))
_SHUT_WRITE = (int(socket.SHUT_WR), int(socket.SHUT_RDWR))


class TcpSocket(TcpReadiness):
    """One end of a TCP connection, or a listener."""

    # ``connection`` is there while the other end is on another host: see ``RemoteTcpSocket``.
    __slots__ = ("backlog", "bound", "connection", "phase", "queue", "table", "waiting")

    kind: ClassVar[str] = "tcp"
    # Inherited, and said again where this class sets them: type checkers infer each its own.
    error: int
    local: Endpoint | None
    state: State
    window: int
    sndbuf: int
    rcvbuf: int
    is_fin_taken: bool
    is_shut_read: bool
    is_shut_write: bool
    unsent: ByteQueue | None
    peer: StreamSocket | None

    def __init__(self, host: Host, family: int, type_: int, proto: int) -> None:
        StreamSocket.__init__(self, host, family, type_, proto, SNDBUF, RCVBUF)
        self.table: PortTable[InetSocket] = host.tcp
        self.phase: Phase = UNCONNECTED
        self.bound: Endpoint | None = None  # What bind() was given.
        self.backlog: int = 0
        self.queue: deque[TcpSocket] | None = None  # Listeners: connected and not yet accepted.
        self.waiting: deque[TcpSocket] | None = None  # Clients that found the queue full.

    def getpeername(self) -> SocketAddress:
        """Return the peer's name; ENOTCONN unless connected."""
        if self.state not in CONNECTED_STATES or self.remote is None:
            raise os_error(errno.ENOTCONN)
        return self.show_address(self.remote)

    # -- connecting ----------------------------------------------------------------------------

    def connect(self, endpoint: Endpoint) -> int:
        """Begin to connect, or return how it went: 0 or an errno (connect(2)).

        EINPROGRESS at first, even where the connection already stands: so does Linux answer a
        non-blocking connect over loopback.
        """
        if self.phase is CONNECTING:
            return self.connect_outcome()
        if self.phase is DISCONNECTING:
            return errno.EINVAL
        if self.state is not CLOSED or self.phase is CONNECTED:
            return errno.EISCONN
        try:
            self._prepare(endpoint)
        except OSError as error:
            return error.errno or errno.EINVAL
        self.state = ON_CONNECT[self.state]
        self.phase = CONNECTING
        wire = self.host.network.wire
        if wire is None or self.remote is None or self.host.owns(self.remote[0]):
            if self.fabric.direct:
                self._syn_arrives()
            else:
                self._carry("syn", self._syn_arrives)
        else:
            wire.protocols.open(self)
        return errno.EINPROGRESS

    def connect_outcome(self) -> int:
        """Return how a begun connect went, once: 0, an errno, or EALREADY while it is under way."""
        if self.state is SYN_SENT:
            return errno.EALREADY
        if self.state in CONNECTED_STATES:
            self.phase = CONNECTED
            return 0
        error = self.take_error() or errno.ECONNABORTED
        self._disconnect()
        return error

    def _prepare(self, endpoint: Endpoint) -> None:
        """Choose both names of the connection to be, and hold the port."""
        if self.local is None and self.family == AF_INET and is_loopback(endpoint[0]):
            source, remote = LOOPBACK, endpoint  # The rule below, for the most common case.
        else:
            remote = self._reachable(endpoint)
            source = self.source_for(remote[0])
        if self.local is None or not self.holds_port:
            self.local = (source, self.table.connect(self, source, remote))
        else:
            self._refuse_twin(remote)
            self.local = (source, self.local[1])
        self.remote = remote

    def _reachable(self, endpoint: Endpoint) -> Endpoint:
        """Return what an endpoint means; ENETUNREACH for a group or a broadcast address."""
        ip, port = self.target(endpoint)
        if is_multicast(ip) or is_limited_broadcast(ip):
            raise os_error(errno.ENETUNREACH)
        return ip, port

    def _refuse_twin(self, remote: Endpoint) -> None:
        """Refuse a second connection with the same four numbers.

        One that is over is no hindrance to a bound socket (``tcp_twsk_unique`` of tcp_ipv4.c).
        """
        assert self.local is not None
        for other in self.table.holders.get(self.local[1], ()):
            if other is self or other.remote != remote or other.is_listening:
                continue
            if not isinstance(other, TimeWait):
                raise os_error(errno.EADDRNOTAVAIL)

    def _syn_arrives(self) -> None:
        """Meet the listener, if there is one, when the request reaches its host."""
        if self.state is not SYN_SENT or self.remote is None or self.local is None:
            return
        host = self.host.network.host_of(self.remote[0], self.host)
        if host is None:
            self._fail(errno.EHOSTUNREACH)
            return
        if host.is_off:
            return  # Nothing answers.
        listener = host.tcp.choose_listener(self.remote, self.local, host.network.share)
        if listener is None and self.remote == self.local:
            self._meet_itself()
        elif listener is None:
            self.fabric.carry("refuse", self.remote, self.local, self._refused)
        else:
            listener._meet(self)

    def _meet_itself(self) -> None:
        """Connect with itself: both ends open at once (RFC 9293, section 3.5, figure 7)."""
        self.state = ON_SYN_ACK[self.state]
        self.peer = self
        self.grow_buffer(self)
        self.window = self.rcvbuf
        self._refresh()
        self.notify_writable()
        self._shut_early()

    def _shut_early(self) -> None:
        """Send the end of stream that shutdown() asked for before there was a connection.

        Of a listener, for its children, and of a socket that connects with itself: those that come
        from SYN_RECEIVED (``tcp_rcv_state_process`` of net/ipv4/tcp_input.c).
        """
        if self.is_shut_write:
            self._shut(_SHUT_WRITE[0])

    def _refused(self) -> None:
        self._fail(errno.ECONNREFUSED)

    def _fail(self, code: int) -> None:
        if self.state is SYN_SENT:
            self.error = code
            self.state = ON_RESET[self.state]
            self._over()
            self.notify_readable()
            self.notify_writable()

    def _established(self, child: TcpSocket) -> None:
        """Become connected, unless the program gave up meanwhile."""
        if self.state is not SYN_SENT:
            child._reset_arrives()
            return
        self.state = ON_SYN_ACK[self.state]
        self.peer = child
        self.grow_buffer(child)
        self.window = child.rcvbuf
        self._refresh()
        self.notify_writable()

    def _disconnect(self) -> None:
        """Become as new, but for a bound name: ``tcp_disconnect`` of net/ipv4/tcp.c."""
        self.state = ON_CLOSE[self.state]
        self.phase = UNCONNECTED
        self.is_shut_read = self.is_shut_write = self.is_fin_taken = False
        self.inbox.clear()
        self.remote = None
        self._give_port_back()
        bound = self.bound
        if self.local is not None and (bound is None or is_wildcard(bound[0])):
            # The port stays in the name though it is given back: getsockname(2) shows it.
            self.local = (ANY if self.family == AF_INET else ANY6), self.local[1]

    @property
    def _keeps_port(self) -> bool:
        """Whether bind() asked for this port: one of the table's choice goes with the connection.

        SOCK_BINDPORT_LOCK of ``__inet_bind`` in net/ipv4/af_inet.c.
        """
        return self.bound is not None and self.bound[1] != 0

    def _give_port_back(self) -> None:
        if not self._keeps_port:
            self.let_go()
            self.is_bound = False

    def bind(self, endpoint: Endpoint) -> None:
        """Take an address and a port; after a connection is over, a new one."""
        before = self.local
        if self.state is CLOSED and not self.holds_port:
            self.local = None  # Its port was given back when the connection ended.
        try:
            super().bind(endpoint)
        except OSError:
            self.local = before
            raise
        self.bound = endpoint

    # -- listening -----------------------------------------------------------------------------

    def listen(self, backlog: int) -> None:
        """Accept connections from now on; again: only the backlog changes."""
        is_listening = self.state is LISTEN
        if not (is_listening or self.state is CLOSED) or self.phase is not UNCONNECTED:
            raise os_error(errno.EINVAL)
        self.backlog = backlog if 0 <= backlog < _BACKLOG_MAX else _BACKLOG_MAX
        if is_listening:
            return
        if self.local is None:
            self.bind_any()
        elif not self.holds_port:
            self.hold(self.local[0], 0)
        assert self.local is not None
        self.table.listen(self, *self.local)
        self.state = ON_LISTEN[self.state]
        self.queue = deque()
        self.waiting = deque()

    def accept(self) -> TcpSocket:
        """Return the oldest connection in the queue; a client that waited for the room moves up."""
        if self.state is not LISTEN or self.queue is None:
            raise os_error(errno.EINVAL)
        if not self.queue:
            raise os_error(errno.EAGAIN)
        child = self.queue.popleft()
        waiting = self.waiting
        while waiting and len(self.queue) <= self.backlog:
            client = waiting.popleft()
            if client.state is SYN_SENT:
                self._admit(client)
        return child

    def _meet(self, client: TcpSocket) -> None:
        """Take a request to connect; with the queue full it waits, as an unanswered SYN does."""
        queue = self.queue
        if queue is None or len(queue) > self.backlog:  # ``is_full``, at a call less.
            assert self.waiting is not None
            self.waiting.append(client)
        else:
            self._admit(client)

    @property
    def is_full(self) -> bool:
        """Whether a listener has no room for one more connection."""
        return self.queue is None or len(self.queue) > self.backlog

    def _admit(self, client: TcpSocket) -> None:
        """Make this end of the connection, and answer the client."""
        assert client.local is not None
        assert client.remote is not None
        child = TcpSocket(self.host, self.family, self.type, self.proto)
        self._inherit(child, client.remote, client.local)
        child.peer = client
        child.grow_buffer(client)
        child.window = client.rcvbuf
        child.direct = not (client.is_shut_read and client.is_shut_write)
        if self.fabric.direct:
            client._established(child)
        else:
            child._carry("syn-ack", partial(client._established, child))
        self.notify_readable()
        if self.is_shut_read or self.is_shut_write:
            self._shut_child(child)

    def _inherit(self, child: TcpSocket, local: Endpoint, remote: Endpoint) -> None:
        """Make a child connected, with what a socket inherits from its listener."""
        child.options = None if self.options is None else self.options.copy()
        child.sndbuf = self.sndbuf
        child.rcvbuf = self.rcvbuf
        child.state = ON_SYN[child.state]
        child.phase = CONNECTED
        child.local, child.remote = local, remote
        child.table.hold(child, local[1])
        assert self.queue is not None
        self.queue.append(child)

    def add_child(self, child: TcpSocket) -> None:
        """Tell that a connection waits for accept()."""
        self.notify_readable()
        if self.is_shut_read or self.is_shut_write:
            self._shut_child(child)

    def _shut_child(self, child: TcpSocket) -> None:
        """Shut a child as the listener was, before it began to listen."""
        child.is_shut_read, child.is_shut_write = self.is_shut_read, self.is_shut_write
        child._shut_early()

    def _stop_listening(self) -> None:
        assert self.local is not None
        self.table.unlisten(self, *self.local)
        self.state = ON_CLOSE[self.state]
        queue, waiting = self.queue, self.waiting
        self.queue = self.waiting = None
        for child in queue or ():
            child.is_released = True
            child.reset_peer()
            child.let_go()
        for client in waiting or ():
            if client.state is SYN_SENT:
                self.fabric.carry("refuse", *self._flow(), client._refused)

    # -- sending and receiving -------------------------------------------------------------------

    def room(self) -> int:
        """What the peer has room for, and what the own queue has."""
        queue_room = self.sndbuf - self.unsent_size
        if self.unsent_size or self.peer is None:
            return queue_room
        return max(0, self.window - self.peer.inbox.size - self.in_flight) + queue_room

    def sendto(self, data: bytes, flags: int, endpoint: Endpoint) -> int:
        """Send to the peer: a stream has no other destination."""
        del endpoint
        return self.send(data, flags)

    # -- ends ----------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """Close one direction or both; ENOTCONN where there is no connection."""
        if how not in (0, 1, 2):
            raise os_error(errno.EINVAL)
        if self.phase is CONNECTING:  # inet_shutdown of net/ipv4/af_inet.c.
            is_there = self.state in CONNECTED_STATES
            self.phase = CONNECTED if is_there else DISCONNECTING
        if self.state is CLOSED:
            # Linux remembers it all the same.
            self.is_shut_read |= how in _SHUT_READ
            self.is_shut_write |= how in _SHUT_WRITE
            raise os_error(errno.ENOTCONN)
        if self.state is SYN_SENT:
            self._disconnect()
        elif self.state is LISTEN:
            if how in _SHUT_READ:
                self._stop_listening()
                self._give_port_back()
                self.is_shut_read = self.is_shut_write = False
                self.notify_readable()
        else:
            self._shut(how)

    def _shut(self, how: int) -> None:
        if how in _SHUT_READ:
            self.is_shut_read = True
            self.notify_readable()
        if how in _SHUT_WRITE:
            self.is_shut_write = True
            if self.state in SENDING_STATES:
                self.state = ON_CLOSE[self.state]
                self._flush()
                self.notify_writable()
        if self.peer is not None:
            self.peer._refresh()

    def _arrive(self, data: bytes) -> None:
        """Take bytes that the peer sent, unless both directions were shut: then break off."""
        if self.is_shut_both and not self.is_released:
            self.error = errno.ECONNRESET
            self.reset_peer()
            self.notify_readable()
            return
        super()._arrive(data)

    def _fin_arrives(self) -> None:
        self.is_fin_taken = True
        self.is_shut_read = True
        self.state = state = ON_FIN[self.state]
        if state is CLOSED:
            self._wait_time()
            self._over(was_let_go=self.is_released)  # In FIN_WAIT_2, where it comes from.
        # A writer has nothing to learn: it could write (to be told EPIPE) since its own CLOSE.
        self.notify_readable()

    def _fin_delivered(self, peer: StreamSocket) -> None:
        if peer.peer is self:
            peer._fin_arrives()
        self._fin_acked()

    def _fin_acked(self) -> None:
        """Move on, because the peer has the end of stream."""
        before = self.state
        if before not in ENDING_STATES:
            return  # A reset was there first.
        self.state = state = ON_FIN_ACKED[before]
        if state is CLOSED:
            if before is CLOSING:
                self._wait_time()
            self._over()
            self.notify_readable()
        elif self.is_released:  # It is FIN_WAIT_2 now.
            # tcp_close of net/ipv4/tcp.c: an end without descriptors becomes a timewait socket.
            self._wait_time()
            self.let_go()

    def _wait_time(self) -> None:
        """Enter TIME_WAIT: the port stays held, though this end is over (RFC 9293, 3.6)."""
        options = self.options
        flags = 0 if not options or _SHARING.isdisjoint(options) else sharing_of(self)
        if self.is_bound:
            flags |= BOUND
        self.table.wait(self.local, self.remote, flags)

    def _over(self, *, was_let_go: bool = False) -> None:
        """Clean up after a connection; what arrived can still be read."""
        self.direct = self.blocked = False
        self.is_shut_read = self.is_shut_write = True
        if not self.is_released:
            self._give_port_back()
        elif not was_let_go:
            self.let_go()
        peer = self.peer
        if peer is not None and peer.state is CLOSED:
            self.peer = peer.peer = None

    def reset_peer(self) -> None:
        """Send a reset: what the peer has not been sent yet is lost."""
        peer = self.peer
        self._break()
        if isinstance(peer, TcpSocket):
            peer.direct = False  # Even while the reset is under way.
            self._carry("rst", peer._reset_arrives)

    def _reset_arrives(self) -> None:
        """Learn that the peer broke the connection: ``tcp_reset`` of net/ipv4/tcp_input.c."""
        self.abort(errno.EPIPE if self.state is CLOSE_WAIT else errno.ECONNRESET)

    def abort(self, code: int) -> None:
        """End the connection with an error, which the next call tells."""
        if self.state is CLOSED:
            return
        self.error = code
        self._break()
        self.notify_readable()
        self.notify_writable()

    def _break(self) -> None:
        self.unsent = None
        self.peer = None
        self.state = ON_RESET[self.state]
        self._over()

    def release(self) -> None:
        """Close: an end of stream behind what is queued, or a reset.

        A reset, as on Linux, where received bytes were not read or SO_LINGER says zero seconds.
        """
        self.is_released = True
        state = self.state
        if state is LISTEN:
            self._stop_listening()
        elif state in CONNECTED_STATES:
            self._close_connection()
        else:
            self.state = ON_CLOSE[state]
        if self.inbox.size:
            self.inbox.clear()
        # What could send until now has let go if it is over, and else does so when it will be.
        if state not in SENDING_STATES and self.state not in ENDING_STATES:
            self.let_go()

    def _close_connection(self) -> None:
        options = self.options
        if self.inbox.size or (options and SO_LINGER in options and is_zero(options[SO_LINGER])):
            self.reset_peer()
            return
        if self.peer is not None:
            self.peer.direct = False  # Its next bytes are answered with a reset.
        self.is_shut_read = self.is_shut_write = True
        if self.state in SENDING_STATES:
            self.state = ON_CLOSE[self.state]
            self._flush()

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        assert self.phase in LEGAL_PHASES[self.state], (self, self.phase)
        self._check_ends()
        if self.state is LISTEN:
            assert self.queue is not None
            assert self.waiting is not None
            assert len(self.queue) <= self.backlog + 1, (len(self.queue), self.backlog)
            for child in self.queue:
                assert child.references == 0, child
                child.check()
        else:
            assert self.queue is None
        if self.state in CONNECTED_STATES:
            assert self.local is not None
            assert self.remote is not None
            assert self.peer is not None
            assert self.inbox.size <= max(self.rcvbuf, self.peer.window), self
            if not self.is_released:
                assert self in self.table.holders[self.local[1]], self
