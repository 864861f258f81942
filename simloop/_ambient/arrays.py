"""numpy's one generator for everybody, if numpy is loaded.

Owns: exchanging the state behind ``numpy.random.rand()`` and its kin. ``default_rng()`` needs
nothing: it seeds itself from ``secrets``.

Must not know: anything else of numpy; it never imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .patches import when_loaded
from .variables import keeper

if TYPE_CHECKING:
    from types import ModuleType

    from .variables import Start

__all__: list[str] = []


class _Legacy:
    """The state of the generator that numpy's module functions share."""

    key = "numpy.random"

    def __init__(self, module: ModuleType) -> None:
        self._generator: Any = module.mtrand._rand

    def get(self) -> Any:
        """Return the state."""
        return self._generator.get_state(legacy=False)

    def set(self, value: Any) -> None:
        """Put a state in place."""
        self._generator.set_state(value)

    def begin(self, start: Start) -> None:
        """Put a new world's first state in place."""
        self._generator.seed(start.streams.stream("program/numpy").getrandbits(32))


when_loaded("numpy.random", lambda module: keeper(_Legacy(module)))
