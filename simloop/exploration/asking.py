"""Asking the gate from inside a program: choices that the program, or a test of it, makes itself.

Owns: finding the kernel of the code that asks. Must not know what is chosen.

Invariant: outside of a run, and in one that nobody explores, the answer is 0.
"""

from __future__ import annotations

from typing import Any

from simloop._process import Process
from simloop._sandbox import current

__all__ = ["ask"]


def ask(kind: str, name: str, options: int) -> int:
    """Return which of ``options`` is taken here; 0 is what happens undisturbed.

    Args:
        kind: What sort of choice it is: "choice", "buggify" or "cut". Each may be replayed and
            shrunk by itself.
        name: What it is about, the same in every run. How often a name was asked for is counted.
        options: How many there are; with fewer than two nothing is asked.

    Example:
        >>> ask("choice", "outside of a run", 3)
        0
    """
    context = current()
    identity = None if context is None else context.identity
    if not isinstance(identity, Process):
        return 0
    world: Any = identity.world  # Of which a process knows less.
    picked: int = world.kernel.choose(kind, name, options)
    return picked
