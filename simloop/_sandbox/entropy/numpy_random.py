"""numpy's one generator for everybody, if numpy is loaded.

Owns: exchanging the state behind ``numpy.random.rand()`` and its kin, and the bit generator that
the program may have put there. ``default_rng()`` needs nothing: it seeds itself from ``secrets``.

The state of the usual bit generator is read and written where it lies in memory: numpy's own way
makes an array and a dictionary of it, which would cost each run five times as much as all the rest
of its sealing. Where it is not found there, numpy's own way is taken.

Must not know: anything else of numpy; it never imports it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.memory import address_of, memory_at
from simloop._sandbox.patching.module_state import keeper
from simloop._sandbox.patching.registry import when_loaded

if TYPE_CHECKING:
    from types import ModuleType

    from simloop._sandbox.patching.module_state import Start

__all__: list[str] = []

_KEY_BYTES = 624 * 4
_POSITION_BYTES = 4
_GAUSS = struct.Struct("@id")
"""How it keeps the second number of a pair that was drawn: whether there is one, and which."""


class _Legacy:
    """The state of the generator that numpy's module functions share."""

    key = "numpy.random"
    compares = False  # Of arrays, it gives an array.
    glance = None

    def __init__(self, module: ModuleType) -> None:
        self._module: Any = module
        self._generator: Any = module.mtrand._rand
        self._gauss_at = _gauss_at(module)
        self._bits: Any = None
        self._views: tuple[memoryview, ...] = ()

    def get(self) -> Any:
        """Return the state."""
        bits = self._look()
        if self._views:
            return bits, tuple(map(bytes, self._views))
        return bits, self._generator.get_state(legacy=False)

    def set(self, value: Any) -> None:
        """Put a state in place."""
        bits, state = value
        if self._look() is not bits:  # The program changed it, or the world's program had.
            self._module.set_bit_generator(bits)
            self._look()
        if self._views:
            for view, part in zip(self._views, state, strict=True):
                view[:] = part
        else:
            self._generator.set_state(state)

    def begin(self, start: Start) -> None:
        """Put a new world's first state in place."""
        seed = start.streams.stream("program/numpy").getrandbits(32)
        bits = self._look()
        if type(bits).__name__ == "MT19937":
            self._generator.seed(seed)
        else:
            state = type(bits)(seed).state
            self._generator.set_state({**state, "has_gauss": 0, "gauss": 0.0})

    def _look(self) -> Any:
        """Return the bit generator; if it is another one than before, find its memory."""
        bits = self._generator._bit_generator
        if bits is not self._bits:
            self._bits = bits
            self._views = _views_of(self._generator, bits, self._gauss_at)
        return bits


def _views_of(generator: Any, bits: Any, gauss_at: int | None) -> tuple[memoryview, ...]:
    """Return where the state lies in memory: nowhere, unless it is what numpy says it is."""
    if gauss_at is None or type(bits).__name__ != "MT19937":
        return ()
    told = generator.get_state(legacy=False)
    numbers = memory_at(bits.ctypes.state_address, _KEY_BYTES + _POSITION_BYTES)
    expected = told["state"]["key"].tobytes() + struct.pack("@i", told["state"]["pos"])
    gauss = memory_at(address_of(generator) + gauss_at, _GAUSS.size)
    if bytes(numbers) != expected or _GAUSS.unpack(gauss) != (told["has_gauss"], told["gauss"]):
        return ()
    return numbers, gauss


def _gauss_at(module: Any) -> int | None:
    """Return where an object of numpy's keeps that second number, or None if that is unclear."""
    probe = module.RandomState(1)
    probe.standard_normal()
    told = probe.get_state(legacy=False)
    size = type(probe).__basicsize__
    held = bytes(memory_at(address_of(probe), size))
    found: int = held.find(_GAUSS.pack(told["has_gauss"], told["gauss"]))
    return found if found > 0 else None


when_loaded("numpy.random", lambda module: keeper(_Legacy(module)))
