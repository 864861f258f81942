"""Lanes of hosts: packets between them, what is the matter with each, and what happened to it.

Owns: three more threads for each host of a picture, made when something is on them. ``packets`` has
a span for each packet that sets out, arrives or is lost, and a flow between both ends; ``power``
has a span while the host is off or paused, and moments at which it boots, crashes, or a process of
it begins, ends, stops or goes on; ``network`` has a span while the host is cut off.

Must not know: steps, and where events go.

Invariants: each packet has both its ends, the second being where it was lost, or still on its way
at the end of the run; of one host one span of a kind is open at most.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .event_text import microseconds, quoted, shown_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simloop.trace.tracks import Track

__all__ = ["HostLanes"]

_PACKETS, _POWER, _NETWORK = "packets", "power", "network"
_WORLD = "the world"
_SHOWN_BYTES = 48


class HostLanes:
    """The lanes of the hosts of one run.

    Args:
        lane: Returns the track of a host by its host name and the lane's name, made when new.
        tell: Takes an event, which happens at the time that ``now_ns`` tells.
        now_ns: Tells the virtual time.
        states: Tells for each host its host name, and what is the matter with its power and with
            its network; "" for nothing.
    """

    def __init__(
        self,
        lane: Callable[[str, str], Track],
        tell: Callable[[str], None],
        now_ns: Callable[[], int],
        states: Callable[[], Iterable[tuple[str, str, str]]],
    ) -> None:
        self._lane = lane
        self._tell = tell
        self._now_ns = now_ns
        self._states = states
        self._count = 0
        self._flights: dict[Any, int] = {}
        self._open: dict[tuple[str, str], str] = {}
        self._is_changed = False

    # Packets -------------------------------------------------------------------------------

    def left(self, packet: Any) -> None:
        """Write that a packet sets out."""
        self._count = number = self._count + 1
        self._flights[packet] = number
        to = packet.destination_host
        about = {
            "packet": number,
            "from": shown_endpoint(packet.sockname),
            "to": shown_endpoint(packet.peername),
            "host": "" if to is None else to.hostname,
            "bytes": len(packet.data),
        }
        if packet.data:
            about["begins"] = bytes(packet.data[:_SHOWN_BYTES]).decode("latin-1")
        track = self._lane(packet.source_host.hostname, _PACKETS)
        self._span(track, "packet", packet.kind, about, self._flow("s", track, number))

    def arrived(self, packet: Any) -> None:
        """Write that a packet is there."""
        self._end_flight(packet, packet.destination_host.hostname, "packet", packet.kind, {})

    def lost(self, packet: Any, why: str) -> None:
        """Write that a packet is lost, where it was."""
        host = packet.destination_host
        if packet not in self._flights:
            self.left(packet)
            host = None  # It came no further than its sender.
        name = f"lost: {packet.kind}"
        to = packet.source_host if host is None else host
        self._end_flight(packet, to.hostname, "lost packet", name, {"why": why})

    def _end_flight(
        self, packet: Any, hostname: str, category: str, name: str, about: dict[str, Any]
    ) -> None:
        number = self._flights.pop(packet, None)
        if number is None:
            return  # It set out before anything watched.
        track = self._lane(hostname, _PACKETS)
        about = {"packet": number, **about}
        self._span(track, category, name, about, self._flow("f", track, number))

    def _flow(self, phase: str, track: Track, number: int) -> str:
        end = '"bp":"e",' if phase == "f" else ""
        return (
            f'{{"ph":"{phase}",{end}"ts":{self._us()},"pid":{track.pid},"tid":{track.tid},'
            f'"cat":"packet","name":"packet","id":{number}}}'
        )

    # States and moments --------------------------------------------------------------------

    def noted(self, what: str, text: str, hostname: str) -> None:
        """Write a moment on a host's lane, or on the world's where no host is named."""
        self._is_changed = True
        if not hostname and what not in ("fault", "disk"):
            return  # A signal, a child process: steps tell of these.
        track = self._lane(hostname or _WORLD, _POWER)
        self._tell(
            f'{{"ph":"i","s":"{"p" if hostname else "g"}","ts":{self._us()},"pid":{track.pid},'
            f'"tid":{track.tid},"cat":{quoted(what)},"name":{quoted(text)}}}'
        )

    def changed(self) -> None:
        """Take note that the network may not be what it was."""
        self._is_changed = True

    def look(self) -> None:
        """Begin and end the spans of what is the matter, if anything has changed."""
        if not self._is_changed:
            return
        self._is_changed = False
        for hostname, power, network in self._states():
            self._become(hostname, _POWER, power)
            self._become(hostname, _NETWORK, network)

    def _become(self, hostname: str, lane: str, state: str) -> None:
        before = self._open.pop((hostname, lane), "")
        if before == state:
            if state:
                self._open[hostname, lane] = state
            return
        track = self._lane(hostname, lane)
        if before:
            self._tell(self._event("E", track))
        if state:
            self._open[hostname, lane] = state
            head = self._event("B", track)[:-1]
            self._tell(f'{head},"cat":"{lane}","name":{quoted(state)}}}')

    def close(self) -> None:
        """End what goes on: the run is over."""
        for packet in tuple(self._flights):
            self.lost(packet, "on its way at the end of the run")
        for hostname, lane in tuple(self._open):
            self._become(hostname, lane, "")

    # Events --------------------------------------------------------------------------------

    def _us(self) -> str:
        return microseconds(self._now_ns())

    def _event(self, phase: str, track: Track) -> str:
        return f'{{"ph":"{phase}","ts":{self._us()},"pid":{track.pid},"tid":{track.tid}}}'

    def _span(
        self, track: Track, category: str, name: str, about: dict[str, Any], inside: str
    ) -> None:
        """Write a span that takes no time, with an event inside."""
        head = self._event("B", track)[:-1]
        self._tell(f'{head},"cat":"{category}","name":{quoted(name)},"args":{json.dumps(about)}}}')
        self._tell(inside)
        self._tell(self._event("E", track))
