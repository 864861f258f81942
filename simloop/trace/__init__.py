"""What happened in a run: its digest, its record, and where two runs part."""

from __future__ import annotations

from .digest import Digest
from .labels import canonical, label, location
from .recorder import Difference, Recorder, Step, first_difference

__all__ = [
    "Difference",
    "Digest",
    "Recorder",
    "Step",
    "canonical",
    "first_difference",
    "label",
    "location",
]
