"""Entropy: whatever a program takes for random comes from its seed.

Owns: the bytes behind ``os.urandom`` and all that stands on it (``secrets``, ``SystemRandom``,
``uuid4``, numpy's ``default_rng``), the state of the ``random`` module, seeds that nobody gave,
and the node and the clock sequence of ``uuid1``.

How the state of the ``random`` module is kept is told in :mod:`.generators`.

Must not know: how streams are made from a seed.

Invariants:

- The ``random`` module and the operating system's entropy are separate streams: a program that
  seeds ``random`` itself gets what it gets outside, whatever else it draws.
- What a world has drawn from continues at its next run; the caller's state is back after each.
"""

from __future__ import annotations

import os
import random
import uuid
from _thread import LockType, allocate_lock
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from simloop._kernel import RandomStreams
from simloop._sandbox.patching.c_functions import clone_method
from simloop._sandbox.patching.module_state import (
    Kept,
    Start,
    Values,
    by_name,
    give_back,
    is_in_place,
    keep,
    put,
    swap,
)
from simloop._sandbox.patching.registry import entry, redirect, rewrite
from simloop._sandbox.run_context import by_thread, get_ident

from . import random_module as generators
from .random_module import Drawer, first_state, own

if TYPE_CHECKING:
    from simloop._sandbox.contracts import Streams

__all__ = ["Entropy"]

_SEED_BYTES = 32
"""Size of a seed that stands for the operating system's."""

_UUID_EPOCH = 0x01B2_1DD2_1381_4000
"""Intervals of 100 ns from 1582-10-15, where UUID times begin, to 1970."""


class _Saved:
    """What a run found in place, to be put back: the process's own, or an outer world's."""

    __slots__ = ("kept",)

    def __init__(self, kept: Kept) -> None:
        self.kept: Kept = kept


_entered: list[_Saved] = []
"""Of all runs that are on, in whatever thread, in the order in which they began."""
_lock = allocate_lock()
_acquire, _release = clone_method(LockType, "acquire"), clone_method(LockType, "release")


class Entropy:
    """One world's sources of randomness, and its variables in the standard library.

    Args:
        streams: The streams of the world's seed. ``program`` is the ``random`` module's,
            ``program/os`` the operating system's.
        zone: The time zone that the library's state begins with.
    """

    __slots__ = (
        "__weakref__",
        "_apart",
        "_clock_sequence",
        "_counters",
        "_kept",
        "_os",
        "_streams",
        "_uuid_time",
        "_values",
        "drawer",
        "zone",
    )

    drawer: Drawer
    """Who draws from the ``random`` module in this world, from its first run on."""

    def __init__(self, streams: Streams, zone: str = "UTC") -> None:
        self._streams = streams
        self.zone: str = zone
        self._os: random.Random | None = None
        self._values: Values = {}
        # What :meth:`switch_to` has kept, in place of these.
        self._kept: Kept | None = None
        self._clock_sequence: int | None = None
        self._uuid_time = 0
        self._counters: dict[str, count[int]] | None = None
        # What draws in its place while something is done that a process does once.
        self._apart: Entropy | None = None

    @property
    def seed(self) -> int | str:
        """The seed of the streams."""
        return self._streams.seed

    def draw(self, size: int) -> bytes:
        """Return bytes that the program takes for the operating system's entropy."""
        if self._os is None:
            self._os = self._streams.stream("program/os")
        return self._os.randbytes(size)

    def stream(self, name: str) -> random.Random:
        """Return the world's own generator for one purpose, in the state in which it was left."""
        return self._streams.stream(name)

    def uuid_time(self, wall_ns: int) -> tuple[int, int]:
        """Return a time for ``uuid1``, never the same twice, and the world's clock sequence."""
        if self._clock_sequence is None:
            self._clock_sequence = int.from_bytes(self.draw(2), "big") & 0x3FFF
        self._uuid_time = max(wall_ns // 100 + _UUID_EPOCH, self._uuid_time + 1)
        return self._uuid_time, self._clock_sequence

    def next_number(self, name: str, first: int) -> int:
        """Return the next number of a counter of the process, by which things are named."""
        own = self if self._apart is None else self._apart
        if own._counters is None:
            own._counters = {}
        return next(own._counters.setdefault(name, count(first)))

    def enter(self, start_ns: int) -> _Saved:
        """Put the world's state in place; returns what was there."""
        _acquire(_lock)
        try:
            if not hasattr(self, "drawer"):
                self.drawer = Drawer(partial(_first_state, self._streams))
            values = self._named_values()
            saved = _Saved(keep())
            try:
                put(values, Start(self._streams, start_ns, self.zone))
                generators.enter(self.drawer)
            except BaseException:
                give_back({}, saved.kept)
                raise
            _entered.append(saved)
        finally:
            _release(_lock)
        return saved

    def switch_to(self, other: Entropy, start_ns: int) -> None:
        """Put another process's state in the place of this one's, which is kept."""
        _acquire(_lock)
        try:
            try:
                drawer = other.drawer
            except AttributeError:
                drawer = other.drawer = Drawer(partial(_first_state, other._streams))
            kept = None if other._kept is None else swap(other._kept)
            if kept is None:
                values = other._named_values()
                kept = keep()
                put(values, Start(other._streams, start_ns, other.zone))
            self._kept, other._kept = kept, None
            generators.switch(self.drawer, drawer)
        finally:
            _release(_lock)

    def switch_quickly(self, other: Entropy) -> bool:
        """Do as :meth:`switch_to` where nothing of the library differs; false where it does.

        That is most often so, and this comes with each packet. TZ is not looked at: the environment
        is exchanged beside.
        """
        _acquire(_lock)
        try:
            kept = other._kept
            if kept is None or not is_in_place(kept):
                return False
            self._kept, other._kept = kept, None
            generators.switch(self.drawer, other.drawer)
        finally:
            _release(_lock)
        return True

    def _named_values(self) -> Values:
        """Return what was kept when this one was last in place."""
        if self._kept is not None:
            self._values.update(by_name(self._kept))
            self._kept = None
        return self._values

    def step_apart(self, name: str, start_ns: int) -> Entropy:
        """Return sources that follow a name alone, and put their state in the place of this one's.

        Unless it is not in place, because another thread has stepped apart: its state stays then.
        """
        own = Entropy(RandomStreams(f"once/{name}"), self.zone)
        if self._apart is None and generators.is_drawing(self.drawer):
            self.switch_to(own, start_ns)
            self._apart = own
        return own

    def come_back(self, own: Entropy, start_ns: int) -> None:
        """Put this one's state in place again, which that of ``own`` had taken."""
        if self._apart is own:
            own._end_apart(start_ns)
            own.switch_to(self, start_ns)
            self._apart = None

    def _end_apart(self, start_ns: int) -> None:
        """Be in place, whatever a thread that was ended had left there."""
        if self._apart is not None:
            self.come_back(self._apart, start_ns)

    def exit(self, saved: _Saved) -> None:
        """Keep the world's state for its next run and put back what was there."""
        self._end_apart(0)
        _acquire(_lock)
        try:
            generators.leave(self.drawer)
            if _entered[-1] is saved:
                _entered.pop()
                self._kept = give_back(self._values, saved.kept)
            else:
                self._leave_to_later(saved)
        finally:
            _release(_lock)

    def _leave_to_later(self, saved: _Saved) -> None:
        """Leave while a run that began later is on: that one found our values, and has them."""
        position = next(at for at, each in enumerate(_entered) if each is saved)
        del _entered[position]
        later = _entered[position]
        self._values.update(by_name(later.kept))
        later.kept = saved.kept


_first_states: dict[str, bytes] = {}
_FIRST_STATES_MAX = 64


def _first_state(streams: Streams) -> bytes:
    """Return the state that the ``random`` module begins a world with, from memory if it can."""
    known = _first_states.get(seed := str(streams.seed))
    if known is None:
        if len(_first_states) >= _FIRST_STATES_MAX:
            _first_states.clear()
        known = first_state(lambda generator: streams.begin(generator, "program"))
        _first_states[seed] = known
    return known


def _urandom(size: int, /) -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_urandom(size)
    if size < 0:
        raise ValueError("negative argument not allowed")
    return run.entropy.draw(size)


def _getrandom(size: int, flags: int = 0) -> Any:
    run = by_thread.get(get_ident())
    return _real_getrandom(size, flags) if run is None else run.entropy.draw(size)


def _seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
    """Seed from the world where the program leaves it to the system."""
    if a is None:
        run = by_thread.get(get_ident())
        if run is not None:
            a = int.from_bytes(run.entropy.draw(_SEED_BYTES), "big")
    _real_seed(own(generator), a, version)


def _generate_time_safe() -> Any:
    """Make the sixteen bytes of a ``uuid1`` as the system's library does."""
    run = by_thread.get(get_ident())
    if run is None:
        return _real_generate_time_safe()
    time, sequence = run.entropy.uuid_time(run.start_ns + run.clock.now_ns)
    high = (time & 0xFFFF_FFFF) << 32 | (time >> 32 & 0xFFFF) << 16 | 1 << 12 | time >> 48 & 0x0FFF
    low = (0x8000 | sequence) << 48 | uuid.getnode()
    return (high << 64 | low).to_bytes(16, "big"), None


def _draw_node() -> int:
    """Draw a hardware address, marked as drawn by its multicast bit."""
    run = by_thread.get(get_ident())
    node = _real_urandom(6) if run is None else run.entropy.draw(6)
    return int.from_bytes(node, "big") | 1 << 40


_real_urandom = redirect(os.urandom, _urandom)
if hasattr(os, "getrandom"):
    _real_getrandom = redirect(os.getrandom, _getrandom)
# In place, because random.seed is a bound method that was made when the module was.
_real_seed = rewrite(random.Random.seed, _seed)
entry(uuid, "_GETTERS", [_draw_node])
with suppress(ImportError):  # A Python without it.
    import _uuid  # type: ignore[import-not-found]  # Tools that freeze time empty uuid's own name.

    if hasattr(_uuid, "generate_time_safe"):
        _real_generate_time_safe = redirect(_uuid.generate_time_safe, _generate_time_safe)
