"""Classes of the standard library that programs keep in sets: all that its modules define.

Owns: which modules these are. Every class of theirs that hashes by address is named, so that a new
version of Python brings no new holes: protocols, transports, streams, servers, loops, locks,
events, conditions, semaphores, barriers, queues, timeouts, task groups, handles; futures, executors
and waiters; threads, timers, local data; sockets, contexts and objects of TLS; processes, pools,
managers and connections.

Must not know: how an object hashes by number.

Invariant: a module that is not loaded is not loaded for this; it is seen to when it is.

What cannot be had: loops, which asyncio hashes in each step of a task (its table of current tasks),
so that a method in Python would slow down every program; ``ssl.MemoryBIO``, ``ssl.SSLSession``,
``select.epoll`` and ``select.poll`` objects (C, they keep neither attribute nor weak reference);
and coroutines, generators, functions, bound methods and classes, which are hashed for each call of
``asyncio.gather``, by dispatch tables and by decorators: a number for each would slow those down.
``asyncio.as_completed`` is seen to otherwise: :mod:`.completion_order`.
"""

from __future__ import annotations

import asyncio.trsock
import sys
from typing import TYPE_CHECKING

from simloop._sandbox.patching.registry import when_loaded

from .object_hashes import hashes_by_address, name_class

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["LATE", "PREFIXES"]

PREFIXES = (
    "asyncio",
    "concurrent.futures",
    "multiprocessing",
    "queue",
    "selectors",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "threading",
)
"""Modules, and packages with all that is in them."""

LATE = (
    "concurrent.futures.interpreter",
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "multiprocessing.connection",
    "multiprocessing.context",
    "multiprocessing.dummy",
    "multiprocessing.dummy.connection",
    "multiprocessing.forkserver",
    "multiprocessing.heap",
    "multiprocessing.managers",
    "multiprocessing.pool",
    "multiprocessing.popen_fork",
    "multiprocessing.popen_forkserver",
    "multiprocessing.popen_spawn_posix",
    "multiprocessing.process",
    "multiprocessing.queues",
    "multiprocessing.reduction",
    "multiprocessing.resource_sharer",
    "multiprocessing.resource_tracker",
    "multiprocessing.shared_memory",
    "multiprocessing.sharedctypes",
    "multiprocessing.spawn",
    "multiprocessing.synchronize",
    "multiprocessing.util",
    "queue",
    "socketserver",
)
"""Those that nothing of ours loads."""

_IN_C = (
    ("_io", "_IOBase"),  # Of all files, also of a socket's and a process's.
    ("_queue", "SimpleQueue"),
    ("_thread", "LockType"),
    ("_thread", "RLock"),
    ("_thread", "_local"),
    ("_thread", "_ThreadHandle"),
)


_HOT = (asyncio.AbstractEventLoop,)
"""What asyncio hashes twice in each step of a task, up to Python 3.13."""


_BELOW = tuple(f"{prefix}." for prefix in PREFIXES)


def _is_ours(name: str) -> bool:
    return name in PREFIXES or name.startswith(_BELOW)  # Of two thousand classes, at start-up.


def _name_classes(module: ModuleType) -> None:
    """Name each class that a module defines; a base before what is derived from it."""
    for found in tuple(vars(module).values()):
        if not isinstance(found, type) or issubclass(found, BaseException):
            continue
        for cls in reversed(found.__mro__):
            if _is_ours(cls.__module__) and hashes_by_address(cls) and cls not in _HOT:
                # What hides a transport's socket keeps nothing of ours, and is its run's.
                name_class(cls, stays_in_run=cls is asyncio.trsock.TransportSocket)


def _name_all() -> None:
    for module, name in _IN_C:
        cls = getattr(sys.modules.get(module), name, None)
        if cls is not None:
            name_class(cls)
    for name, loaded in sys.modules.copy().items():
        if _is_ours(name) and loaded is not None:  # None blocks an import.
            _name_classes(loaded)
    for name in LATE:
        if sys.modules.get(name) is None:
            when_loaded(name, _name_classes)


_name_all()
