"""Disks of a world's machines; loaded by the first world that has one."""

from __future__ import annotations

from .disk_setup import give_disk

__all__ = ["give_disk"]
