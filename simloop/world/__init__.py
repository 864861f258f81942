"""Worlds, and running programs in them."""

from __future__ import annotations

from simloop import _speed as _speed  # Twins in C, if there are any: before a world is made.

from .checking import check
from .current import current_loop, current_world
from .running import run, simulate
from .world import World

__all__ = ["World", "check", "current_loop", "current_world", "run", "simulate"]
