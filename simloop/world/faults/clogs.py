"""Faults of a way that still stands: held, slow, lossy or narrow, and the swizzle.

Owns: what is wrong with the ways of a host. As a cut, it is said of a scope of its own, and taken
back.

Must not know: when they strike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds
from simloop.net.wire.conditions import checked

if TYPE_CHECKING:
    from .act import Act

__all__ = ["clog"]

_SORT = "clog"

_CONDITIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("takes up to a second", {"latency": (0.1, 1.0)}),
    ("is lost at times", {"loss": 0.3}),
    ("is lost mostly", {"loss": 0.8}),
    ("goes at 10 kB a second", {"bandwidth": 10_000}),
    ("comes twice or in another order at times", {"duplicate": 0.2, "reorder": 0.2}),
)
"""What befalls the packets of a host, in words and as ``net.configure`` takes it."""

_STEP_NS = nanoseconds(0.2)


def clog(act: Act) -> None:
    """Let the ways of a host be in trouble; clear them."""
    shape = act.pick((None, *_CONDITIONS, "swizzle"))
    if shape is None:
        _hold(act)
    elif shape == "swizzle":
        _swizzle(act)
    else:
        _configure(act, *shape)


def _hold(act: Act) -> None:
    wire = act.world.network.lay_wire()
    scope = act.scope([act.host])

    def undo() -> str:
        wire.withdraw(scope)
        return f"what was held of {act.name} arrives"

    act.begin(f"what {act.name} sends and is sent is held", undo, sort=_SORT)
    wire.say(wire.holds, scope, 0)


def _configure(act: Act, words: str, settings: dict[str, Any]) -> None:
    wire = act.world.network.lay_wire()
    scope = act.scope([act.host])

    def undo() -> str:
        wire.withdraw(scope)
        return f"the ways of {act.name} are right again"

    act.begin(f"what {act.name} sends and is sent {words}", undo, sort=_SORT)
    wire.configure(scope, checked(settings))


def _swizzle(act: Act) -> None:
    """Hold the ways of several hosts one after another, and release them in another order.

    FoundationDB's engineers found that this finds what nothing else does (their page on testing).
    The order here: the last held is the first released, by each second host.
    """
    wire = act.world.network.lay_wire()
    hosts = [act.host, *(each for each in act.others()[:-1] if act.is_in(each.name))]
    scopes = [act.scope([host]) for host in hosts]
    turned = [*scopes[1::2], *scopes[::2][::-1]]
    step_ns = min(_STEP_NS, act.length_ns // (2 * len(scopes)))

    def undo() -> str:
        for scope in scopes:
            wire.withdraw(scope)
        return "all that was held arrives"

    names = ", ".join(host.name for host in hosts)
    what = f"what {names} send and are sent is held, one after another"
    act.begin(what, undo, sort=_SORT, hosts=[host.name for host in hosts])
    for number, scope in enumerate(scopes):
        act.later(number * step_ns, wire.say, wire.holds, scope, 0)
    for number, scope in enumerate(turned):
        act.later(act.length_ns - (len(turned) - number) * step_ns, wire.withdraw, scope)
