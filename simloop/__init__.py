"""A deterministic simulated event loop: unmodified asyncio programs in virtual time.

Start with :func:`run`, which is ``asyncio.run`` in a world of its own: an hour of sleeping costs
microseconds, sockets live in memory, and the same seed gives the same run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._ambient import allow
from ._loop import SimLoop
from ._version import __version__
from .errors import (
    DeadlockError,
    EscapeError,
    LimitError,
    NondeterminismError,
    SimError,
    UnsupportedError,
    UsageError,
)
from .world import World, check, run, simulate

if TYPE_CHECKING:
    from .world.outcome import Outcome

__all__ = [
    "DeadlockError",
    "EscapeError",
    "LimitError",
    "NondeterminismError",
    "Outcome",
    "SimError",
    "SimLoop",
    "UnsupportedError",
    "UsageError",
    "World",
    "__version__",
    "allow",
    "check",
    "run",
    "simulate",
]


def __getattr__(name: str) -> Any:
    """Import what not every program needs when it is first asked for."""
    if name == "Outcome":
        from .world.outcome import Outcome  # noqa: PLC0415 - the point of this function

        return Outcome
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
