"""What a trace has of hosts, beside their steps: packets, power and network.

``host_lanes.py`` writes it; ``event_text.py`` is how numbers and texts stand in an event.
"""

from __future__ import annotations

__all__: list[str] = []
