"""A deterministic simulated event loop: unmodified asyncio programs in virtual time.

Start with :func:`run`, which is ``asyncio.run`` in a world of its own: an hour of sleeping costs
microseconds, sockets live in memory, and the same seed gives the same run.

PYTEST_DONT_REWRITE: where the command loads this package before pytest, that would warn of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from . import _only_copy
from ._version import __version__

if TYPE_CHECKING:
    from ._loop import SimLoop
    from ._process import Process
    from ._sandbox import allow, hash_by_number
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
    from .exploration import (
        Delays,
        Deviation,
        Failure,
        Found,
        Lost,
        Schedule,
        Strategy,
        explore,
        replay,
    )
    from .exploration.histories import (
        Call,
        Counter,
        History,
        KeyValue,
        ListAppend,
        Model,
        Mutex,
        Operation,
        Queue,
        Register,
        Set,
        Verdict,
    )
    from .exploration.properties.program_choices import buggify, choose, cut_short
    from .exploration.properties.stating import (
        always,
        eventually,
        reachable,
        sometimes,
        unreachable,
    )
    from .exploration.sweeping.seed_sweep import sweep
    from .exploration.sweeping.swept import SeedFailure, Swept
    from .net.wire import latency
    from .net.wire.rules import Deliver, Drop, Duplicate
    from .world import World, check, current_loop, current_world, run, simulate
    from .world.faults import Faults, Often
    from .world.outcome import Outcome

__all__ = [
    "Call",
    "Counter",
    "DeadlockError",
    "Delays",
    "Deliver",
    "Deviation",
    "Drop",
    "Duplicate",
    "EscapeError",
    "Failure",
    "Faults",
    "Found",
    "History",
    "KeyValue",
    "LimitError",
    "ListAppend",
    "Lost",
    "Model",
    "Mutex",
    "NondeterminismError",
    "Often",
    "Operation",
    "Outcome",
    "Process",
    "PropertyError",
    "Queue",
    "Register",
    "Schedule",
    "SeedFailure",
    "Set",
    "SimError",
    "SimLoop",
    "Strategy",
    "Swept",
    "UnsupportedError",
    "UsageError",
    "Verdict",
    "World",
    "__version__",
    "allow",
    "always",
    "buggify",
    "check",
    "choose",
    "current_loop",
    "current_world",
    "cut_short",
    "eventually",
    "explore",
    "hash_by_number",
    "latency",
    "reachable",
    "replay",
    "run",
    "simulate",
    "sometimes",
    "sweep",
    "unreachable",
]


# Where each name lives. Importing simloop costs nothing until one of them is asked for, so that
# a pytest plugin, or a program that may or may not be simulated, can afford it.
_HOMES = {
    "Delays": "simloop.exploration",
    "Deliver": "simloop.net.wire.rules",
    "Deviation": "simloop.exploration",
    "Drop": "simloop.net.wire.rules",
    "Duplicate": "simloop.net.wire.rules",
    "Failure": "simloop.exploration",
    "Faults": "simloop.world.faults",
    "Found": "simloop.exploration",
    "Lost": "simloop.exploration",
    "Often": "simloop.world.faults",
    "Outcome": "simloop.world.outcome",
    "Process": "simloop._process",
    "Schedule": "simloop.exploration",
    "SeedFailure": "simloop.exploration.sweeping.swept",
    "SimLoop": "simloop._loop",
    "Strategy": "simloop.exploration",
    "Swept": "simloop.exploration.sweeping.swept",
    "World": "simloop.world",
    "allow": "simloop._sandbox",
    "always": "simloop.exploration.properties.stating",
    "buggify": "simloop.exploration.properties.program_choices",
    "check": "simloop.world",
    "choose": "simloop.exploration.properties.program_choices",
    "current_loop": "simloop.world",
    "current_world": "simloop.world",
    "cut_short": "simloop.exploration.properties.program_choices",
    "eventually": "simloop.exploration.properties.stating",
    "explore": "simloop.exploration",
    "hash_by_number": "simloop._sandbox",
    "latency": "simloop.net.wire",
    "reachable": "simloop.exploration.properties.stating",
    "replay": "simloop.exploration",
    "run": "simloop.world",
    "simulate": "simloop.world",
    "sometimes": "simloop.exploration.properties.stating",
    "sweep": "simloop.exploration.sweeping.seed_sweep",
    "unreachable": "simloop.exploration.properties.stating",
} | dict.fromkeys(
    (
        "Call",
        "Counter",
        "History",
        "KeyValue",
        "ListAppend",
        "Model",
        "Mutex",
        "Operation",
        "Queue",
        "Register",
        "Set",
        "Verdict",
    ),
    "simloop.exploration.histories",
)

# What a program may have in production loads no engine where there is no run.
_WITHOUT_ENGINE = (
    "simloop.errors",
    "simloop.exploration.histories",
    "simloop.exploration.properties",
)


_only_copy.bring_back()  # If this is a second copy, the first one is what is imported.


if not TYPE_CHECKING:  # Or a checker takes any name, with any slip in it, for one of ours.

    def __getattr__(name: str) -> object:
        """Import the engine when a name of it is first asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _HOMES.get(name, "simloop.errors")
        if not home.startswith(_WITHOUT_ENGINE):
            from ._first_load import load_engine  # noqa: PLC0415 - the point of this function

            load_engine()  # The world, which tells loops how it is made, comes first.
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(dict.fromkeys([*globals(), *__all__]))
