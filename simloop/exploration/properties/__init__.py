"""Properties and choices of a program: what must hold in each run, and what it leaves open.

Owns: the functions that a program calls (:mod:`.stating`, :mod:`.program_choices`), the conditions
of one run (:mod:`.property_run`), and their counts (:mod:`.tallies`).

Must not know: strategies, and how many runs there are.

Invariant: importing this loads nothing of the engine, so that a program may keep what it states.
"""

from __future__ import annotations

__all__: list[str] = []
