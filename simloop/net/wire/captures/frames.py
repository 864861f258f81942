"""The bytes of packets: Ethernet, IPv4 and IPv6, TCP, UDP and ICMP headers with their checksums.

Owns: how a ``Packet`` looks on a cable. Must not know files.

What a packet here does not have is as Linux has it: sequence numbers are cut to 32 bits, windows
are scaled by 7 (an option of the SYN), the time to live is 64. A datagram larger than the MTU
becomes fragments.

Sources: RFC 791, 8200, 9293 (3.1), 7323 (window scale), 2018 (SACK), 768, 792, 4443, 1071
(checksum).
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

from simloop.net.addressing.addresses import is_ipv6, without_scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simloop.net.wire.packet import Packet

__all__ = ["checksum", "frames"]

_SCALE = 7
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_FLAGS = {
    "syn": _SYN,
    "syn-ack": _SYN | _ACK,
    "ack": _ACK,
    "data": _PSH | _ACK,
    "fin": _FIN | _ACK,
    "rst": _RST | _ACK,
}
_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_FRAGMENT = 1480  # Of an MTU of 1500: a multiple of eight.
_MORE = 0x2000
# What an errno is as a code of "destination unreachable", of IPv4 and of IPv6.
_CODES = {errno.ENETUNREACH: (0, 0), errno.EHOSTUNREACH: (1, 3), errno.ECONNREFUSED: (3, 4)}
_QUOTED = 64  # So much of the packet that could not be delivered an ICMP error has.


def checksum(data: bytes) -> int:
    """Return the sum of RFC 1071.

    >>> hex(checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    if len(data) & 1:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frames(packet: Packet, source_mac: bytes, destination_mac: bytes) -> Iterator[bytes]:
    """Yield the Ethernet frames that a packet travels in."""
    protocol, segment = _segment(packet)
    source, destination = _packed(packet.sockname[0]), _packed(packet.peername[0])
    if len(source) == len(destination) == 4:  # noqa: PLR2004
        kind, whole = (
            b"\x08\x00",
            list(_ipv4(protocol, segment, source, destination, packet.number)),
        )
    else:
        kind, whole = b"\x86\xdd", [_ipv6(protocol, segment, source, destination)]
    for datagram in whole:
        yield destination_mac + source_mac + kind + datagram


def _packed(ip: str) -> bytes:
    if is_ipv6(ip):
        return socket.inet_pton(socket.AF_INET6, without_scope(ip))
    return socket.inet_aton(ip)


def _ipv4(
    protocol: int, segment: bytes, source: bytes, destination: bytes, number: int
) -> Iterator[bytes]:
    """Yield a segment in one datagram, or in fragments."""
    for offset in range(0, max(len(segment), 1), _FRAGMENT):
        part = segment[offset : offset + _FRAGMENT]
        more = _MORE if offset + _FRAGMENT < len(segment) else 0
        header = struct.pack(
            "!BBHHHBBH4s4s",
            *(0x45, 0, 20 + len(part), number & 0xFFFF, more | offset >> 3, 64, protocol, 0),
            *(source, destination),
        )
        yield header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + part


def _ipv6(protocol: int, segment: bytes, source: bytes, destination: bytes) -> bytes:
    return (
        struct.pack("!IHBB", 6 << 28, len(segment), protocol, 64) + source + destination + segment
    )


def _segment(packet: Packet) -> tuple[int, bytes]:
    """Return the number of a packet's protocol, and its bytes above IP."""
    source, destination = _packed(packet.sockname[0]), _packed(packet.peername[0])
    if packet.kind == "icmp":
        return _icmp(packet, source, destination)
    ports = packet.sockname[1], packet.peername[1]
    if packet.kind == "datagram":
        protocol, offset = _UDP, 6
        segment = struct.pack("!HHHH", *ports, 8 + len(packet.data), 0) + packet.data
    else:
        protocol, offset = _TCP, 16
        segment = _tcp_header(packet, ports) + packet.data
    pseudo = source + destination + struct.pack("!II", len(segment), protocol)
    total = checksum(pseudo + segment) or 0xFFFF
    return protocol, segment[:offset] + total.to_bytes(2, "big") + segment[offset + 2 :]


def _tcp_header(packet: Packet, ports: tuple[int, int]) -> bytes:
    options = b""
    window = packet.window >> _SCALE
    if packet.kind in ("syn", "syn-ack"):
        # Maximum segment size, SACK permitted, no-operation, window scale.
        options = struct.pack("!BBHBBBBBB", 2, 4, packet.mss, 4, 2, 1, 3, 3, _SCALE) + b"\1\1"
        window = packet.window
    elif packet.sack:
        blocks = b"".join(
            struct.pack("!II", start % 2**32, end % 2**32) for start, end in packet.sack
        )
        options = bytes([1, 1, 5, 2 + len(blocks)]) + blocks
    size = (20 + len(options)) // 4
    ack = packet.ack % 2**32 if packet.kind != "syn" else 0
    return (
        struct.pack(
            "!HHIIBBHHH",
            *(*ports, packet.seq % 2**32, ack, size << 4, _FLAGS[packet.kind]),
            *(min(window, 0xFFFF), 0, 0),
        )
        + options
    )


def _icmp(packet: Packet, source: bytes, destination: bytes) -> tuple[int, bytes]:
    """Return "destination unreachable", with the beginning of what could not be delivered."""
    about = packet.about
    protocol, segment = _segment(about)
    ends = _packed(about.sockname[0]), _packed(about.peername[0])
    if len(source) == 4:  # noqa: PLR2004
        quoted = next(_ipv4(protocol, segment, *ends, about.number))[:_QUOTED]
        message = struct.pack("!BBHI", 3, _CODES[packet.code][0], 0, 0) + quoted
        total = checksum(message)
    else:
        quoted = _ipv6(protocol, segment, *ends)[:_QUOTED]
        message = struct.pack("!BBHI", 1, _CODES[packet.code][1], 0, 0) + quoted
        pseudo = source + destination + struct.pack("!II", len(message), _ICMP6)
        total = checksum(pseudo + message)
    number = _ICMP if len(source) == 4 else _ICMP6  # noqa: PLR2004
    return number, message[:2] + total.to_bytes(2, "big") + message[4:]
