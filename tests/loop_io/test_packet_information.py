"""What a datagram tells beside its data: where it was sent to, by which interface."""

from __future__ import annotations

import socket

import pytest

IP_PKTINFO, IP_RECVTTL = 8, 12


@pytest.mark.parametrize("sender", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("asked", ["ipv6", "both", "neither"])
def test_ipv4_on_a_socket_of_both_families(same, sender, asked):
    """A datagram of IPv4 shows its destination as a mapped address, and in IPv4's own way."""

    async def body(record):
        with (
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server,
            socket.socket(sender, socket.SOCK_DGRAM) as client,
        ):
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            if asked != "neither":
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            if asked == "both":
                server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
                server.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            server.bind(("::", 0))
            ip = "127.0.0.1" if sender == socket.AF_INET else "::ffff:127.0.0.1"
            client.sendto(b"x", (ip, server.getsockname()[1]))
            data, ancillary, flags, address = server.recvmsg(10, 1000)
            record.note("received", (data, flags, address[0]))
            record.note("beside", [(level, kind, bytes(value)) for level, kind, value in ancillary])

    same(body)
