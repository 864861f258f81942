"""Faults of what a host is told: its clock, and the names of others.

Owns: what is wrong with them, and setting it right to the nanosecond.

Must not know: when they strike.

Invariant: what a test itself has set of a clock or a name is there again afterwards.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from simloop._kernel import NS_PER_SECOND

if TYPE_CHECKING:
    from .act import Act

__all__ = ["clock", "names"]

_CLOCKS = (
    ("jumps ahead by 1 s", 1, 0.0),
    ("jumps back by 1 s", -1, 0.0),
    ("runs fast by 1 %", 0, 0.01),
    ("runs slow by 1 %", 0, -0.01),
    ("jumps ahead by an hour", 3600, 0.0),
    ("jumps back by an hour", -3600, 0.0),
    ("runs fast by a half", 0, 0.5),
    ("runs slow by a third", 0, -1 / 3),
)
"""In words, by how many seconds a wall clock jumps, and the rate error of all clocks."""

_LATE_S = 5.0
"""What a resolver waits before it asks again (resolv.conf(5): timeout)."""


def clock(act: Act) -> None:
    """Let a host's clocks be wrong; set them right."""
    own = act.host.clock
    words, jump_s, drift = act.pick(_CLOCKS)
    kernel = act.campaign.kernel
    jump_ns, began_ns, showed_ns = jump_s * NS_PER_SECOND, kernel.now_ns, own.monotonic_ns
    rate = own.drift

    def undo() -> str:
        ahead_ns = jump_ns
        if drift:
            own.drift = rate
            passed_ns = kernel.now_ns - began_ns
            ahead_ns += own.monotonic_ns - showed_ns - passed_ns - int(passed_ns * rate)
        own.step_ns(-ahead_ns)
        return f"the clock of {act.name} is right again"

    act.begin(f"the clock of {act.name} {words}", undo, sort="clock")
    if drift:
        own.drift = (1 + rate) * (1 + drift) - 1
    own.step_ns(jump_ns)


def names(act: Act) -> None:
    """Let the names of a host fail, be late, or lead astray."""
    table = act.world.names
    known = table.names_of(act.host.addresses)
    if not known:
        return
    astray = act.others()[0]
    words, wrong = act.pick(
        (
            ("are not answered for now", {"code": int(socket.EAI_AGAIN)}),
            ("are unknown", {"code": int(socket.EAI_NONAME)}),
            (f"are answered {_LATE_S:g} s late", {"seconds": _LATE_S}),
            (f"lead to {astray.name}", {"addresses": astray.addresses}),
        )
    )

    def undo() -> str:
        for name in known:
            table.calm(name)
        return f"the names of {act.name} are right again"

    act.begin(f"the names of {act.name} {words}", undo, sort="names")
    for name in known:
        table.disturb(name, **wrong)
