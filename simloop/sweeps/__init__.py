"""Sweeps: many numbered runs of one piece of work, by several processes.

A sweep hands out ranges of numbers to workers, takes what they tell, and puts it in order: the
findings are those that one process would have had that runs number after number. A worker may die,
hang or take too much memory; what it was about to run is run once more, alone, and named if it does
that again.

Owns: who runs which number, and that each is counted once.

Must not know: what a run is. A schedule of an exploration, a seed of a program and a seed that is
checked are all a number to it; :class:`~simloop.sweeps.work.Work` says how one is run.

Reading order: :mod:`.work` (what is given), :mod:`.ranges` (what is done), :mod:`.sweeping` (the
order of things), :mod:`.fork_crew` and :mod:`.forked_worker` (processes of this machine),
:mod:`.executor_crew` (an executor's), :mod:`.journal` (what outlives the process).
"""

from __future__ import annotations

__all__: list[str] = []
