"""The noun *process*: its number, parent, signals, children, host, loops and programs.

Must not know: how a loop runs, and the code that touches the real world.
"""

from __future__ import annotations

from .dispositions import Dispositions
from .process import MainProcess, Process
from .process_clock import ProcessClock
from .process_table import ProcessTable
from .programs import Programs

__all__ = ["Dispositions", "MainProcess", "Process", "ProcessClock", "ProcessTable", "Programs"]
