"""Variables of the standard library that belong to a world while its run is on.

Owns: the list of module globals whose value is part of what a program sees (the source of
temporary names, the last time that ``uuid1`` used, the start of logging's clock), and carrying
them from the process to the world and back.

Must not know: what the values mean.

Invariants: after a run the process has its own values again, also of modules that were loaded
during the run; a world finds its values again at its next run.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Values", "exchange", "give_back", "variable"]

Values = dict[str, Any]
"""Values of variables by qualified name."""


class _Variable(NamedTuple):
    key: str
    module: str
    name: str
    start: Callable[[int], Any] | None
    """Makes a world's first value from its start in POSIX nanoseconds; ``None`` makes ``None``."""


_variables: list[_Variable] = []


def variable(module: str, name: str, start: Callable[[int], Any] | None = None) -> None:
    """Let a module's global belong to the world, whenever the module is loaded."""
    _variables.append(_Variable(f"{module}.{name}", module, name, start))


def exchange(world: Values, start_ns: int) -> Values:
    """Put the world's values in place; returns the process's own."""
    own: Values = {}
    for key, module, name, start in _variables:
        loaded = sys.modules.get(module)
        if loaded is None or name not in loaded.__dict__:
            continue
        own[key] = loaded.__dict__[name]
        if key in world:
            loaded.__dict__[name] = world[key]
        else:
            loaded.__dict__[name] = None if start is None else start(start_ns)
    return own


def give_back(world: Values, own: Values) -> None:
    """Keep the world's values for its next run and put the process's own in place.

    What was loaded during the run starts afresh, from ``None``, as a new process would.
    """
    for key, module, name, start in _variables:
        loaded = sys.modules.get(module)
        if loaded is None or name not in loaded.__dict__:
            continue
        if key in own:
            world[key] = loaded.__dict__[name]
            loaded.__dict__[name] = own[key]
        elif start is None:
            world[key] = loaded.__dict__[name]
            loaded.__dict__[name] = None
