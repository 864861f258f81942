"""The recorder: every step of a run, kept, and where two runs part.

Owns: the list of records and the search for the first that differs. It keeps a tuple per step, so
it is for finding out, not for every run; what only asks whether two runs are the same uses the
digest.

Invariant: whatever moves a digest moves a record, so that where two digests differ a record does.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from simloop._kernel.safe_looks import bytes_without_addresses, without_addresses

from .labels import label, location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simloop._kernel import Handle, TimerHandle

__all__ = [
    "Difference",
    "OutputDifference",
    "Recorder",
    "Step",
    "first_difference",
    "first_output_difference",
    "tell_difference",
]

_SHOWN_BYTES = 32
_SHOWN_CHARACTERS = 80


class Step(NamedTuple):
    """One thing that happened: a step, or within one a timer, an output, bytes on a socket."""

    time_ns: int
    label: str
    where: str = ""
    stream: str = ""
    """What it wrote to, where it is output: ``stdout``, ``file notes.txt``."""
    text: str = ""
    """What was written; bytes are read as Latin-1."""
    is_within: bool = False
    """Whether it happened within the step before it."""

    def __str__(self) -> str:
        where = f"  ({self.where})" if self.where else ""
        return f"at {self.time_ns / 1e9} s  {self.label}{where}"


class Difference(NamedTuple):
    """The first record in which two runs differ; None on a side means that it had ended."""

    position: int
    """Which record it is, counted from 0."""
    first: Step | None
    second: Step | None
    number: int
    """Which step it is, or happened in, counted from 0."""

    def __str__(self) -> str:
        sides = (("first run", self.first), ("second run", self.second))
        return f"step {self.number} differs:" + "".join(
            f"\n  {name}:  {'it had ended' if step is None else step}" for name, step in sides
        )


class OutputDifference(NamedTuple):
    """The first line of output in which two runs differ; None on a side means that it had ended."""

    stream: str
    number: int
    """Which line of the stream it is, counted from 1."""
    first: str | None
    second: str | None

    def __str__(self) -> str:
        sides = (("first run", self.first), ("second run", self.second))
        return f"line {self.number} of {self.stream} differs:" + "".join(
            f"\n  {name}:  {'it had ended' if line is None else line}" for name, line in sides
        )


class Recorder:
    """An observer of the kernel and a tap of the network that keeps what it hears."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._now_ns = 0

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Keep a step."""
        self._now_ns = now_ns
        self.steps.append(Step(now_ns, label(handle), location(handle)))

    def sent(self, kind: str, source: object, destination: object, data: bytes) -> None:
        """Keep bytes that crossed a socket."""
        shown = data[:_SHOWN_BYTES].hex()
        if len(data) > _SHOWN_BYTES:
            shown += f"... (BLAKE2b {blake2b(data, digest_size=4).hexdigest()})"
        text = f"{kind} {source} -> {destination}: {len(data)} bytes {shown}"
        self.steps.append(Step(self._now_ns, text, is_within=True))

    def timed(self, when_ns: int) -> None:
        """Keep a timer that was set."""
        text = f"sets a timer for {when_ns / 1e9} s ({when_ns} ns)"
        self.steps.append(Step(self._now_ns, text, is_within=True))

    def happened(self, what: str, data: str | bytes) -> None:
        """Keep what the run did to the outside; the arguments are those of the digest."""
        if isinstance(data, str):
            text, kind = without_addresses(data), ""
        else:
            text, kind = bytes_without_addresses(data).decode("latin-1"), "bytes "
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
        if what.startswith(("stdout", "stderr", "file")):
            told = f"writes {kind}to {what}: {shown!r}"
            record = Step(self._now_ns, told, stream=what, text=text, is_within=True)
        else:
            record = Step(self._now_ns, f"{what}: {text}", is_within=True)
        self.steps.append(record)


def first_difference(first: Iterable[Step], second: Iterable[Step]) -> Difference | None:
    """Find where two runs part; None if they never do.

    Example:
        >>> first_difference([Step(0, "a")], [Step(0, "a"), Step(5, "b")]).position
        1
    """
    number = -1
    for index, (one, other) in enumerate(zip_longest(first, second)):
        record = one or other
        assert record is not None
        number += not record.is_within
        if one != other:
            return Difference(index, one, other, max(number, 0))
    return None


def first_output_difference(
    first: Iterable[Step], second: Iterable[Step]
) -> OutputDifference | None:
    r"""Find the first line in which the outputs of two runs part; None if they never do.

    Streams are looked at one by one, since lines of different ones may come in any order.

    Example:
        >>> print(first_output_difference(
        ...     [Step(0, "", "", "stdout", "one\n"), Step(0, "", "", "stdout", "two\n")],
        ...     [Step(0, "", "", "stdout", "one\nthree\n")],
        ... ))
        line 2 of stdout differs:
          first run:  two
          second run:  three
    """
    outputs = _outputs(first), _outputs(second)
    for stream in dict.fromkeys([*outputs[0], *outputs[1]]):
        lines = [each.get(stream, "").splitlines() for each in outputs]
        for number, (one, other) in enumerate(zip_longest(*lines), 1):
            if one != other:
                return OutputDifference(stream, number, one, other)
    return None


def _outputs(steps: Iterable[Step]) -> dict[str, str]:
    """Return what was written to each stream."""
    written: dict[str, list[str]] = {}
    for step in steps:
        if step.stream:
            written.setdefault(step.stream, []).append(step.text)
    return {stream: "".join(texts) for stream, texts in written.items()}


def tell_difference(
    difference: Difference | None, output: OutputDifference | None, ends: str
) -> str:
    """Say where two runs part, step and line of output; ``ends`` is said where no step differs."""
    told = [str(each) for each in (difference, output) if each is not None]
    return "\n".join(told) or ends
