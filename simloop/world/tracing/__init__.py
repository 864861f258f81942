"""Traces of whole worlds: steps, messages, packets, and the state of hosts, written to a file.

``trace_file.py`` puts watcher, file and world together; ``host_states.py`` tells what is the matter
with each host.
"""

from __future__ import annotations

__all__: list[str] = []
