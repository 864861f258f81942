"""Turns of a world while its script blocks outside of a loop: machines go on meanwhile.

Owns: running the kernel where no loop runs it, because the script that began the run sleeps, reads
from a socket or waits for a thread. On real machines nobody would wait for it.

Must not know: what the script waits for.

Invariants:

- A loop of the script's own that does not run does not run here either: what is ready on it keeps
  its place, by the stash that a stopped process has.
- The script's process is in place again when the wait goes on, and no loop runs.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER
from simloop._sandbox import shield, unshield

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BlockedScript"]


class BlockedScript:
    """Stands where a loop would, while the script's main thread waits.

    Args:
        world: The world, which holds it.
    """

    _stopping = False

    def __init__(self, world: Any) -> None:
        self._world = world

    def stop(self) -> None:
        """Let the wait look again after this turn."""
        self._stopping = True

    def run(self, deadline_ns: int) -> None:
        """Run turns until told to stop, or until a time.

        Raises:
            DeadlockError: Nothing can ever end the wait.
        """
        kernel = self._world.kernel
        self._stopping = False
        timer = None
        if deadline_ns < NEVER:
            timer = kernel.call_at_ns(max(deadline_ns, kernel.now_ns), self.stop)
        running, hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
        stashes = list(self._stop_own_loops())
        kernel.attach()  # What runs here is no loop's, so each step is to step into its own.
        kernel.is_running = True
        kernel.leave_loop()
        shields = shield(kernel.limits)
        try:
            kernel.run(self)
        finally:
            if shields:
                unshield(shields)
            kernel.is_running = False
            kernel.leave_loop()
            kernel.detach()
            for loop, stash in stashes:
                loop._stash = None
                kernel.ready.extendleft(reversed(stash))
            if timer is not None:
                timer.cancel()
            self._world.sandbox.switch_to(self._world.sandbox)
            asyncio._set_running_loop(running)
            sys.set_asyncgen_hooks(*hooks)
        kernel.limits.make_deferred()

    def _stop_own_loops(self) -> Iterator[tuple[Any, list[Any]]]:
        for loop in self._world.process.loops:
            if loop._stash is None and not loop.is_running():
                stash: list[Any] = []
                loop._stash = stash
                yield loop, stash
