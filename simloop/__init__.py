"""A deterministic simulated event loop: unmodified asyncio programs in virtual time.

Start with :func:`run`, which is ``asyncio.run`` in a world of its own: an hour of sleeping costs
microseconds, sockets live in memory, and the same seed gives the same run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from ._loop import SimLoop
    from ._sandbox import allow, hash_by_number
    from .errors import (
        DeadlockError,
        EscapeError,
        LimitError,
        NondeterminismError,
        SimError,
        UnsupportedError,
        UsageError,
    )
    from .exploration import (
        Delays,
        Deviation,
        Failure,
        Found,
        Schedule,
        Strategy,
        explore,
        replay,
    )
    from .world import World, check, run, simulate
    from .world.outcome import Outcome

__all__ = [
    "DeadlockError",
    "Delays",
    "Deviation",
    "EscapeError",
    "Failure",
    "Found",
    "LimitError",
    "NondeterminismError",
    "Outcome",
    "Schedule",
    "SimError",
    "SimLoop",
    "Strategy",
    "UnsupportedError",
    "UsageError",
    "World",
    "__version__",
    "allow",
    "check",
    "explore",
    "hash_by_number",
    "replay",
    "run",
    "simulate",
]


# Where each name lives. Importing simloop costs nothing until one of them is asked for, so that
# a pytest plugin, or a program that may or may not be simulated, can afford it.
_HOMES = {
    "Delays": "simloop.exploration",
    "Deviation": "simloop.exploration",
    "Failure": "simloop.exploration",
    "Found": "simloop.exploration",
    "Outcome": "simloop.world.outcome",
    "Schedule": "simloop.exploration",
    "SimLoop": "simloop._loop",
    "Strategy": "simloop.exploration",
    "World": "simloop.world",
    "allow": "simloop._sandbox",
    "check": "simloop.world",
    "explore": "simloop.exploration",
    "hash_by_number": "simloop._sandbox",
    "replay": "simloop.exploration",
    "run": "simloop.world",
    "simulate": "simloop.world",
}


def __getattr__(name: str) -> Any:
    """Import the engine when a name of it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module("simloop.world")  # It tells loops how a world is made.
    value = getattr(import_module(_HOMES.get(name, "simloop.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(dict.fromkeys([*globals(), *__all__]))
