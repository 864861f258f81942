"""A program in another process: how it gets there, and how it is run there from the start."""

from __future__ import annotations

__all__: list[str] = []
