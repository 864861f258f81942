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
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simloop._sandbox.contracts import Streams

__all__ = [
    "Keeper",
    "Kept",
    "Start",
    "Values",
    "by_name",
    "give_back",
    "is_in_place",
    "keep",
    "keeper",
    "put",
    "swap",
    "variable",
]

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
    compares: bool
    """Whether ``==`` tells that two states are the same, so that one need not be set again."""

    @property
    def glance(self) -> Any:
        """What tells, as long as it is the same, that the state is; None where only ``get`` does.

        The variable TZ is no part of it: from process to process the environment is exchanged.
        """

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


_Row: TypeAlias = "tuple[str, dict[str, Any], str, Callable[[Start], Any] | None]"


class _Layout:
    """What belongs to a world, of the modules that are loaded."""

    # No named tuple: of one, a name is read by a call.
    __slots__ = ("compares", "getters", "keepers", "read", "rows", "write")

    def __init__(
        self,
        read: Callable[[], tuple[Any, ...]] = tuple,
        write: Callable[[Sequence[Any]], object] = tuple,
        rows: tuple[_Row, ...] = (),
        keepers: tuple[Keeper, ...] = (),
    ) -> None:
        # Returns the values of all variables, and each keeper's ``glance`` behind them.
        self.read: Callable[[], tuple[Any, ...]] = read
        self.write: Callable[[Sequence[Any]], object] = write  # Sets all variables.
        # Key, namespace and name of each variable, and what makes its first value.
        self.rows: tuple[_Row, ...] = rows
        self.keepers: tuple[Keeper, ...] = keepers
        # How each keeper's state is read.
        self.getters: tuple[Callable[[], Any], ...] = tuple(each.get for each in keepers)
        # Whether the states of all can be compared.
        self.compares: bool = all(each.compares for each in keepers)


class Kept:
    """Values of a process whose place another one has taken: made and put back in little time."""

    __slots__ = ("is_plain", "layout", "seen", "states")

    def __init__(self, layout: _Layout, seen: tuple[Any, ...], states: list[Any]) -> None:
        self.layout: _Layout = layout
        self.seen: tuple[Any, ...] = seen
        self.states: list[Any] = states
        self.is_plain: bool = _is_plain(layout, seen)

    @property
    def values(self) -> tuple[Any, ...]:
        """Those of variables."""
        return self.seen[: len(self.layout.rows)]


def _is_plain(layout: _Layout, seen: tuple[Any, ...]) -> bool:
    """Return whether a look at what ``read`` returns tells whether anything has changed."""
    return None not in seen[len(layout.rows) :]


_variables: list[_Variable] = []
_layout = _Layout()
"""As of when so many modules were loaded."""
_modules_seen = 0
_keepers: list[Keeper] = []


def variable(module: str, name: str, first: Callable[[Start], Any] | None = None) -> None:
    """Let a module's global belong to the world, if the module is loaded and has it."""
    global _modules_seen  # noqa: PLW0603 - the state of the process
    _modules_seen = 0
    _variables.append(_Variable(f"{module}.{name}", module, name, first))


def keeper(keeper: Keeper) -> None:
    """Let a piece of state belong to the world."""
    global _modules_seen  # noqa: PLW0603 - the state of the process
    _modules_seen = 0
    _keepers.append(keeper)


def _look() -> _Layout:
    """Look which modules are loaded by now."""
    global _layout, _modules_seen  # noqa: PLW0603 - the state of the process
    if _modules_seen != len(sys.modules):
        _modules_seen = len(sys.modules)
        found = tuple(
            each
            for each in _variables
            if (loaded := sys.modules.get(each.module)) is not None and each.name in loaded.__dict__
        )
        _layout = _Layout(
            _reader_of(found, _keepers),
            _writer_of(found),
            tuple(
                (each.key, sys.modules[each.module].__dict__, each.name, each.first)
                for each in found
            ),
            tuple(_keepers),
        )
    return _layout


def _reader_of(
    variables: Sequence[_Variable], keepers: Sequence[Keeper]
) -> Callable[[], tuple[Any, ...]]:
    """Make a function that reads variables, of their names, and looks at keepers.

    So it reads each as code does in which it is spelt out, which takes a tenth of the time of a
    loop over namespaces and names; this happens at least once with each packet between two hosts.
    """
    names: dict[str, Any] = {
        f"m{at}": sys.modules[each.module] for at, each in enumerate(variables)
    }
    names["__name__"] = __name__  # Whose code it is asked of each frame that is interrupted.
    read = "".join(f"m{at}.{each.name}, " for at, each in enumerate(variables))
    names.update((f"k{at}", each) for at, each in enumerate(keepers))
    glances = "".join(f"k{at}.glance, " for at in range(len(keepers)))
    return eval(f"lambda: ({read}{glances})", names)  # type: ignore[no-any-return]  # noqa: S307 - ours


def _writer_of(variables: Sequence[_Variable]) -> Callable[[Sequence[Any]], object]:
    """Make a function that sets variables, of their names, as fast as they are read."""
    spaces: dict[str, Any] = {
        f"m{at}": sys.modules[each.module].__dict__ for at, each in enumerate(variables)
    }
    spaces["__name__"] = __name__
    targets = "".join(f"m{at}[{each.name!r}], " for at, each in enumerate(variables))
    exec(f"def write(values): ({targets}) = values", spaces)  # noqa: S102 - ours
    return spaces["write"]  # type: ignore[no-any-return]


def keep() -> Kept:
    """Return the values that are in place."""
    layout = _look()
    return Kept(
        layout,
        layout.read(),
        [each.get() for each in layout.keepers],
    )


def by_name(kept: Kept) -> Values:
    """Return such values by name, which are good for other modules, too."""
    layout = kept.layout
    values = {row[0]: value for row, value in zip(layout.rows, kept.values, strict=True)}
    for each, state in zip(layout.keepers, kept.states, strict=True):
        values[each.key] = state
    return values


def put(world: Values, start: Start) -> None:
    """Put the world's values in place, its first ones where it has none."""
    layout = _look()
    if not world:  # It begins, as most that are put in place.
        layout.write([None if row[3] is None else row[3](start) for row in layout.rows])
        for keeper in layout.keepers:
            keeper.begin(start)
        return
    for key, namespace, name, first in layout.rows:
        if key in world:
            namespace[name] = world[key]
        else:
            namespace[name] = None if first is None else first(start)
    for keeper in layout.keepers:
        if keeper.key in world:
            keeper.set(world[keeper.key])
        else:
            keeper.begin(start)


def is_in_place(kept: Kept) -> bool:
    """Return whether values are such as are in place, the variable TZ aside, by a look at all.

    Equal is the same here: they are numbers, names, or things that equal themselves alone.
    """
    layout = kept.layout
    return (
        layout is _layout
        and kept.is_plain
        and _modules_seen == len(sys.modules)
        and layout.read() == kept.seen
    )


def swap(theirs: Kept) -> Kept | None:
    """Put values in place that are of another process; return those that were there.

    None, and nothing has happened, where these are of the time before some module was loaded. That
    is done often, so it looks for what differs and sets only that, and the object that held theirs
    holds what is returned. What is equal stays, as said.
    """
    layout = theirs.layout
    if layout is not _layout or _modules_seen != len(sys.modules):
        return None
    seen = layout.read()
    if seen != theirs.seen:
        layout.write(theirs.values)
    theirs.seen, theirs.is_plain = seen, _is_plain(layout, seen)
    states, held = [get() for get in layout.getters], theirs.states
    if not layout.compares or states != held:
        for at, keeper in enumerate(layout.keepers):
            if not keeper.compares or states[at] != held[at]:
                keeper.set(held[at])
    theirs.states = states
    return theirs


def give_back(world: Values, own: Kept) -> Kept | None:
    """Put the process's own values in place; return the world's, which are for its next run.

    None, and they are in ``world``, where a module was loaded since the process's own were kept:
    what came with it begins anew in the next run.
    """
    layout = own.layout
    if layout is _look():
        kept = keep()
        layout.write(own.values)
        for keeper, state in zip(layout.keepers, own.states, strict=True):
            keeper.set(state)
        return kept
    named = by_name(own)
    for key, namespace, name, _first in _layout.rows:
        world[key] = namespace[name]
        namespace[name] = named.get(key)
    for keeper in _layout.keepers:
        if keeper.key in named:
            world[keeper.key] = keeper.get()
            keeper.set(named[keeper.key])
    return None


for _name in ("_node", "_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7"):
    variable("uuid", _name)
variable("tempfile", "_name_sequence")
# Nanoseconds since Python 3.13, seconds before.
_logs_ns = isinstance(logging._startTime, int)  # type: ignore[attr-defined]
variable("logging", "_startTime", lambda start: start.wall_ns if _logs_ns else start.wall_ns / 1e9)
