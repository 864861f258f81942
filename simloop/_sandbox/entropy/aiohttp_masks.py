"""The generator that aiohttp draws WebSocket masks from, if aiohttp is loaded.

Owns: lending it. It is made once, when the module is loaded, outside of any run, and what is drawn
from it goes over the wire. Its state is not exchanged, which would cost each run as much as a third
of all its sealing: while runs are on it becomes an object of a class that hands out the methods of
the run's own generator, which is made when it is first asked for.

Must not know: anything else of aiohttp; it never imports it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import patch, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []


class _Lent(random.Random):
    """A generator that is somebody else's for whoever is in a run."""

    @property
    def random(self) -> Any:
        """The method that gives the next number."""
        own = _own()
        return super().random if own is None else own.random

    @property
    def getrandbits(self) -> Any:
        """The method that gives the next bits."""
        own = _own()
        return super().getrandbits if own is None else own.getrandbits


def _own() -> random.Random | None:
    run = by_thread.get(get_ident())
    return None if run is None else run.entropy.stream("program/masks")


class _Lending:
    """Lends one generator while runs are on."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator

    def on(self) -> None:
        """Hand out the methods of a run's own."""
        self._generator.__class__ = _Lent

    def off(self) -> None:
        """Be what it was."""
        self._generator.__class__ = random.Random


def _lend(module: ModuleType) -> None:
    """Find the generator; a version of aiohttp that has none needs nothing."""
    make = module.WebSocketWriter.__init__
    for default in [*(make.__defaults__ or ()), *(make.__kwdefaults__ or {}).values()]:
        if type(default) is random.Random:
            patch(_Lending(default))


when_loaded("aiohttp._websocket.writer", _lend)
