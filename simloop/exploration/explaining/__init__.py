"""Explaining: what a failure is, in one screen."""

from __future__ import annotations

from .comparing import Comparison, compare
from .explanation import Explanation, explain, explanation_of

__all__ = ["Comparison", "Explanation", "compare", "explain", "explanation_of"]
