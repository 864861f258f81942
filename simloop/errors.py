"""The errors of simloop, told apart by whose fault they are.

Owns: one abstract base and one leaf per kind of blame. A message says what, the value, and the way
out. Network faults are not here: the program under simulation sees the ``OSError`` and the errno
that Linux gives it.
"""

from __future__ import annotations

__all__ = [
    "DeadlockError",
    "EscapeError",
    "LimitError",
    "NondeterminismError",
    "SimError",
    "UnsupportedError",
    "UsageError",
]


class SimError(Exception):
    """The base of every error that simloop itself raises."""


class UsageError(SimError, RuntimeError):
    """You called simloop in a way that has no meaning; nothing was changed."""


class UnsupportedError(SimError, NotImplementedError):
    """You asked for a part of asyncio or of the system that simloop refuses.

    The message names the thing, the reason and the way out. It is a ``NotImplementedError`` too,
    which is what programs that can do without the feature already expect from a loop.
    """


class DeadlockError(SimError, RuntimeError):
    """Nothing is ready and no deadline is left: the program can never go on.

    The message lists each pending task, what it waits for, and where.
    """


class LimitError(SimError, RuntimeError):
    """The run passed a limit: of steps, of virtual time, or of steps at one instant."""


class EscapeError(SimError, RuntimeError):
    """The program reached for the real world (a socket, a process, a name) from inside a run."""


class NondeterminismError(SimError, AssertionError):
    """Two runs of one seed differed; the message names the first step that did."""
