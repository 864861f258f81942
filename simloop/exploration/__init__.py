"""Many runs of one program, and what must hold in each of them: properties and histories.

Importing this costs nothing: a program that keeps :func:`simloop.sometimes` in production must not
load the engine for it. Names are imported from the files that own them.
"""

from __future__ import annotations

__all__: list[str] = []
