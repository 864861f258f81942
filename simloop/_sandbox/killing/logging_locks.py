"""Locks of :mod:`logging` that a killed thread holds: freed, for all processes share them.

On machines each process has its own. Here modules are shared, so the lock of a handler whose
``emit`` was cut short would keep out all others that log, and at last ``logging.shutdown``, with
which the interpreter ends.

Owns: finding those locks and freeing them, as ``logging`` does it in a process that was forked.

Must not know: why a thread never goes on.
"""

from __future__ import annotations

import re
import sys
from _thread import RLock
from typing import TYPE_CHECKING, Any

from simloop._sandbox.process.threads import wake

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["free_logging_locks"]

_OWNER = re.compile(r"owner=(\d+)")  # rlock_repr in Modules/_threadmodule.c


def free_logging_locks(idents: Collection[int]) -> None:
    """Free what these threads hold, by their real identifiers, and let others have it."""
    for lock in _locks() if idents else ():
        owner = _OWNER.search(repr(lock))
        if owner is not None and int(owner[1]) in idents:
            lock._at_fork_reinit()
            wake(lock)


def _locks() -> Iterator[Any]:
    logging: Any = sys.modules.get("logging")
    if logging is None:
        return
    handlers = [each() for each in list(logging._handlerList)]
    for lock in (logging._lock, *(getattr(each, "lock", None) for each in handlers)):
        if type(lock) is RLock:
            yield lock
