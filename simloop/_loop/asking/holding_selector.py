"""The selector of an explored loop: each watched descriptor may be reported later than it is ready.

Owns: which watches are held. Holding is level-triggered: what arrives while a descriptor is held is
there when it is reported, and nothing is lost or reordered inside a stream.

Must not know: who answers.

Invariants: a held watch is no suspect; one that was released is reported once without being asked
about again; where nothing is held, ``select`` answers as :class:`MemorySelector` does.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._loop.io.selector import MemorySelector, Watch

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable

    from _typeshed import FileDescriptorLike

    from simloop.net.host import Host

__all__ = ["HoldingSelector"]


class HoldingSelector(MemorySelector):
    """A selector over the descriptors of one virtual host, which asks the gate.

    Args:
        host: The host whose descriptors are registered.
        on_ready: Called when there is something to select.
        loop: The loop that selects.
    """

    def __init__(self, host: Host, on_ready: Callable[[], None], loop: Any) -> None:
        super().__init__(host, on_ready)
        self._kernel = loop._kernel
        self._loop = loop
        self._context = copy_context()
        self._held: dict[Watch, Any] = {}
        self._released: dict[Watch, None] = {}

    def _suspect(self, watch: Watch) -> None:
        if watch not in self._held:
            super()._suspect(watch)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Stop watching; KeyError if it is not registered."""
        key = super().unregister(fileobj)
        for watch in [each for each in self._released if each.key is key]:
            del self._released[watch]
        for watch in [each for each in self._held if each.key is key]:
            self._held.pop(watch).cancel()
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return ``[(key, events), ...]`` of what is ready now and told now."""
        del timeout
        self._is_told = False
        ready = []
        for watch in list(self._suspects):
            level = watch.level()
            if not level or self._holds(watch):
                del self._suspects[watch]
            else:
                ready.append((watch, level))
        if len(ready) > 1:
            ready = self._kernel.arrange(ready)
        return [(watch.key, level) for watch, level in ready]

    def _holds(self, watch: Watch) -> bool:
        if watch in self._released:
            del self._released[watch]
            return False
        ns = self._kernel.delay_ns("hold", watch)
        if ns:
            self._held[watch] = self._kernel.call_after(
                ns, self._release, (watch,), self._context, self._loop
            )
        return bool(ns)

    def _release(self, watch: Watch) -> None:
        """Report a watch: the hold is over."""
        del self._held[watch]
        if watch.level():
            self._released[watch] = None
            super()._suspect(watch)
