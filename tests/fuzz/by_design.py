"""What differs from Linux by design, and how a comparison knows it.

Owns: the list. Each entry has the name by which the page docs/reference/differences.md tells of it,
a program that shows it, and the question whether it explains a difference. The search stops
comparing a program at a difference that is explained; ``test_differences.py`` holds that each entry
is told in the docs, and still differs in the way that its question says.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
from typing import TYPE_CHECKING, NamedTuple

from .stage import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

FROM_THE_PEER = (
    (socket.IPPROTO_TCP, socket.TCP_MAXSEG),
    (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
    (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS),
    (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF),
)
ERROR_QUEUES = ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25))  # IP_RECVERR, IPV6_RECVERR
WAITING_OPTIONS = ((socket.SOL_SOCKET, socket.SO_RCVLOWAT), (socket.IPPROTO_TCP, socket.TCP_CORK))


class Difference(NamedTuple):
    """One entry."""

    name: str
    explains: Callable[[list, list], bool]
    """Given the answers of both arms up to the first that differ: whether this is it."""
    example: list
    """A program that shows it."""


def _port_zero(real, virtual):
    """A socket was connected or sent to port 0."""
    return any(
        "port 0" in answer.notes and answer.call[0] not in {"bind", "listen_here"}
        for answer in real
    )


def _mixed_families(real, virtual):
    """IPv6 sockets were connected, and then sent or connected to addresses of the other family."""
    notes = [
        note
        for answer in real
        if answer.kind in {"tcp6", "udp6"} and answer.call[0] not in {"bind", "listen_here"}
        for note in answer.notes
    ]
    return {"IPv4", "IPv6"} <= {*notes}


def _from_the_peer(real, virtual):
    asked = any(option in real[-1].notes for option in FROM_THE_PEER)
    return asked and real[-1].kind in {"tcp", "tcp6"}


def _low_water(real, virtual):
    """SO_RCVLOWAT was set: Linux shows a socket as readable only when so many bytes are there."""
    was_set = any(answer.call[0] == "set" and WAITING_OPTIONS[0] in answer.notes for answer in real)
    return was_set and real[-1].said == virtual[-1].said


def _error_queue(real, virtual):
    return any(
        answer.call[0] == "set" and any(option in answer.notes for option in ERROR_QUEUES)
        for answer in real
    )


BY_DESIGN = [
    Difference(
        "Port 0 as a destination",
        _port_zero,
        [("open", 0, 1), ("connect_back", 0, 0), ("sendto", 0, 18)],
    ),
    Difference(
        "IPv4 and IPv6 by turns",
        _mixed_families,
        [("open", 0, 6), ("connect", 0, 1), ("connect", 0, 2)],
    ),
    Difference(
        "What a connection learned of its peer",
        _from_the_peer,
        [("meet", 0, 0), ("send", 0, 0), ("get", 0, 18)],
    ),
    Difference(
        "Options that wait for more bytes",
        _low_water,
        [("meet", 0, 0), ("send", 1, 0), ("send", 1, 0), ("set", 0, 13)],
    ),
    Difference(
        "The queue of errors",
        _error_queue,
        [("open", 0, 6), ("set", 0, 43), ("sendto", 0, 1)],
    ),
]


def _bytes_before_tls(real, virtual):
    """A reader held bytes when its connection was upgraded."""
    last = real[-1]
    return isinstance(last, Answer) and last.call[0] == "upgrade"


def is_upgrade_old():
    """Whether this Python's start_tls leaves what a reader holds to the reader (gh-142352)."""
    return "_stream_reader" not in inspect.getsource(asyncio.BaseEventLoop.start_tls)


LOOP_DESIGN = [
    Difference(
        "Bytes that a reader holds when TLS begins",
        _bytes_before_tls,
        ("tcp", [("write", 0, 1), ("upgrade", 1, 0)]),
    ),
]
"""The same for calls of the loop."""
