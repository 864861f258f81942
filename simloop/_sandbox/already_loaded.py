"""The engine's first copy in a process is its only one: looked after when this is imported.

Owns: the moment. Where modules were forgotten, this one was with them, and the first to import the
sandbox again brings back what patches the process (:mod:`simloop._only_copy`).

Must not know: how.
"""

from __future__ import annotations

from simloop._only_copy import bring_back

__all__: list[str] = []

bring_back()
