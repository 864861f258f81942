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
    from ._sandbox import allow
    from .errors import (
        DeadlockError,
        EscapeError,
        LimitError,
        NondeterminismError,
        PropertyError,
        SimError,
        UnsupportedError,
        UsageError,
    )
    from .exploration.histories import (
        Counter,
        History,
        KeyValue,
        ListAppend,
        Model,
        Mutex,
        Queue,
        Register,
        Set,
        Verdict,
    )
    from .world import World, check, run, simulate
    from .world.outcome import Outcome

__all__ = [
    "Counter",
    "DeadlockError",
    "EscapeError",
    "History",
    "KeyValue",
    "LimitError",
    "ListAppend",
    "Model",
    "Mutex",
    "NondeterminismError",
    "Outcome",
    "PropertyError",
    "Queue",
    "Register",
    "Set",
    "SimError",
    "SimLoop",
    "UnsupportedError",
    "UsageError",
    "Verdict",
    "World",
    "__version__",
    "allow",
    "check",
    "run",
    "simulate",
]


# Where each name lives. Importing simloop costs nothing until one of them is asked for, so that
# a pytest plugin, or a program that may or may not be simulated, can afford it.
_HOMES = {
    "Outcome": "simloop.world.outcome",
    "SimLoop": "simloop._loop",
    "World": "simloop.world",
    "allow": "simloop._sandbox",
    "check": "simloop.world",
    "run": "simloop.world",
    "simulate": "simloop.world",
} | dict.fromkeys(
    (
        "Counter",
        "History",
        "KeyValue",
        "ListAppend",
        "Model",
        "Mutex",
        "Queue",
        "Register",
        "Set",
        "Verdict",
    ),
    "simloop.exploration.histories",
)

# What a program may have in production loads no engine where there is no run.
_WITHOUT_ENGINE = ("simloop.errors", "simloop.exploration")


def __getattr__(name: str) -> Any:
    """Import the engine when a name of it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "simloop.errors")
    if not home.startswith(_WITHOUT_ENGINE):
        import_module("simloop.world")  # It tells loops how a world is made.
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(dict.fromkeys([*globals(), *__all__]))
