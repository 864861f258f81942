"""Schedules: what made a run what it was, to keep, to send and to replay."""

from __future__ import annotations

from .schedule import Deviation, Schedule

__all__ = ["Deviation", "Schedule"]
