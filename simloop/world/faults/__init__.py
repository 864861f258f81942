"""Faults: what goes wrong with the hosts of a world for a while, and is healed afterwards.

:mod:`.faults` is what a user asks for, :mod:`.campaign` what comes of it in a run, :mod:`.draws`
how it is decided, :mod:`.act` one fault that strikes; :mod:`.power`, :mod:`.cuts`, :mod:`.clogs`
and :mod:`.lies` are what the kinds do.
"""

from __future__ import annotations

from .faults import Faults, Often

__all__ = ["Faults", "Often"]
