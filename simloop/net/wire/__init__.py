"""What lies between hosts: paths and their conditions, rules, captures.

Reading order: ``packet.py``, ``path.py`` (when a packet arrives), ``wire.py`` (all paths), and
``controls.py`` (what users say); ``conditions.py``, ``latency.py`` and ``rules.py`` are their
words.
"""

from __future__ import annotations

from . import latency

__all__ = ["latency"]
