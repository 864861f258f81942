"""Run contexts: what a thread inside a run is given, and which thread has which.

Owns: the table from thread to its context, the one book of who runs now. Every redirected function
looks here first and leaves foreign threads alone. A context is the view that a process of a world
has of the system: its clock, entropy, sockets, signals and identity.

Must not know: how a run is entered.

Invariants: a thread is in the table exactly while it is inside a run. ``get_ident`` here is the
real one, also while runs are on.
"""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING

from simloop import _presence

from .patching.c_functions import clone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .contracts import Clock, Identity, Signals, Sockets, Threads
    from .entropy.entropy import Entropy
    from .files.file_times import FileTimes
    from .time.clock_polls import ClockPolls
    from .time.cpu_time import CpuTime

__all__ = ["RunContext", "by_thread", "current", "get_ident"]

get_ident: Callable[[], int] = clone(_thread.get_ident)
"""The real identifier of the calling thread, by which the table goes."""


class RunContext:
    """What a thread inside a run is given."""

    __slots__ = (
        "allowed",
        "become_loop",
        "clock",
        "cpu",
        "entropy",
        "files",
        "identity",
        "idle_polls",
        "next_number",
        "numbers",
        "polls",
        "reads",
        "signals",
        "sockets",
        "start_ns",
        "strict",
        "threads",
    )

    blocks_loop = True
    """Whether this is the thread that runs the loop: what waits on it can wait for nothing."""
    process: RunContext | None = None
    """Of a further thread, the context of the first one of its process."""

    clock: Clock
    cpu: CpuTime | None
    """What it has computed, once something asked or was counted."""
    start_ns: int
    """The wall clock, in POSIX nanoseconds, when ``clock`` is at 0."""
    entropy: Entropy
    files: FileTimes
    """When the files that the world's runs wrote were written."""
    sockets: Sockets | None
    signals: Signals | None
    """What it does on signals, where that is not asked of ``identity``."""
    threads: Threads | None
    identity: Identity | None
    become_loop: Callable[[Any], None] | None
    allowed: tuple[str, ...]
    strict: bool
    idle_polls: tuple[int, int]
    """When, in nanoseconds, and how often by then, the thread asked in vain what is ready."""
    next_number: Callable[[], int]
    """Gives the hash of the next object of the run that hashes by number."""
    polls: ClockPolls | None
    """What the thread's reads of clocks have come to."""
    reads: Iterator[None]
    """Gives as many items as reads may come until that is looked at."""
    numbers: dict[int, int]
    """Which thread of the run it is, by real identifier; the one that runs the loops is 0."""


by_thread: dict[int, RunContext] = _presence.by_thread


def current() -> RunContext | None:
    """Return the context of the calling thread, or None outside of runs."""
    return by_thread.get(get_ident())
