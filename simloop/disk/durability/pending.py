"""What was done to a file's bytes and is not durable yet, and what a power cut may leave of it.

Owns: the list of writes and changes of size since the last sync, in order, and the choice among the
states that are legal after a power cut. The rules are those of ext4 with ``data=ordered`` (kernel
documentation, admin-guide/ext4; Pillai et al., OSDI 14), and no file system promises more to a
program that did not sync:

- An *overwrite* within the file's size may be there, or not, or be torn: of one that crosses
  sectors any of them. Overwrites are kept or lost independently of each other.
- What *changes the size* (an append, a truncation) keeps its order: what is found is a prefix. An
  append may be cut at a sector, and the size never counts bytes whose data is not there, so there
  is no garbage and no hole that the program did not make.
- An overwrite that came after a change of size that is lost is lost too: its blocks were new.

No time makes a write durable by itself: Linux writes back after some 30 s, but promises no such
time (``dirty_expire_centisecs`` is an administrator's), and laptops wait for minutes.

Must not know: names of files; who chooses.

Invariant: applied in order to the durable bytes the list gives the bytes that a program sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from .contents import Contents

    Choose = Callable[[int, str], int]

__all__ = ["CHOICES_MAX", "Pending"]

OVERWRITE, EXTEND, RESIZE = "overwrite", "extend", "resize"

CHOICES_MAX = 32
"""How many outcomes one question offers; and how many overwrites are asked about one by one."""


class _Change(NamedTuple):
    """One change of a file's bytes."""

    kind: str
    offset: int
    """Where it begins; the new size of a RESIZE."""
    data: bytes

    def apply(self, contents: Contents) -> None:
        if self.kind == RESIZE:
            contents.truncate(self.offset)
        else:
            contents.write(self.offset, self.data)

    def cuts(self, sector: int) -> list[int]:
        """Return after how many bytes it may be torn: the first sector's end, and the last's."""
        if self.kind == RESIZE:
            return []
        first = sector - self.offset % sector
        last = len(self.data) - (self.offset + len(self.data)) % sector
        return list(dict.fromkeys(cut for cut in (last, first) if 0 < cut < len(self.data)))


class Pending:
    """The changes of one file since it was durable.

    Example:
        >>> from simloop.disk.durability.contents import Contents
        >>> pending = Pending()
        >>> pending.write(0, b"hello", size=0)
        >>> durable = Contents()
        >>> pending.survive(durable, lambda count, name: count - 1, "log", 4096)
        5
        >>> durable.size
        0
    """

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        # As plain tuples, since each write makes one; :class:`_Change` has their fields.
        self._changes: list[tuple[str, int, bytes]] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def write(self, offset: int, data: bytes, size: int) -> None:
        """Take note of a write to a file that had ``size`` bytes before."""
        end = offset + len(data)
        if end <= size:
            self._changes.append((OVERWRITE, offset, data))
        elif offset >= size:
            self._changes.append((EXTEND, offset, data))
        else:
            self._changes.append((OVERWRITE, offset, data[: size - offset]))
            self._changes.append((EXTEND, size, data[size - offset :]))

    def resize(self, size: int) -> None:
        """Take note of a truncation, or a growth by a hole."""
        self._changes.append((RESIZE, size, b""))

    def settle(self, durable: Contents) -> None:
        """Make everything durable."""
        self.replay(durable)
        self._changes.clear()

    def replay(self, contents: Contents) -> None:
        """Apply everything to some bytes."""
        for each in self._changes:
            _Change(*each).apply(contents)

    def survive(self, durable: Contents, choose: Choose, name: str, sector: int) -> int:
        """Make durable what the choices leave, and forget the rest; return how many bytes are lost.

        Args:
            durable: The durable bytes.
            choose: Called with how many outcomes there are and what they are of; 0 keeps all.
            name: What the file is called in these questions.
            sector: How many bytes the device writes as one.
        """
        changes, self._changes = [_Change(*each) for each in self._changes], []
        kept = _with_sizes(changes, choose, name, sector)
        kept = _with_overwrites(kept, choose, name, sector)
        for each in kept:
            each.apply(durable)
        before = sum(len(each.data) for each in changes)
        return before - sum(len(each.data) for each in kept)


def _with_sizes(changes: list[_Change], choose: Choose, name: str, sector: int) -> list[_Change]:
    """Return what is left when a choice cuts the changes of size, and what came after the cut."""
    places = [at for at, each in enumerate(changes) if each.kind != OVERWRITE]
    if not places:
        return changes
    # How many changes are left in all, and how many bytes of the next one: the least loss first.
    outcomes: list[tuple[int, int]] = [(len(changes), 0)]
    for at in reversed(places):
        outcomes += [(at, cut) for cut in changes[at].cuts(sector)]
        outcomes.append((at, 0))
    outcomes = bounded(outcomes)
    count, cut = outcomes[choose(len(outcomes), f"{name}: size")]
    left = changes[:count]
    if cut:
        torn = changes[count]
        left.append(torn._replace(data=torn.data[:cut]))
    return left


def bounded(outcomes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return at most so many outcomes as one question has: the first ones, and the last."""
    if len(outcomes) <= CHOICES_MAX:
        return outcomes
    return [*outcomes[: CHOICES_MAX - 1], outcomes[-1]]


def _with_overwrites(
    changes: list[_Change], choose: Choose, name: str, sector: int
) -> list[_Change]:
    """Return what is left when choices take overwrites away, the newest ones one by one."""
    places = [at for at, each in enumerate(changes) if each.kind == OVERWRITE]
    single = places[-CHOICES_MAX:]
    left = dict(enumerate(changes))
    if len(places) > len(single) and choose(2, f"{name}: older overwrites"):
        for at in places[: -len(single)]:
            del left[at]
    for number, at in enumerate(single, start=1):
        change = changes[at]
        cuts = change.cuts(sector)
        picked = choose(2 + 2 * len(cuts), f"{name}: overwrite {number} of {len(single)}")
        if picked == 1:
            del left[at]
        elif picked:
            left[at] = _torn(change, cuts[picked // 2 - 1], is_head=picked % 2 == 0)
    return [left[at] for at in sorted(left)]


def _torn(change: _Change, cut: int, *, is_head: bool) -> _Change:
    """Return the part of a write on one side of a cut."""
    if is_head:
        return change._replace(data=change.data[:cut])
    return change._replace(offset=change.offset + cut, data=change.data[cut:])
