"""Captures: packets as Wireshark reads them.

``frames.py`` makes their bytes, ``capture.py`` the files.
"""

from __future__ import annotations

__all__: list[str] = []
