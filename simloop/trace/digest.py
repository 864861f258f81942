"""The digest: one hash over everything that a run did.

Owns: what goes into it, in which order. Each step adds its virtual time and its label, each write
to a socket its endpoints and its bytes, the end its outcome. Runs with equal digests did the same
things at the same times in the same order.

Must not know: who asks. It is an observer of the kernel and a tap of the network, and a run without
it has neither.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from .labels import canonical, label

if TYPE_CHECKING:
    from simloop._kernel import Handle, TimerHandle

__all__ = ["Digest"]

_BATCH = 512
"""Records joined before they are hashed: one call of the hash costs as much as a record."""


class Digest:
    """A hash that grows with each step.

    Example:
        >>> digest = Digest()
        >>> digest.note("hello")
        >>> digest.hexdigest() == digest.hexdigest()
        True
    """

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._pending: list[str] = []

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Add a step."""
        self.note(f"{now_ns} {label(handle)}")

    def sent(self, kind: str, source: object, destination: object, data: bytes) -> None:
        """Add bytes that crossed a socket."""
        self.note(f"{kind} {source} {destination} {len(data)}")
        self._flush()
        self._hash.update(data)

    def ended(self, value: object, error: BaseException | None) -> None:
        """Add how the run ended."""
        self.note(f"value {canonical(value)}" if error is None else f"error {canonical(error)}")

    def note(self, record: str) -> None:
        """Add a line of text."""
        self._pending.append(record)
        if len(self._pending) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._hash.update("\n".join(self._pending).encode(errors="surrogatepass"))
            self._hash.update(b"\n")
            self._pending.clear()

    def hexdigest(self) -> str:
        """Return the hash of everything so far, as 32 hexadecimal digits."""
        self._flush()
        return self._hash.hexdigest()
