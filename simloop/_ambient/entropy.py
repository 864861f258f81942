"""Entropy: whatever a program takes for random comes from its seed.

Owns: the bytes behind ``os.urandom`` and all that stands on it (``secrets``, ``SystemRandom``,
``uuid4``, numpy's ``default_rng``), the state of the ``random`` module, seeds that nobody gave,
and the node and the clock sequence of ``uuid1``.

How the ``random`` module is kept. Its functions are methods of one hidden generator, and programs
hold them by reference; so the generator stays and its state changes hands: the world's when a run
begins, the caller's when it ends. The state is one piece of memory of 2.5 KB; copying it takes a
fraction of a microsecond, where ``getstate`` and ``setstate`` take forty.

Must not know: how streams are made from a seed.

Invariants:

- The ``random`` module and the operating system's entropy are separate streams: a program that
  seeds ``random`` itself gets what it gets outside, whatever else it draws.
- What a world has drawn from continues at its next run; the caller's state is back after each.
"""

from __future__ import annotations

import _random
import os
import random
import uuid
from _thread import LockType, allocate_lock
from typing import Any

from .patches import entry, redirect, rewrite
from .runs import get_ident, running
from .variables import Start, Streams, Values, exchange, give_back
from .words import HEAD_SIZE, memory

__all__ = ["Entropy"]

_SEED_BYTES = 32
"""Size of a seed that stands for the operating system's."""

_UUID_EPOCH = 0x01B2_1DD2_1381_4000
"""Intervals of 100 ns from 1582-10-15, where UUID times begin, to 1970."""

_hidden: random.Random = random._inst
_STATE_BYTES = _random.Random.__basicsize__ - HEAD_SIZE
_state = memory(_hidden, HEAD_SIZE, _STATE_BYTES)


class _Saved:
    """What a run found in place, to be put back: the process's own, or an outer world's."""

    __slots__ = ("gauss", "state", "values")

    def __init__(self, state: bytes, gauss: float | None, values: Values) -> None:
        self.state = state
        self.gauss = gauss
        self.values = values


_entered: list[_Saved] = []
"""Of all runs that are on, in whatever thread, in the order in which they began."""
_lock = allocate_lock()
_acquire, _release = LockType.acquire, LockType.release  # Real ones, held before any run.


class Entropy:
    """One world's sources of randomness, and its variables in the standard library.

    Args:
        streams: The streams of the world's seed. ``program`` is the ``random`` module's,
            ``program/os`` the operating system's.
    """

    __slots__ = ("_clock_sequence", "_gauss", "_os", "_state", "_streams", "_uuid_time", "_values")

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._os: random.Random | None = None
        self._state: bytes | None = None
        self._gauss: float | None = None
        self._values: Values = {}
        self._clock_sequence: int | None = None
        self._uuid_time = 0

    def draw(self, size: int) -> bytes:
        """Return bytes that the program takes for the operating system's entropy."""
        if self._os is None:
            self._os = self._streams.stream("program/os")
        return self._os.randbytes(size)

    def uuid_time(self, wall_ns: int) -> tuple[int, int]:
        """Return a time for ``uuid1``, never the same twice, and the world's clock sequence."""
        if self._clock_sequence is None:
            self._clock_sequence = int.from_bytes(self.draw(2), "big") & 0x3FFF
        self._uuid_time = max(wall_ns // 100 + _UUID_EPOCH, self._uuid_time + 1)
        return self._uuid_time, self._clock_sequence

    def enter(self, start_ns: int) -> _Saved:
        """Put the world's state in place; returns what was there."""
        if self._state is None:
            self._state = _first_state(self._streams)
        hidden: Any = _hidden
        _acquire(_lock)
        try:
            values = exchange(self._values, Start(self._streams, start_ns))
            saved = _Saved(bytes(_state), hidden.gauss_next, values)
            _state[:] = self._state
            hidden.gauss_next = self._gauss
            _entered.append(saved)
        finally:
            _release(_lock)
        return saved

    def exit(self, saved: _Saved) -> None:
        """Keep the world's state for its next run and put back what was there."""
        hidden: Any = _hidden
        _acquire(_lock)
        try:
            if _entered[-1] is saved:
                _entered.pop()
                self._state, self._gauss = bytes(_state), hidden.gauss_next
                _state[:] = saved.state
                hidden.gauss_next = saved.gauss
                give_back(self._values, saved.values)
            else:
                self._leave_to_later(saved)
        finally:
            _release(_lock)

    def _leave_to_later(self, saved: _Saved) -> None:
        """Leave while a run that began later is on: that one found our state, and has it."""
        position = next(at for at, each in enumerate(_entered) if each is saved)
        del _entered[position]
        later = _entered[position]
        self._state, self._gauss = later.state, later.gauss
        self._values.update(later.values)
        later.state, later.gauss, later.values = saved.state, saved.gauss, saved.values


_first_states: dict[str, bytes] = {}
_FIRST_STATES_MAX = 64


def _first_state(streams: Streams) -> bytes:
    """Return the state that the ``random`` module begins a world with, from memory if it can."""
    known = _first_states.get(seed := str(streams.seed))
    if known is None:
        if len(_first_states) >= _FIRST_STATES_MAX:
            _first_states.clear()
        program = streams.stream("program")
        _first_states[seed] = known = bytes(memory(program, HEAD_SIZE, _STATE_BYTES))
    return known


def _urandom(size: int, /) -> Any:
    run = running.get(get_ident())
    if run is None:
        return _real_urandom(size)
    if size < 0:
        raise ValueError("negative argument not allowed")
    return run.entropy.draw(size)


def _getrandom(size: int, flags: int = 0) -> Any:
    run = running.get(get_ident())
    return _real_getrandom(size, flags) if run is None else run.entropy.draw(size)


def _seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
    """Seed from the world where the program leaves it to the system."""
    if a is None:
        run = running.get(get_ident())
        if run is not None:
            a = int.from_bytes(run.entropy.draw(_SEED_BYTES), "big")
    _real_seed(generator, a, version)


def _generate_time_safe() -> Any:
    """Make the sixteen bytes of a ``uuid1`` as the system's library does."""
    run = running.get(get_ident())
    if run is None:
        return _real_generate_time_safe()
    time, sequence = run.entropy.uuid_time(run.start_ns + run.clock.now_ns)
    high = (time & 0xFFFF_FFFF) << 32 | (time >> 32 & 0xFFFF) << 16 | 1 << 12 | time >> 48 & 0x0FFF
    low = (0x8000 | sequence) << 48 | uuid.getnode()
    return (high << 64 | low).to_bytes(16, "big"), None


def _draw_node() -> int:
    """Draw a hardware address, marked as drawn by its multicast bit."""
    run = running.get(get_ident())
    node = _real_urandom(6) if run is None else run.entropy.draw(6)
    return int.from_bytes(node, "big") | 1 << 40


_real_urandom = redirect(os.urandom, _urandom)
if hasattr(os, "getrandom"):
    _real_getrandom = redirect(os.getrandom, _getrandom)
# In place, because random.seed is a bound method that was made when the module was.
_real_seed = rewrite(random.Random.seed, _seed)
entry(uuid, "_GETTERS", [_draw_node])
if uuid._generate_time_safe is not None:  # type: ignore[attr-defined]
    _real_generate_time_safe = redirect(
        uuid._generate_time_safe,  # type: ignore[attr-defined]
        _generate_time_safe,
    )
