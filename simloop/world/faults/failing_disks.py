"""Faults of a host's disk: calls that fail, are slow, or find no room.

Owns: what is wrong with a disk for a while, and setting it right.

Must not know: when they strike, and what a power cut takes: that is drawn at each crash anyway.

Invariants: what a test itself has set of a disk is there again afterwards; no fault leaves anything
on the disk that its programs did not write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .act import Act

__all__ = ["disk"]

_TROUBLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("fails to sync at times", {"sync_error": 0.3}),
    ("fails to write at times", {"write_error": 0.3}),
    ("fails to read at times", {"read_error": 0.3}),
    ("takes up to half a second for a call", {"latency": (0.05, 0.5)}),
)
"""In words, and as ``disk.configure`` takes it. Without flipped bits, for they would stay."""


def disk(act: Act) -> None:
    """Let a host's disk fail, be slow or be full; let it work."""
    host = act.host
    if not host.table.has_disk(host):
        return  # Its files are the real ones.
    own: Any = host.disk
    words, wrong = act.pick((*_TROUBLES, ("is full", {"capacity": own.used})))
    before = own.settings

    def undo() -> str:
        still = [name for name, value in wrong.items() if getattr(own.settings, name) == value]
        own.configure(**{name: getattr(before, name) for name in still})
        return f"the disk of {act.name} works again"

    act.begin(f"the disk of {act.name} {words}", undo, sort="disk")
    own.configure(**wrong)
