"""Gates that give a run its names: to record a schedule, and to replay one.

Owns: keys. A key is the kind of a decision, the name of the thing that it is about, and how often
that thing was asked about: it means the same when a program changes elsewhere, which a position
does not.

Must not know: strategies.

Invariants: ``taken`` holds the deviations that had an effect, in the order in which they came; a
run under a gate with what another one took is the same run.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from simloop._kernel.gate import ChoiceGate

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from .delays import Delays

__all__ = [
    "NEEDS_ASKING",
    "ByKey",
    "Key",
    "Kinds",
    "Point",
    "RecordingGate",
    "TellingGate",
    "key_hash",
    "search_gate",
]

_NS = 1_000_000_000

NEEDS_ASKING = ("ready", "sleep", "cpu")
"""Kinds that are off unless asked for: stricter than asyncio, of sleeps, and dear to ask."""


class Key(NamedTuple):
    """What a decision is called."""

    kind: str
    name: str
    nth: int


class Point(NamedTuple):
    """A decision that a run came to: its key, its options, when (in nanoseconds), its position."""

    key: Key
    options: int
    now_ns: int


class Kinds:
    """All kinds but some.

    Args:
        off: The kinds that are not asked.
    """

    __slots__ = ("off",)

    def __init__(self, off: Container[str]) -> None:
        self.off: Container[str] = off

    def __contains__(self, kind: object) -> bool:
        return kind not in self.off


def key_hash(key: Key) -> bytes:
    """Return four bytes that stand for a key in a token."""
    return blake2b("\0".join(map(str, key)).encode(), digest_size=4).digest()


def search_gate(answerer: object, kinds: Container[str], delays: Delays) -> ChoiceGate:
    """Return the gate of a search, which keeps positions and nothing else."""
    return ChoiceGate(
        answerer,  # type: ignore[arg-type]  # a strategy, which has the method
        kinds,
        each_ns=round(delays.each * _NS),
        total_ns=round(delays.total * _NS),
        sleeps=delays.sleeps,
    )


class RecordingGate(ChoiceGate):
    """A gate that names what it is asked.

    Args:
        pick: ``pick(key, position, options)`` answers.
        kinds: The kinds that are asked.
        delays: The caps.
        keeps_points: Whether to keep every question, not just deviations.
    """

    position: int

    __slots__ = (
        "_counts",
        "_pick",
        "clock",
        "key",
        "on_delayed",
        "on_taken",
        "points",
        "spans",
        "taken",
        "words",
    )

    def __init__(
        self,
        pick: Callable[[Key, int, int], int],
        kinds: Container[str],
        delays: Delays,
        *,
        keeps_points: bool = False,
    ) -> None:
        super().__init__(
            _Nothing,
            kinds,
            each_ns=round(delays.each * _NS),
            total_ns=round(delays.total * _NS),
            sleeps=delays.sleeps,
        )
        self._pick = pick
        self._counts: dict[tuple[str, str], int] = {}
        self.key: Key = Key("", "", 0)
        self.taken: dict[Key, int] = {}
        self.spans: dict[Key, tuple[int, int]] = {}
        self.words: dict[Key, str] = {}
        self.points: list[Point] | None = [] if keeps_points else None
        self.on_taken: Callable[[Key, int, object], object] | None = None
        self.on_delayed: Callable[[Key, int, int], object] | None = None
        self.clock: Callable[[], int] = int

    def put(self, kind: str, thing: object, options: int) -> int:
        """Ask what is known to be asked, and name it."""
        self.position += 1
        name = self.name_of(kind, thing)
        count = self._counts[kind, name] = self._counts.get((kind, name), 0) + 1
        self.key = key = Key(kind, name, count)
        if self.points is not None:
            self.points.append(Point(key, options, self.clock()))
        picked = min(self._pick(key, self.position, options), options - 1)
        if picked:
            self.taken[key] = picked
            if self.on_taken is not None:
                self.on_taken(key, options, thing)
        return picked

    def withdraw(self) -> None:
        """Take the last answer back."""
        self.taken.pop(self.key, None)

    def teller(self) -> Callable[[str, int, int], None]:
        """Return what takes what came of the last answer: words, and from when to when."""
        key = self.key

        def tell(words: str, from_ns: int, to_ns: int) -> None:
            self.words[key], self.spans[key] = words, (from_ns, to_ns)

        return tell

    def delayed(self, now_ns: int, until_ns: int) -> None:
        """Take note of a delay that has an effect."""
        super().delayed(now_ns, until_ns)
        self.spans[self.key] = now_ns, until_ns
        if self.on_delayed is not None:
            self.on_delayed(self.key, now_ns, until_ns)


class TellingGate(RecordingGate):
    """The gate of a search that names each deviation before it has an effect, and tells it.

    For a run that its process does not survive: what was told is there all the same.

    Args:
        answerer: A strategy.
        kinds: The kinds that are asked.
        delays: The caps.
        tell: Called with the key and the answer.
    """

    __slots__ = ("_strategy", "_tell", "_thing")

    def __init__(
        self,
        answerer: Any,
        kinds: Container[str],
        delays: Delays,
        tell: Callable[[Key, int], object],
    ) -> None:
        super().__init__(self._pick_told, kinds, delays)
        self._strategy = answerer
        self._tell = tell
        self._thing: object = None

    def put(self, kind: str, thing: object, options: int) -> int:
        """Ask, and keep the answer by its position, too."""
        self._thing = thing
        picked = super().put(kind, thing, options)
        if picked:
            self.tape[self.position] = picked
        return picked

    def withdraw(self) -> None:
        """Take the last answer back."""
        super().withdraw()
        self.tape.pop(self.position, None)

    def _pick_told(self, key: Key, position: int, options: int) -> int:
        del position
        picked = int(self._strategy.answer(key.kind, self._thing, options))
        if picked:
            self._tell(key, picked)
        return picked


class _Nothing:
    @staticmethod
    def answer(kind: str, thing: object, options: int) -> int:
        del kind, thing, options
        return 0


class ByKey:
    """Answers by key, or by a key's hash where a token gave no more.

    Args:
        given: Answers by key.
        hashed: Answers by :func:`key_hash`.
    """

    __slots__ = ("asked", "given", "hashed")

    def __init__(self, given: Mapping[Key, int], hashed: Mapping[bytes, int] | None = None) -> None:
        self.given: Mapping[Key, int] = given
        self.hashed: Mapping[bytes, int] = hashed or {}
        self.asked: dict[Key | bytes, None] = {}

    def __call__(self, key: Key, position: int, options: int) -> int:
        """Return what was given for a key, or 0."""
        del position, options
        picked = self.given.get(key, 0)
        if picked:
            self.asked[key] = None
        elif self.hashed and (picked := self.hashed.get(digest := key_hash(key), 0)):
            self.asked[digest] = None
        return picked

    def unasked(self) -> list[Key | bytes]:
        """Return what was given and never asked for."""
        given: list[Key | bytes] = [*self.given, *self.hashed]
        return [key for key in given if key not in self.asked]
