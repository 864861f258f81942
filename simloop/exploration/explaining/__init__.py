"""Explaining: what a failure is, in one screen."""

from __future__ import annotations

from .explanation import Explanation, explain, explanation_of

__all__ = ["Explanation", "explain", "explanation_of"]
