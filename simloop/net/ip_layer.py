"""What a host does with packets of the wire: to TCP, or to UDP, or an error.

Owns: the TCP stack of each host, and datagrams between hosts: fragments, who gets one, the ICMP
error that a closed port answers with. Must not know paths.

Sources: RFC 768, RFC 792, RFC 1122 (3.2.2.1 for ICMP errors, 4.1.3.3 for UDP), ip(7), udp(7).

Invariant: a host has a stack from its first packet until it is switched off.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from .addressing.addresses import is_ipv6, is_multicast
from .inet.tcp_states import CONNECTED_STATES
from .inet.udp import UdpSocket
from .inet.udp_demux import hear, meant
from .segments.connection import Connection
from .segments.delayed_acks import DelayedAcks
from .segments.remote_tcp import RemoteTcpSocket
from .segments.tcp_stack import TcpStack
from .wire.packet import Packet

if TYPE_CHECKING:
    from .fabric import Endpoint
    from .host import Host
    from .wire.wire import Wire

__all__ = ["IpLayer"]

_UDP_HEADER = 8
_ICMP_SIZE = 56


class IpLayer:
    """The protocols of all hosts of a network."""

    def __init__(self) -> None:
        self.wire: Wire
        self.acks: DelayedAcks
        self.stacks: dict[Host, TcpStack] = {}

    def lie_on(self, wire: Wire) -> None:
        """Belong to a wire from now on."""
        self.wire = wire
        self.acks = DelayedAcks(wire)

    def stack(self, host: Host) -> TcpStack:
        """Return a host's stack of TCP, made when it is first asked for."""
        stack = self.stacks.get(host)
        if stack is None:
            stack = self.stacks[host] = TcpStack(self.wire, host, self.stacks)
        return stack

    def stack_of(self, host: Host) -> TcpStack | None:
        """Return a host's stack of TCP, if it has one."""
        return self.stacks.get(host)

    def receive(self, host: Host, packet: Packet) -> None:
        """Take a packet that arrived at a host."""
        kind = packet.kind
        if kind == "datagram":
            self._receive_datagram(host, packet)
        elif kind != "icmp":
            self.stack(host).receive(packet)
        elif packet.about.kind == "datagram":
            self._receive_udp_error(host, packet)
        else:
            self.stack(host).receive_error(packet)

    # -- TCP -----------------------------------------------------------------------------------

    def open(self, sock: Any) -> None:
        """Connect a TCP socket with another host, from now on by packets."""
        sock.__class__ = RemoteTcpSocket
        sock.connection = Connection(self.stack(sock.host), sock)
        sock.connection.open()

    def switch_off(self, host: Host) -> None:
        """Forget all connections of a host, without a packet."""
        stack = self.stacks.pop(host, None)
        if stack is not None:
            stack.switch_off()

    def reset(self, first: Host, second: Host) -> None:
        """Break each connection between two hosts at both ends, as a router on the way may."""
        for host, other in ((first, second), (second, first)):
            stack = self.stacks.get(host)
            for connection in tuple(stack.connections.values()) if stack is not None else ():
                if connection.key[1][0] in other.addresses and not connection.is_over:
                    sock = connection.socket
                    if sock.state in CONNECTED_STATES:
                        sock._reset_arrives()
                    else:
                        sock.fail(errno.ECONNREFUSED)

    # -- UDP -----------------------------------------------------------------------------------

    def send_datagram(
        self,
        sock: UdpSocket,
        data: bytes,
        sender: Endpoint,
        destination: Endpoint,
        target: Host | None = None,
    ) -> None:
        """Send a datagram to another host; ``target``: one that hears a group or a broadcast."""
        header = 40 if is_ipv6(destination[0]) else 20
        size = len(data) + _UDP_HEADER
        wire = self.wire
        host = sock.host
        packet = Packet("datagram", sender, destination, data, size + header)
        path = wire.path(host, target or host.network.owners.get(destination[0]))
        room = path.conditions.mtu - header
        if size > room:
            packet.pieces = -(-size // (room & ~7))  # Offsets are in units of eight (RFC 791).
            packet.size += (packet.pieces - 1) * header
        if path.is_simple and not host.is_off:
            path.send_alone(packet, host, wire.clock.now_ns)
        else:
            wire.send(host, packet, target)

    def _receive_datagram(self, host: Host, packet: Packet) -> None:
        destination, sender = packet.peername, packet.sockname
        ip = destination[0]
        if ip not in host.addresses and (is_multicast(ip) or host.broadcasts(ip)):
            number = 2 if is_multicast(ip) else 0
            for hearer in hear(host, destination, sender, number):
                assert isinstance(hearer, UdpSocket)
                hearer.receive(packet.data, sender, destination, is_near=False)
            return
        receiver = host.network.fabric.receiver = meant(host, destination, sender)
        if receiver is not None:
            assert isinstance(receiver, UdpSocket)
            receiver.receive(packet.data, sender, destination, is_near=False)
            return
        error = Packet("icmp", destination, sender, b"", _ICMP_SIZE)
        error.code, error.about = errno.ECONNREFUSED, packet
        self.wire.send(host, error)

    def _receive_udp_error(self, host: Host, packet: Packet) -> None:
        """Tell a connected sender that a port is closed; all other errors are soft (udp(7))."""
        about = packet.about
        if packet.code != errno.ECONNREFUSED:
            return
        for sock in host.udp.holders.get(about.sockname[1], ()):
            if sock.remote == about.peername and isinstance(sock, UdpSocket):
                sock._refused()
