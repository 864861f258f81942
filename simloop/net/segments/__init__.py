"""TCP by packets: a connection between two hosts.

Reading order: ``tcp_stack.py`` (which packet is for what), ``connection.py`` and its parts
``receiving.py``, ``sending.py``, ``timeouts.py``, ``remote_tcp.py`` (the socket);
``round_trip.py``, ``congestion.py``, ``delayed_acks.py`` and ``timer.py`` are what they stand on;
``quiet.py`` has the most common cases in short.
"""

from __future__ import annotations

__all__: list[str] = []
