"""Which thread of a world runs: one at a time, in an order that the seed decides.

The threads that a program starts are real ones that take turns (:mod:`.thread_scheduler`,
:mod:`.sim_thread`, :mod:`.thread_pool`); what works for real beside them is in
:mod:`.real_threads`.

Must not know: processes, and the code that touches the real world. What is needed of the latter
comes by argument.
"""

from __future__ import annotations

from .blocking_calls import let_threads_block
from .thread_scheduler import ThreadScheduler

__all__ = ["ThreadScheduler", "let_threads_block"]
