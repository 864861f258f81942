"""Libraries that bring loops or transports of their own, in C, in the place of asyncio's.

Owns: sending them back to the world's loop in a run. uvloop, which uvicorn and others take where it
is there, makes loops that live by the machine's clock and network: in a run its functions give a
loop of the world, as asyncio's own do (:mod:`simloop._sandbox.asyncio_.event_loops`). aiofastnet,
which aiohttp takes where it is there, sends and receives by the numbers of descriptors, and a
virtual one is no number of the system's. For loops of Windows it has a way of its own to stand on
what the loop has, TLS included: here, too.

Must not know: how the loop does it.

Invariant: a library that is not loaded costs nothing, and none is loaded for this.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import rewrite, when_loaded
from simloop._sandbox.permissions import is_allowed
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []


def _register_aiofastnet(module: ModuleType) -> None:
    real: Any = getattr(module, "_should_fallback_to_asyncio", None)
    if not hasattr(real, "__code__"):
        return  # Not in this version.

    def stands_on_the_loop(loop: Any) -> Any:
        return get_ident() in by_thread or real(loop)

    real = rewrite(real, stands_on_the_loop)


when_loaded("aiofastnet.wrapped_transport", _register_aiofastnet)


def _stands_in_a_run() -> bool:
    seat = by_thread.get(get_ident())
    return seat is not None and seat.become_loop is not None and not is_allowed("sockets")


def _register_uvloop(module: ModuleType) -> None:
    real_new, real_run = module.new_event_loop, module.run

    def new_event_loop() -> Any:
        return asyncio.SelectorEventLoop() if _stands_in_a_run() else real_new()

    def run(main: Any, *, loop_factory: Any = None, debug: Any = None, **options: Any) -> Any:
        if loop_factory is None:
            loop_factory = module.new_event_loop
        if not _stands_in_a_run():
            return real_run(main, loop_factory=loop_factory, debug=debug, **options)
        # Its own refuses a loop that is none of uvloop's.
        with asyncio.Runner(loop_factory=loop_factory, debug=debug, **options) as runner:
            return runner.run(main)

    real_new = rewrite(real_new, new_event_loop)
    real_run = rewrite(real_run, run)


when_loaded("uvloop", _register_uvloop)
