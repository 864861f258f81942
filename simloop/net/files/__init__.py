"""Open files as a process has them: descriptors, what stands behind each, pipes, and their flags.

The bottom of the virtual operating system: sockets are open files too, and build on this room.
"""

from __future__ import annotations

__all__: list[str] = []
