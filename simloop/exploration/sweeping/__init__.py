"""Sweeps of schedules and of seeds: what a number stands for, and what is made of what is told."""

from __future__ import annotations

__all__: list[str] = []
