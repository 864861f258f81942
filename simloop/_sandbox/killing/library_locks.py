"""Locks of the standard library that a killed thread holds: freed, for all processes share them.

On machines each process has its own. Here modules are shared, so the lock of a handler of
:mod:`logging` whose ``emit`` was cut short would keep out all others that log, and at last
``logging.shutdown``, with which the interpreter ends; that of all executors, which ``submit`` holds
while its thread starts, would keep out whoever has a job.

Owns: finding those locks and freeing them, as both modules do it in a process that was forked.

Must not know: why a thread never goes on.
"""

from __future__ import annotations

import re
import sys
from _thread import RLock
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import original
from simloop._sandbox.process.threads import wake
from simloop._sandbox.shown_stacks import is_engine

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

__all__ = ["free_library_locks"]

_real_frames = original(sys._current_frames)

_OWNER = re.compile(r"owner=(\d+)")  # rlock_repr in Modules/_threadmodule.c


def free_library_locks(idents: Collection[int]) -> None:
    """Free what these threads hold, by their real identifiers, and let others have it."""
    if not idents:
        return
    _free_lock_of_executors(idents)
    for lock in _locks_of_logging():
        owner = _OWNER.search(repr(lock))
        if owner is not None and int(owner[1]) in idents:
            lock._at_fork_reinit()
            wake(lock)


def _free_lock_of_executors(idents: Collection[int]) -> None:
    """Free what a thread holds that was cut short in ``submit``, whose body holds it throughout."""
    executors: Any = sys.modules.get("concurrent.futures.thread")
    lock = getattr(executors, "_global_shutdown_lock", None)
    if lock is None or not lock.locked():
        return
    # Without a name for all frames: this one is among them, and would hold all their variables.
    if any(_submits(_real_frames().get(each), executors.__file__) for each in idents):
        lock.release()
        wake(lock)


def _submits(frame: FrameType | None, file: str) -> bool:
    """Tell whether a thread stands in something that ``submit`` calls, but for its locks."""
    calls_more = False
    while frame is not None:
        if frame.f_code.co_filename == file and frame.f_code.co_name == "submit":
            return calls_more
        calls_more = calls_more or not is_engine(frame)
        frame = frame.f_back
    return False


def _locks_of_logging() -> Iterator[Any]:
    logging: Any = sys.modules.get("logging")
    if logging is None:
        return
    handlers = [each() for each in list(logging._handlerList)]
    for lock in (logging._lock, *(getattr(each, "lock", None) for each in handlers)):
        if type(lock) is RLock:
            yield lock
