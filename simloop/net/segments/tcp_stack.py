"""TCP of one host, between its connections and the wire.

Owns: which connection a packet is for; requests to connect that are half open (SYN_RECEIVED); what
is left of connections that are over (TIME_WAIT, and FIN_WAIT_2 without a program); the reset that
answers all else. Must not know what a connection does with its packets.

Half-open requests are small things beside the listener, as Linux keeps them (``request_sock``): a
socket is made when the handshake is complete. A SYN that finds the listener's queue full is dropped
in silence, and so is the last packet of a handshake; then the answer to the SYN is sent again,
after 1, 2, 4 ... s, ``tcp_synack_retries`` times. So a burst may pass, as on Linux.

Invariants: a pair of names is in one of the three tables at most; what is in ``waits`` ends in the
order in which it stands there.

Sources: RFC 9293, 3.10.7.1 and 3.10.7.2, for what finds no connection; net/ipv4/tcp_minisocks.c
(``tcp_timewait_state_process``, ``tcp_check_req``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from simloop.net.addressing.addresses import is_ipv6
from simloop.net.inet.tcp_states import LISTEN
from simloop.net.wire.packet import Packet

from .connection import Connection
from .remote_tcp import RemoteTcpSocket
from .round_trip import RTO_FIRST_NS
from .timer import Timer

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host
    from simloop.net.inet.tcp import TcpSocket
    from simloop.net.wire.wire import Wire

__all__ = ["Key", "Request", "TcpStack", "Wait"]

Key: TypeAlias = "tuple[Endpoint, Endpoint]"  # The own name and the peer's.
_TIME_WAIT_NS = 60_000_000_000
_SECOND_NS = 1_000_000_000
_SYN_SIZE = 60


class Request:
    """A handshake that a listener has answered and the client has not completed."""

    __slots__ = ("first", "iss", "key", "listener", "sent_ns", "stack", "syn", "timer", "tries")

    def __init__(self, stack: TcpStack, listener: TcpSocket, key: Key, syn: Packet) -> None:
        self.stack: TcpStack = stack
        self.listener: TcpSocket = listener
        self.key: Key = key
        self.syn: Packet = syn
        self.first: TcpSocket | None = None  # Of the listener's queue, when that was full.
        self.iss: int = stack.wire.now_ns() // 4000
        self.sent_ns: int = 0
        self.tries: int = 0
        self.timer: Timer = Timer(stack.wire, self._unanswered)

    def answer(self) -> None:
        """Send the SYN+ACK, and wait for its acknowledgement."""
        wire = self.stack.wire
        packet = Packet("syn-ack", *self.key, b"", _SYN_SIZE)
        packet.seq, packet.ack = self.iss, self.syn.seq + 1
        packet.window = self.listener.rcvbuf * 3 // 4
        packet.mss = self.stack.mss_of(self.key[1][0])
        self.sent_ns = wire.now_ns()
        wire.send(self.stack.host, packet)
        self.timer.start(self.sent_ns + (RTO_FIRST_NS << self.tries))

    def _unanswered(self) -> None:
        """Answer again, or forget the client."""
        is_listening = self.listener.state is LISTEN
        if is_listening and self.tries < self.stack.host.sysctl["net.ipv4.tcp_synack_retries"]:
            self.tries += 1
            self.answer()
        else:
            self.end()

    def end(self) -> None:
        """Be forgotten."""
        self.timer.end()
        del self.stack.requests[self.key]


class Wait:
    """What is left of a connection that is over at this end."""

    __slots__ = ("is_half", "key", "rcv_nxt", "snd_nxt", "until_ns")

    def __init__(self, connection: Connection, until_ns: int, *, is_half: bool) -> None:
        self.key: Key = connection.key
        self.snd_nxt: int = connection.snd_nxt
        self.rcv_nxt: int = connection.rcv_nxt
        self.until_ns: int = until_ns
        self.is_half: bool = is_half  # The peer has not closed yet.


class TcpStack:
    """The connections of one host to other hosts."""

    def __init__(self, wire: Wire, host: Host, stacks: dict[Host, TcpStack]) -> None:
        self.wire: Wire = wire
        self.host: Host = host
        self._stacks = stacks
        self.connections: dict[Key, Connection] = {}
        self.requests: dict[Key, Request] = {}
        self.waits: dict[Key, Wait] = {}

    def of(self, host: Host) -> TcpStack | None:
        """Return the stack of another host, if it has one."""
        return self._stacks.get(host)

    def mtu_to(self, ip: str) -> int:
        """Return the size of the largest packet that passes, there and back."""
        host = self.wire.network.owners.get(ip)
        there = self.wire.path(self.host, host).conditions.mtu
        if host is None:
            return there
        return min(there, self.wire.path(host, self.host).conditions.mtu)

    def mss_of(self, ip: str) -> int:
        """Return what a first packet says that this end takes: less headers without options.

        RFC 6691: 20 bytes of TCP, and 20 of IPv4 or 40 of IPv6.
        """
        path = self.wire.path(self.host, self.wire.network.owners.get(ip))
        return path.conditions.mtu - (60 if is_ipv6(ip) else 40)

    # -- packets -------------------------------------------------------------------------------

    def receive(self, packet: Packet) -> None:
        """Take a packet of TCP."""
        key = (packet.peername, packet.sockname)
        connection = self.connections.get(key)
        if connection is not None:
            connection.receive(packet)
            return
        request = self.requests.get(key)
        if request is not None:
            self._receive_requested(request, packet)
            return
        wait = self.waits.get(key)
        if wait is not None and self._receive_waiting(wait, packet):
            return
        if packet.kind == "syn":
            self._receive_syn(packet, key)
        elif packet.kind != "rst":
            self.answer_reset(packet)

    def receive_error(self, packet: Packet) -> None:
        """Take an ICMP error about a packet of TCP."""
        connection = self.connections.get((packet.about.sockname, packet.about.peername))
        if connection is not None:
            connection.receive_error(packet)

    def answer_reset(self, packet: Packet) -> None:
        """Answer what belongs to no connection (RFC 9293, 3.10.7.1)."""
        reset = Packet("rst", packet.peername, packet.sockname, b"", 40)
        if packet.kind != "syn":
            reset.seq = packet.ack
        reset.ack = packet.seq + len(packet.data) + (packet.kind in ("syn", "fin"))
        self.wire.send(self.host, reset)

    def _receive_syn(self, packet: Packet, key: Key) -> None:
        """Answer a request to connect, if something listens and has room."""
        share = self.host.network.share
        listener = self.host.tcp.choose_listener(packet.peername, packet.sockname, share)
        if listener is None:
            self.answer_reset(packet)
        elif not listener.is_full:
            request = self.requests[key] = Request(self, listener, key, packet)
            request.answer()

    def _receive_requested(self, request: Request, packet: Packet) -> None:
        """Complete a handshake, or answer the client again."""
        listener = request.listener
        if packet.kind == "rst":
            request.end()
        elif packet.kind == "syn":
            request.syn = packet
            request.answer()
        elif listener.state is not LISTEN or packet.ack != request.iss + 1:
            if listener.state is not LISTEN:
                request.end()
            self.answer_reset(packet)
        elif not listener.is_full:
            self._complete(request, packet)
        elif listener.queue and request.first is not listener.queue[0]:
            # Many packets arrive at one instant here, and a program that accepts has its turn only
            # after them: this one comes again, until the queue stands still.
            request.first = listener.queue[0]
            self.wire.call_at_ns(self.wire.now_ns(), self.receive, packet)

    def _complete(self, request: Request, packet: Packet) -> None:
        """Make the server's end, and give it the packet that completes the handshake."""
        listener = request.listener
        child = RemoteTcpSocket(self.host, listener.family, listener.type, listener.proto)
        listener._inherit(child, *request.key)
        request.end()
        connection = child.connection = Connection(self, child)
        connection.snd_una = connection.snd_nxt = request.iss + 1
        connection.start_with(request.syn)
        if not request.tries:
            trip_ns = self.wire.now_ns() - request.sent_ns
            connection.trip.sample(trip_ns, connection.snd_una, connection.snd_nxt)
        child.join_connection()
        listener.add_child(child)
        connection.receive(packet)

    # -- what is left --------------------------------------------------------------------------

    def wait(self, connection: Connection, *, is_half: bool) -> None:
        """Keep what answers late packets, in the place of a connection that is over."""
        now_ns = self.wire.now_ns()
        while self.waits:
            key, first = next(iter(self.waits.items()))
            if first.until_ns > now_ns:
                break
            del self.waits[key]
        time_ns = _TIME_WAIT_NS
        if is_half:
            time_ns = self.host.sysctl["net.ipv4.tcp_fin_timeout"] * _SECOND_NS
        connection.end()
        self.waits.pop(connection.key, None)
        self.waits[connection.key] = Wait(connection, now_ns + time_ns, is_half=is_half)

    def _receive_waiting(self, wait: Wait, packet: Packet) -> bool:
        """Answer for a connection that is over; false if it is to be forgotten now."""
        kind = packet.kind
        is_old = packet.seq < wait.rcv_nxt
        if (
            self.wire.now_ns() >= wait.until_ns
            or kind == "rst"
            or (kind == "syn" and not is_old)
            or (wait.is_half and kind == "data" and not is_old)
        ):
            del self.waits[wait.key]
            return False
        if kind == "fin" and wait.is_half and not is_old:
            wait.rcv_nxt += 1
            wait.is_half = False
            wait.until_ns = self.wire.now_ns() + _TIME_WAIT_NS
        if kind != "ack" or is_old:
            answer = Packet("ack", *wait.key)
            answer.seq, answer.ack = wait.snd_nxt, wait.rcv_nxt
            self.wire.send(self.host, answer)
        return True

    def switch_off(self) -> None:
        """Forget everything, without a packet."""
        for connection in tuple(self.connections.values()):
            connection.socket.vanish()
        for request in tuple(self.requests.values()):
            request.end()
        self.waits.clear()
