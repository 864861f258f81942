"""What happened in a run: its digest, its record, its picture, and where two runs part."""

from __future__ import annotations

from .chrome import ChromeTrace
from .digest import Digest
from .eventfile import EventFile
from .labels import label, location
from .plain_text import canonical
from .recorder import (
    Difference,
    Recorder,
    Step,
    first_difference,
)

__all__ = [
    "ChromeTrace",
    "Difference",
    "Digest",
    "EventFile",
    "Recorder",
    "Step",
    "canonical",
    "first_difference",
    "label",
    "location",
]
