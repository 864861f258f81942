"""A capture file: packets in the format pcapng, which Wireshark and tshark read.

Owns: the blocks of the file. Times are the world's, in nanoseconds. Must not know headers.

Source: draft-ietf-opsawg-pcapng.

Invariant: what was noted is in the file when ``close`` returns.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from .frames import frames

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from simloop.net.host import Host
    from simloop.net.wire.packet import Packet

__all__ = ["Capture"]

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_MAGIC = 0x1A2B3C4D
_ETHERNET = 1
_RESOLUTION, _NANOSECONDS = 9, 9  # if_tsresol: powers of ten.
_NAME = 2  # if_name
_UNKNOWN_LENGTH = -1


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


class Capture:
    """Write packets to a file as they are sent."""

    def __init__(self, path: str | PathLike[str], hosts: Mapping[str, Host]) -> None:
        # By this module itself: what watches a run writes down is not heard as the run's output.
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115, PTH123 - closed by close()
        self._hosts = hosts
        self._macs: dict[Host | None, bytes] = {None: b"\xff" * 6}
        self._file.write(_block(_SECTION, struct.pack("<IHHq", _MAGIC, 1, 0, _UNKNOWN_LENGTH)))
        options = _option(_NAME, b"wire") + _option(_RESOLUTION, bytes([_NANOSECONDS]))
        header = struct.pack("<HHI", _ETHERNET, 0, 0)
        self._file.write(_block(_INTERFACE, header + options + _option(0, b"")))

    def note(self, packet: Packet) -> None:
        """Write one packet, which is sent now."""
        ends = self._mac(packet.source_host), self._mac(packet.destination_host)
        when_ns = packet.sent_ns
        for frame in frames(packet, *ends):
            size = len(frame)
            header = struct.pack("<IIIII", 0, when_ns >> 32, when_ns & 0xFFFFFFFF, size, size)
            self._file.write(_block(_PACKET, header + frame + bytes(-size % 4)))

    def _mac(self, host: Host | None) -> bytes:
        """Return the address of a host's interface: by the order in which hosts were added."""
        mac = self._macs.get(host)
        if mac is None:
            number = list(self._hosts.values()).index(host) + 1 if host is not None else 0
            mac = self._macs[host] = b"\x02\x00" + number.to_bytes(4, "big")
        return mac

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
