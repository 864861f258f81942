"""Worlds, and running programs in them."""

from __future__ import annotations

from .checking import check
from .running import run, simulate
from .world import World

__all__ = ["World", "check", "run", "simulate"]
