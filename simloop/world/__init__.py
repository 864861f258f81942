"""Worlds, and running programs in them."""

from __future__ import annotations

from .checking import check
from .current import current_loop, current_world
from .running import run, simulate
from .world import World

__all__ = ["World", "check", "current_loop", "current_world", "run", "simulate"]
