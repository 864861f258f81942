"""The noun *process*: its number, parent, signals, children, descriptors, entropy and programs.

Must not know: how a loop runs.
"""

from __future__ import annotations

from .dispositions import Dispositions
from .programs import Programs

__all__ = ["Dispositions", "Programs"]
