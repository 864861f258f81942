"""Blocking calls on virtual sockets and pipes: they wait as their thread waits.

Owns: what a host does where ``recv`` on a blocking socket, or ``os.read`` on a pipe, would wait. A
thread hands the turn back and is woken when the file may be ready. The loop's own thread may wait
only while there are threads that could do something about it; else it would wait for itself, and
the network refuses as it does without threads.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds, seconds
from simloop.net.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable

    from .thread_scheduler import ThreadScheduler

__all__ = ["let_threads_block"]


def let_threads_block(host: Host, scheduler: ThreadScheduler) -> None:
    """Make blocking calls of a host's threads wait in virtual time."""
    # The host keeps the function: known to it weakly, a run leaves no cycle to the collector.
    known: Any = weakref.proxy(host)

    def on_would_block(sock: Any, what: str, timeout: float | None) -> float | None:
        if scheduler.current is None and not (scheduler.sim_threads or scheduler.turns):
            return Host.on_would_block(known, sock, what, timeout)
        file = known.file(sock if isinstance(sock, int) else sock.fileno())
        timeout_ns = None if timeout is None else nanoseconds(timeout)
        clock = scheduler.clock
        until_ns = None if timeout_ns is None else clock.now_ns + timeout_ns
        waiter = scheduler.waiter(f"{what} on {sock!r}", timeout_ns)
        file.watch_readable(waiter.wake)
        file.watch_writable(waiter.wake)
        try:
            if not waiter.park():
                raise TimeoutError("timed out")
        finally:
            file.unwatch_readable(waiter.wake)
            file.unwatch_writable(waiter.wake)
        return None if until_ns is None else max(0.0, seconds(until_ns - clock.now_ns))

    def wait_in_line(
        what: str, line: list[Callable[[], object]], is_taken: Callable[[], bool]
    ) -> None:
        waiter = scheduler.waiter(what, None)
        while is_taken():
            if waiter.wake not in line:
                line.append(waiter.wake)
            waiter.park()

    host.wait_in_line = wait_in_line  # type: ignore[method-assign]  # a hook, meant for this
    host.on_would_block = on_would_block  # type: ignore[method-assign]  # a hook, meant for this
