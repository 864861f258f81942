"""The choice gate: what may be decided one way or another, and how long a delay is."""

from __future__ import annotations

from .choice_gate import Answerer, ChoiceGate, Names
from .delay_codes import CODES, LOG_FIRST, PER_DECADE, RANKS, TICKS, log_code, log_ns
from .held_handles import HeldHandles

__all__ = [
    "CODES",
    "LOG_FIRST",
    "PER_DECADE",
    "RANKS",
    "TICKS",
    "Answerer",
    "ChoiceGate",
    "HeldHandles",
    "Names",
    "log_code",
    "log_ns",
]
