"""The timer queue: a heap-based timer wheel.

Owns: which timer is next, and the order of equal deadlines.

How it works. Deadlines fall into *slots* of equal width, and a heap orders the slots' numbers. A
slot is an unsorted list until its turn comes; then it is *opened*: sorted, once. Most timers thus
cost one dictionary look-up and one append, however many there are, and the heap sees a slot once.
What is set for the open slot or before it is *overdue* and goes to a small heap beside it. When
deadlines lie so far apart that slots are nearly empty, the slots are made wider.

Must not know: callbacks, loops, the ready queue. It hands back handles; the kernel runs them.

Invariants:

- Slots below or at ``_open_slot`` are never in ``_slots``; every list there is non-empty, and its
  number is on ``_order`` exactly once.
- ``_open`` is sorted by deadline, the next at its end, and equal deadlines in order of arrival.
- Between equal deadlines the open list comes before the overdue heap, because it was set earlier.
- ``cancelled_count`` counts the cancelled handles that are still held: at most half of what the
  wheel held when it last looked, so that cancelling gives memory back at amortised constant cost.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING

from .clock import NEVER

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator

    from .handles import Handle, TimerHandle

__all__ = ["TellingWheel", "TimerWheel", "tell_timers"]

_BITS = 18
"""A slot is 2**18 ns wide at first, some 0.26 ms: few sleeps are shorter, and would come late."""

_BITS_STEP = 3
"""Widening makes one slot of eight."""

_SLOTS_MAX = 1024
"""More slots than this, and they are made wider: the heap stays small and the slots full."""

_CANCELLED_MIN = 512
"""Below this many cancelled handles a sweep is not worth its call."""

_by_deadline = attrgetter("_when_ns")


class TimerWheel:
    """Timer handles in order of deadline, equal ones in the order in which they were added."""

    __slots__ = (
        "_bits",
        "_never",
        "_numbers",
        "_open",
        "_open_slot",
        "_order",
        "_slots",
        "cancelled_count",
        "cancelled_max",
        "overdue",
        "tell",
    )

    def __init__(self, now_ns: int = 0) -> None:
        self._slots: dict[int, list[TimerHandle]] = {}
        self._order: list[int] = []
        self._open: list[TimerHandle] = []
        self._bits = _BITS
        self._open_slot = now_ns >> _BITS
        # Public, and always the same list, because the kernel looks at its head once a turn.
        self.overdue: list[tuple[int, int, TimerHandle]] = []
        self._never: dict[int, TimerHandle] = {}
        self._numbers = count()
        # Public, too: a handle that is cancelled counts itself.
        self.cancelled_count: int = 0
        self.cancelled_max: int = _CANCELLED_MIN
        # Told of each deadline that is added, by a wheel of the class below; None: by none.
        self.tell: Callable[[int], object] | None = None

    def add(self, handle: TimerHandle) -> None:
        """Take a handle in; its deadline may lie in the past, or be NEVER."""
        slot = handle._when_ns >> self._bits
        if (members := self._slots.get(slot)) is not None:
            members.append(handle)
        elif slot <= self._open_slot:
            heappush(self.overdue, (handle._when_ns, next(self._numbers), handle))
        elif handle._when_ns < NEVER:
            self._slots[slot] = [handle]
            heappush(self._order, slot)
            if len(self._order) > _SLOTS_MAX:
                self._widen()
        else:
            self._never[next(self._numbers)] = handle

    def next_ns(self) -> int:
        """Return the earliest deadline of a handle that is not cancelled, or NEVER."""
        overdue = self.overdue
        while overdue and overdue[0][2]._callback is None:
            heappop(overdue)[2]._scheduled = False
            self.cancelled_count -= 1
        while True:
            opened = self._open
            while opened:
                head = opened[-1]
                if head._callback is not None:
                    when_ns = head._when_ns
                    return overdue[0][0] if overdue and overdue[0][0] < when_ns else when_ns
                opened.pop()._scheduled = False
                self.cancelled_count -= 1
            if not self._order:
                return overdue[0][0] if overdue else NEVER
            if overdue and overdue[0][0] >> self._bits < self._order[0]:
                return overdue[0][0]  # The slot's turn is not yet: keep it, where adding is cheap.
            self._open_next()

    def head(self, when_ns: int) -> TimerHandle | None:
        """Return the first handle of the earliest deadline, as :meth:`next_ns` has just told it."""
        if self._open and self._open[-1]._when_ns == when_ns:
            return self._open[-1]
        return self.overdue[0][2] if self.overdue and self.overdue[0][0] == when_ns else None

    def move_due(self, now_ns: int, ready: deque[Handle | TimerHandle]) -> None:
        """Append every handle whose deadline is not after ``now_ns``, in order, to ``ready``."""
        while (when_ns := self.next_ns()) <= now_ns:
            self.take(when_ns, ready)

    def take(self, when_ns: int, ready: deque[Handle | TimerHandle]) -> None:
        """Append every handle of the next deadline, which is ``when_ns``, to ``ready``."""
        opened = self._open
        while opened:
            handle = opened.pop()  # Most open slots have one deadline: looking first costs more.
            if handle._when_ns != when_ns:
                opened.append(handle)
                break
            handle._scheduled = False
            if handle._callback is None:
                self.cancelled_count -= 1
            else:
                ready.append(handle)
        overdue = self.overdue
        while overdue and overdue[0][0] == when_ns:
            handle = heappop(overdue)[2]
            handle._scheduled = False
            if handle._callback is None:
                self.cancelled_count -= 1
            else:
                ready.append(handle)

    def take_first(self, now_ns: int, until_ns: int) -> TimerHandle | None:
        """Take the first handle of the next deadline; others of it stand at the end of ``_open``.

        That is :meth:`next_ns` and :meth:`take` in one, for most jumps. None, and at most a slot
        was opened, where anything is overdue, the handle is cancelled, or its deadline is not after
        ``now_ns`` or is after ``until_ns``.
        """
        if self.overdue:
            return None
        opened = self._open
        if not opened:
            if not self._order:
                return None
            self._open_next()
            opened = self._open
        handle = opened.pop()
        when_ns = handle._when_ns
        if handle._callback is None or not now_ns < when_ns <= until_ns:
            opened.append(handle)
            return None
        handle._scheduled = False
        return handle

    def advance_to(self, now_ns: int) -> None:
        """Follow a clock that was moved by hand, past deadlines perhaps, to ``now_ns``.

        What it passed goes to the overdue heap, where the kernel looks once a turn.

        The refused alternative is a kernel that asks :meth:`next_ns` at the start of each turn:
        nothing would have to move here, but every turn would pay a call for what only
        ``advance``, ``time.sleep`` and drivers do. So a turn looks at the
        heap's head and no further, and this method sees to it that what is due stands there.
        """
        slot = now_ns >> self._bits
        opened, overdue = self._open, self.overdue
        if slot <= self._open_slot and not (opened and opened[-1]._when_ns <= now_ns):
            return
        # Set before anything overdue with the same deadline: their numbers are below all others,
        # and in their own order. (test_equal_deadlines_keep_their_order_when_the_clock_is_moved_...
        # fails if not. Two calls give the same numbers again, but never for the same deadline: the
        # first call leaves none in the open list that the second could find.)
        for number, handle in enumerate(reversed(opened), start=-len(opened)):
            heappush(overdue, (handle._when_ns, number, handle))
        self._open = []
        while self._order and self._order[0] <= slot:
            for handle in self._slots.pop(heappop(self._order)):
                heappush(overdue, (handle._when_ns, next(self._numbers), handle))
        self._open_slot = max(slot, self._open_slot)

    def _open_next(self) -> None:
        """Sort the earliest slot: the only time that its handles are compared."""
        self._open_slot = slot = heappop(self._order)
        members = self._slots.pop(slot)
        if not self._order and self._bits > _BITS:
            self._open_slot = ((slot + 1) << (self._bits - _BITS)) - 1
            self._bits = _BITS
        if len(members) > 1:
            members.sort(key=_by_deadline)
            members.reverse()
        self._open = members

    def _widen(self) -> None:
        """Make one slot of eight; what falls into the open one becomes overdue.

        Deadlines spread over years would make a slot each: then the heap of slots is a heap of
        timers, and slower than one, since every timer pays a list and a dictionary entry besides.
        A width chosen by the deadlines seen so far was refused: it costs each ``add`` a look at
        the clock, and one far timer spoils it. Widening looks at every timer that is held, but
        eight slots become one each time, so a wheel widens a few times in its life; and it narrows
        again (:meth:`_open_next`) when the last slot opens, where there is nothing to move.
        """
        narrow = self._slots
        self._bits += _BITS_STEP
        self._open_slot >>= _BITS_STEP
        self._slots = {}
        self._order = []
        for members in narrow.values():  # Equal deadlines share a list, which keeps their order.
            for handle in members:
                TimerWheel.add(self, handle)  # It was set, and told of, before.

    def sweep(self) -> None:
        """Let go of every cancelled handle, wherever it is; ``cancel`` calls it in time."""
        self._keep(lambda handle: handle._callback is not None)
        self.cancelled_count = 0
        self.cancelled_max = max(_CANCELLED_MIN, len(self) // 2)

    def extract(self, is_wanted: Callable[[TimerHandle], bool]) -> list[TimerHandle]:
        """Take out the handles that are wanted and not cancelled, in the order of their turns."""
        self.sweep()
        self.overdue.sort()  # Sorted is a heap, too.
        wanted = [handle for handle in self if is_wanted(handle)]
        self._keep(lambda handle: not is_wanted(handle))
        wanted.sort(key=_by_deadline)
        return wanted

    def _keep(self, is_kept: Callable[[TimerHandle], bool]) -> None:
        """Let go of every handle but these, wherever it is."""
        kept = {
            slot: [handle for handle in members if is_kept(handle)]
            for slot, members in self._slots.items()
        }
        self._slots = {slot: members for slot, members in kept.items() if members}
        self._order = list(self._slots)
        heapify(self._order)
        self._open = [handle for handle in self._open if is_kept(handle)]
        self.overdue[:] = [entry for entry in self.overdue if is_kept(entry[2])]
        heapify(self.overdue)
        self._never = {n: handle for n, handle in self._never.items() if is_kept(handle)}

    def __len__(self) -> int:
        """Count the handles that are not cancelled; takes time in their number."""
        return sum(1 for handle in self if handle._callback is not None)

    def held(self) -> int:
        """Count the handles that are held, the cancelled too; takes time in the number of slots."""
        in_slots = sum(map(len, self._slots.values()))
        return in_slots + len(self._open) + len(self.overdue) + len(self._never)

    def is_empty(self) -> bool:
        """Return whether no handle is held, not even a cancelled one."""
        return not (self._order or self._open or self.overdue or self._never)

    def __iter__(self) -> Iterator[TimerHandle]:
        """Visit every handle that is held, the cancelled too, in no promised order."""
        yield from reversed(self._open)
        for _, _, handle in self.overdue:
            yield handle
        for members in self._slots.values():
            yield from members
        yield from self._never.values()

    def check(self) -> None:
        """Assert the invariants above."""
        assert sorted(self._order) == sorted(self._slots)
        assert all(self._slots.values())
        assert all(slot > self._open_slot for slot in self._slots)
        for slot, members in self._slots.items():
            assert all(handle._when_ns >> self._bits == slot for handle in members)
        deadlines = [handle._when_ns for handle in self._open]
        assert deadlines == sorted(deadlines, reverse=True)
        assert all(entry[0] >> self._bits <= self._open_slot for entry in self.overdue)
        assert all(handle._scheduled for handle in self if handle._callback is not None)
        assert self.cancelled_count == sum(1 for handle in self if handle._callback is None)
        assert self.cancelled_count < self.cancelled_max


class TellingWheel(TimerWheel):
    """The class that a wheel has while a watcher wants to hear of each timer that is set.

    The layout is the same, so a wheel changes its class and nothing else; a plain one pays nothing.
    """

    __slots__ = ()

    def add(self, handle: TimerHandle) -> None:
        """Take a handle in, and tell of its deadline."""
        TimerWheel.add(self, handle)
        tell = self.tell
        if tell is not None:
            tell(handle._when_ns)


def tell_timers(wheel: TimerWheel, tell: Callable[[int], object] | None) -> None:
    """Let a wheel tell of its timers, or no more; one that a driver watches keeps its class."""
    wheel.tell = tell
    kind: type[TimerWheel] = type(wheel)
    if tell is not None and kind is TimerWheel:
        wheel.__class__ = TellingWheel
    elif tell is None and kind is TellingWheel:
        wheel.__class__ = TimerWheel
