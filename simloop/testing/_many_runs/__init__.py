"""Tests that run more than once: under many schedules, with many examples, with many seeds.

Each module is loaded by the test that wants it, and by no other.
"""

from __future__ import annotations

__all__: list[str] = []
