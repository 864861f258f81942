"""Address resolution on one switch: how a host finds out that another one is not there.

Owns: for each host, what it knows of its neighbours: who answered when, and which packets wait for
an answer. Must not know TCP; that a neighbour is not there is told as an ICMP error is.

The rules are Linux' (net/core/neighbour.c, with the defaults of arp(7)): three requests one second
apart, and then EHOSTUNREACH for what waited; an answer counts for 30 seconds after the last sign of
life, then packets still go out for the time of a delay (5 s) and three more requests, and then the
neighbour is unknown again. A request and its answer take a round trip.

Invariants: an entry has waiting packets only while it is being resolved; there are no negative
entries: what failed is asked anew.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simloop.net.host import Host

    from .packet import Packet
    from .wire import Wire

__all__ = ["Neighbours"]

_SECOND_NS = 1_000_000_000
_PROBING_NS = 3 * _SECOND_NS  # mcast_solicit and ucast_solicit: 3, retrans_time: 1 s.
_REACHABLE_NS = 30 * _SECOND_NS  # base_reachable_time
_DELAY_NS = 5 * _SECOND_NS  # delay_first_probe_time
_QUEUE_MAX = 101  # unres_qlen_bytes holds about as many.


class _Entry:
    """What a host knows of a neighbour."""

    __slots__ = ("confirmed_ns", "doubted_ns", "is_known", "waiting")

    def __init__(self) -> None:
        self.is_known = False
        self.confirmed_ns = 0
        self.doubted_ns: int | None = None  # Since when it is probed, though it is in use.
        self.waiting: list[Packet] = []


class Neighbours:
    """The neighbour tables of all hosts on a switch."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._entries: dict[tuple[Host, str], _Entry] = {}

    def admit(self, packet: Packet) -> bool:
        """Return whether a packet may set out; otherwise it waits here for an answer."""
        host, target = packet.source_host, packet.destination_host
        key = (host, packet.peername[0])
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
        now_ns = packet.sent_ns
        if entry.is_known and self._is_alive(entry, packet):
            return True
        entry.waiting.append(packet)
        del entry.waiting[:-_QUEUE_MAX]
        if len(entry.waiting) == 1:
            self._ask(entry, host, target, now_ns)
        return False

    def _answers(self, host: Host, target: Host | None) -> bool:
        """Return whether a request to a host would be answered."""
        if target is None or target.is_off:
            return False
        return not (self._wire.path(host, target).cuts or self._wire.path(target, host).cuts)

    def _is_alive(self, entry: _Entry, packet: Packet) -> bool:
        """Return whether an entry is in use still: fresh, or not doubted for long enough.

        Who connects trusts a fresh entry; on a connection that is there the entry is doubted with
        the first packet that is not answered, as it was measured.
        """
        now_ns = packet.sent_ns
        if self._answers(packet.source_host, packet.destination_host):
            entry.confirmed_ns, entry.doubted_ns = now_ns, None
            return True
        if entry.doubted_ns is None:
            if packet.kind != "syn" or now_ns - entry.confirmed_ns > _REACHABLE_NS:
                entry.doubted_ns = now_ns
        elif now_ns - entry.doubted_ns >= _DELAY_NS + _PROBING_NS:
            entry.is_known, entry.doubted_ns = False, None
        return entry.is_known

    def _ask(self, entry: _Entry, host: Host, target: Host | None, now_ns: int) -> None:
        """Send the first of three requests."""
        call_at_ns = self._wire.call_at_ns
        if target is not None and self._answers(host, target):
            path, back = self._wire.path(host, target), self._wire.path(target, host)
            call_at_ns(now_ns + path.latency_ns, self.confirm, target, host)
            call_at_ns(now_ns + path.latency_ns + back.latency_ns, self._answered, entry)
        else:
            call_at_ns(now_ns + _PROBING_NS, self._unanswered, entry)

    def _answered(self, entry: _Entry) -> None:
        entry.is_known = True
        entry.doubted_ns = None
        entry.confirmed_ns = self._wire.now_ns()
        waiting, entry.waiting = entry.waiting, []
        for packet in waiting:
            packet.sent_ns = entry.confirmed_ns
            self._wire.send_on(packet)

    def _unanswered(self, entry: _Entry) -> None:
        waiting, entry.waiting = entry.waiting, []
        for packet in waiting[:1]:
            packet.sent_ns = self._wire.now_ns()
            self._wire.answer_unreachable(packet, errno.EHOSTUNREACH, 0)

    def confirm(self, host: Host, sender: Host) -> None:
        """Note a sign of life: a host that speaks, or asks, is known."""
        for ip in sender.addresses:
            entry = self._entries.get((host, ip))
            if entry is None:
                entry = self._entries[host, ip] = _Entry()
            if not entry.waiting:
                entry.is_known = True
            entry.confirmed_ns = self._wire.now_ns()
