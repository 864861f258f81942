"""The book of which thread is in which run, where it costs nothing to look.

Owns: the table, what a test runner says and hears of loops that are made alone, and who hears of
the calls that threads make. Code that may run in production, where no run ever is, looks here
first: while the table is empty nobody is in a run, and the engine need not even be loaded.

Must not know: what a run context is (:mod:`simloop._sandbox.run_context`), which keeps the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoopsAlone", "by_thread", "call_hearers", "loops_alone"]

by_thread: dict[int, Any] = {}
"""Run contexts by the real identifier of their thread."""

call_hearers: list[Callable[[], object]] = []
"""What is called where a thread makes a call in which a system may give another one the processor.

Empty, unless a run that is explored has threads: so a call of any other run pays one test.
"""


class LoopsAlone:
    """What is said of loops that are made without a world: by another plugin's hook, say.

    Attributes:
        seed: The seed of those that are given none; None for the usual one.
        made: Called with the world of each, and whether its seed is ``seed``.
    """

    seed: int | str | None = None
    made: Callable[[Any, bool], object] | None = None


loops_alone = LoopsAlone()
