"""Variables of libraries that belong to a world while its run is on.

Owns: the list of module globals whose value is part of what a program sees (the source of
temporary names, the last time that ``uuid1`` used, the start of logging's clock), and carrying
them from the process to the world and back. What is no plain global has a :class:`Keeper`.

Must not know: what the values mean.

Invariants: after a run the process has its own values again; a world finds its values again at
its next run. A module that is loaded during the run starts from its own first values then, and
from ``None`` again outside, as in a new process.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._sandbox.contracts import Streams

__all__ = ["Keeper", "Start", "Values", "exchange", "give_back", "keeper", "variable"]

Values = dict[str, Any]
"""Values of variables by qualified name."""


class Start(NamedTuple):
    """What a world's first values are made from."""

    streams: Streams
    wall_ns: int
    zone: str


class Keeper(Protocol):
    """A piece of state that is exchanged by calls."""

    key: str

    def get(self) -> Any:
        """Return the state."""

    def set(self, value: Any, /) -> None:
        """Put a state in place."""

    def begin(self, start: Start, /) -> None:
        """Put a new world's first state in place."""


class _Variable(NamedTuple):
    key: str
    module: str
    name: str
    first: Callable[[Start], Any] | None
    """Makes a world's first value; without it that is ``None``."""


_variables: list[_Variable] = []
_loaded: list[tuple[str, dict[str, Any], str, Callable[[Start], Any] | None]] = []
"""Those whose modules are loaded, as of when so many were."""
_modules_seen = 0
_keepers: list[Keeper] = []


def variable(module: str, name: str, first: Callable[[Start], Any] | None = None) -> None:
    """Let a module's global belong to the world, if the module is loaded and has it."""
    global _modules_seen  # noqa: PLW0603 - the state of the process
    _modules_seen = 0
    _variables.append(_Variable(f"{module}.{name}", module, name, first))


def keeper(keeper: Keeper) -> None:
    """Let a piece of state belong to the world."""
    _keepers.append(keeper)


def _look() -> None:
    """Look which modules are loaded by now."""
    global _modules_seen  # noqa: PLW0603 - the state of the process
    _modules_seen = len(sys.modules)
    _loaded[:] = [
        (variable.key, loaded.__dict__, variable.name, variable.first)
        for variable in _variables
        if (loaded := sys.modules.get(variable.module)) is not None
        and variable.name in loaded.__dict__
    ]


def exchange(world: Values, start: Start) -> Values:
    """Put the world's values in place; returns the process's own."""
    if _modules_seen != len(sys.modules):
        _look()
    own: Values = {}
    for key, namespace, name, first in _loaded:
        own[key] = namespace[name]
        if key in world:
            namespace[name] = world[key]
        else:
            namespace[name] = None if first is None else first(start)
    for each in _keepers:
        own[each.key] = each.get()
        if each.key in world:
            each.set(world[each.key])
        else:
            each.begin(start)
    return own


def give_back(world: Values, own: Values) -> None:
    """Keep the world's values for its next run and put the process's own in place."""
    if _modules_seen != len(sys.modules):
        _look()
    for key, namespace, name, _first in _loaded:
        world[key] = namespace[name]
        namespace[name] = own.get(key)
    for each in _keepers:
        if each.key in own:
            world[each.key] = each.get()
            each.set(own[each.key])


for _name in ("_node", "_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7"):
    variable("uuid", _name)
variable("tempfile", "_name_sequence")
# Nanoseconds since Python 3.13, seconds before.
_logs_ns = isinstance(logging._startTime, int)  # type: ignore[attr-defined]
variable("logging", "_startTime", lambda start: start.wall_ns if _logs_ns else start.wall_ns / 1e9)
