"""What a power cut may leave: of the bytes of a file, and of the entries of folders."""

from __future__ import annotations

__all__: list[str] = []
