"""The digest: one hash over everything that a run did.

Owns: what goes into it, in which order. Each step adds its virtual time, its label and the line at
which its task's own coroutine stands; each timer its deadline; each write to a socket its
endpoints and its bytes; what else the run does to the outside (output, files, processes, signals)
what it is; the end its outcome. Runs with equal digests did the same things at the same times in
the same order.

Must not know: who asks. It is an observer of the kernel and a tap of the network, and a run without
it has neither.
"""

from __future__ import annotations

from asyncio import Task
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from hashlib import blake2b
from types import CoroutineType, FunctionType
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import without_addresses

from .labels import label, position_of
from .plain_text import bytes_without_addresses, canonical

if TYPE_CHECKING:
    from simloop._kernel import Handle, TimerHandle

__all__ = ["Digest"]

_attribute_of = object.__getattribute__
"""What an object simply has, without a question to its class."""

_SLEPT = "asyncio.futures._set_result_unless_cancelled"
_BATCH = 512
"""Records joined before they are hashed: one call of the hash costs as much as a record."""

_FLOWS_MAX = 1024
"""Flows of bytes whose names are kept: naming one takes as long as all the rest of a record."""


_PLACES_MAX = 4096
"""Places at which tasks stood whose lines are kept."""


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
        self._flows: dict[tuple[str, object, object], str] = {}
        # By name and instruction, because to find a line takes as long as the rest of a record,
        # twice. Not by code: each look at ``cr_code`` is an audit event, which costs as much again,
        # and two functions of one name that stand at one instruction are told apart by their steps.
        self._places: dict[tuple[str, int], str] = {}
        self._now_ns = -1
        self._now = ""

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Add a step."""
        if now_ns != self._now_ns:
            self._now_ns = now_ns
            self._now = str(now_ns)  # Slow, and many steps share it.
        # A run with a digest is to cost little more than one without. So what most steps are is
        # named here, as a label names it: the end of a sleep, a function, a task of the loop.
        callback = handle._callback
        if callback is _set_result_unless_cancelled:
            record = f"{self._now} {_SLEPT}"
        elif type(callback) is FunctionType and callback.__module__:
            record = f"{self._now} {callback.__module__}.{callback.__qualname__}"
        else:
            try:
                task: Any = _attribute_of(callback, "__self__")
                is_ours = type(task) is Task and task._simloop_made  # type: ignore[attr-defined]
                coro = task.get_coro() if is_ours else None
            except BaseException:  # noqa: BLE001 - __getattr__ of the program's own may raise anything
                coro = None
            if (
                type(coro) is CoroutineType
                and "0x" not in (name := task.get_name())
                and (frame := coro.cr_frame) is not None
            ):
                qualname = coro.__qualname__
                key = qualname, frame.f_lasti
                place = self._places.get(key)
                if place is None:
                    if len(self._places) >= _PLACES_MAX:
                        self._places.clear()
                    place = self._places[key] = f"{qualname} {frame.f_lineno}"
                record = f"{self._now} {name}: {place}"
            elif line := position_of(handle):
                record = f"{self._now} {label(handle)} {line}"
            else:
                record = f"{self._now} {label(handle)}"
        pending = self._pending
        pending.append(record)
        if len(pending) >= _BATCH:
            self._flush()

    def sent(self, kind: str, source: object, destination: object, data: bytes) -> None:
        """Add bytes that crossed a socket."""
        flow = self._flows.get((kind, source, destination))
        if flow is None:
            if len(self._flows) >= _FLOWS_MAX:
                self._flows.clear()
            flow = self._flows[kind, source, destination] = f"{kind} {source} {destination}"
        self._pending.append(f"{flow} {len(data)}\n")
        self._hash.update("\n".join(self._pending).encode(errors="surrogatepass"))
        self._hash.update(data)
        self._pending.clear()

    def timed(self, when_ns: int) -> None:
        """Add a timer that was set, by its deadline; most never come, as timeouts do not."""
        self._pending.append(f"timer {when_ns}")

    def happened(self, what: str, data: str | bytes) -> None:
        """Add what the run did to the outside.

        Args:
            what: What was done, and to what: ``stdout``, ``file notes.txt``, ``signal``.
            data: What was written, or more on what was done.
        """
        if isinstance(data, str):
            text = without_addresses(data)
            self.note(f"{what} {len(text)}\n{text}")
            return
        data = bytes_without_addresses(data)
        self._pending.append(f"{what} {len(data)} bytes\n")
        self._hash.update("\n".join(self._pending).encode(errors="surrogatepass"))
        self._hash.update(data)
        self._pending.clear()

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
            self._pending.append("")  # The last line ends, too.
            self._hash.update("\n".join(self._pending).encode(errors="surrogatepass"))
            self._pending.clear()

    def hexdigest(self) -> str:
        """Return the hash of everything so far, as 32 hexadecimal digits."""
        self._flush()
        return self._hash.hexdigest()
