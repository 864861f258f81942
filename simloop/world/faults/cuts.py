"""Faults that cut: partitions of all shapes, and resets.

Owns: which ways are cut. What a test itself has said of the wire stays: a cut is said of a scope of
its own, and taken back, so that what was said before counts again.

Must not know: when they strike.

Invariant: there is one partition at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simloop.net.wire.conditions import Scope
    from simloop.world.hosts.sim_host import SimHost

    from .act import Act

__all__ = ["partition", "reset"]

_FLAPS = 3


def _names(hosts: Sequence[SimHost]) -> str:
    return ", ".join(host.name for host in hosts)


def partition(act: Act) -> None:
    """Cut ways between hosts, the driver among them; join them again."""
    if any(sort == "partition" for sort, _ in act.campaign.active):
        return
    shape = act.pick((_isolate, _mute, _deafen, _flap, _halve, _bridge))
    shape(act)


def _cut(act: Act, scopes: Sequence[Scope], what: str, hosts: Sequence[SimHost] = ()) -> Any:
    """Cut the ways of some scopes, as a fault; return the wire."""
    wire = act.world.network.lay_wire()

    def undo() -> str:
        for scope in scopes:
            wire.withdraw(scope)
        return "the partition is healed"

    act.begin(what, undo, sort="partition", hosts=[host.name for host in hosts])
    for scope in scopes:
        wire.say(wire.cuts, scope, 0)
    return wire


def _isolate(act: Act) -> None:
    _cut(act, [act.scope([act.host])], f"{act.name} is cut off from all others")


def _mute(act: Act) -> None:
    scope = act.scope([act.host], act.others(), one_way=True)
    _cut(act, [scope], f"nothing that {act.name} sends arrives")


def _deafen(act: Act) -> None:
    scope = act.scope(act.others(), [act.host], one_way=True)
    _cut(act, [scope], f"nothing that is sent to {act.name} arrives")


def _flap(act: Act) -> None:
    scope = act.scope([act.host])
    wire = _cut(act, [scope], f"{act.name} is cut off from all others, and joined, by turns")
    part_ns = act.length_ns // (2 * _FLAPS)
    for flap in range(1, _FLAPS):
        act.later((2 * flap - 1) * part_ns, wire.withdraw, scope)
        act.later(2 * flap * part_ns, wire.say, wire.cuts, scope, 0)
    act.later((2 * _FLAPS - 1) * part_ns, wire.withdraw, scope)


def _halve(act: Act) -> None:
    side = [act.host, *(each for each in act.others()[:-1] if act.is_in(each.name))]
    _cut(act, [act.scope(side)], f"{_names(side)} are cut off from all others", side)


def _bridge(act: Act) -> None:
    """Let the host that was drawn be the only one that reaches both halves."""
    others = act.others()
    one = [each for each in others if act.is_in(each.name)]
    two = [each for each in others if each not in one]
    if not one or not two:
        _isolate(act)
        return
    what = f"{_names(one)} and {_names(two)} reach {act.name}, and not each other"
    _cut(act, [act.scope(one, two)], what, [act.host, *others])


def reset(act: Act) -> None:
    """Reset all TCP connections of a host with others."""
    act.begin(f"all connections of {act.name} are reset", sort="reset")
    act.world.network.reset(act.host, act.others())
