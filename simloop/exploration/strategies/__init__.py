"""Strategies: what answers the gate, schedule after schedule."""

from __future__ import annotations

from .naming import strategy_of
from .strategy import Measure, Strategy, Undisturbed

__all__ = ["Measure", "Strategy", "Undisturbed", "strategy_of"]
