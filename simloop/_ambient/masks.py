"""The generator that aiohttp draws WebSocket masks from, if aiohttp is loaded.

Owns: exchanging its state. It is made once, when the module is loaded, outside of any run, and what
is drawn from it goes over the wire.

Must not know: anything else of aiohttp; it never imports it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from .patches import when_loaded
from .variables import keeper

if TYPE_CHECKING:
    from types import ModuleType

    from .variables import Start

__all__: list[str] = []


class _Masks:
    """A generator that is the default of an argument."""

    key = "aiohttp.WebSocketWriter.random"

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator

    def get(self) -> Any:
        """Return the state."""
        return self._generator.getstate()

    def set(self, value: Any) -> None:
        """Put a state in place."""
        self._generator.setstate(value)

    def begin(self, start: Start) -> None:
        """Put a new world's first state in place."""
        self._generator.seed(start.streams.stream("program/masks").getrandbits(64))


def _keep(module: ModuleType) -> None:
    """Find the generator; a version of aiohttp that has none needs nothing."""
    make = module.WebSocketWriter.__init__
    for default in [*(make.__defaults__ or ()), *(make.__kwdefaults__ or {}).values()]:
        if isinstance(default, random.Random):
            keeper(_Masks(default))


when_loaded("aiohttp._websocket.writer", _keep)
