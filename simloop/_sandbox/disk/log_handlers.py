"""Handlers of ``logging`` that write to a file of a host: each belongs to the process that made it.

Owns: that such a handler takes the records of its own process alone, and goes with that process.
Loggers are one set for the whole interpreter, and real processes have one set each. So without this
a host's log would hold what other hosts log, a program that boots again would find the handler of
its last boot, and each record would be an error of a file that is closed.

Must not know: handlers that write elsewhere, and those of the test itself: they hear all.

Invariant: no lock of logging's is taken here: a killed thread may hold it for ever.
"""

from __future__ import annotations

import logging
import weakref
from typing import Any

from simloop._sandbox.patching.registry import rewrite

from .callers import calls_of_descriptors

__all__ = ["remove_log_handlers"]

_owners: weakref.WeakKeyDictionary[logging.Handler, Any] = weakref.WeakKeyDictionary()
"""Weak references to the calls of the processes that made them."""


def _init(self: logging.FileHandler, *args: Any, **kwargs: Any) -> None:
    calls = calls_of_descriptors()
    if calls is not None and calls.pid is not None:
        _owners[self] = weakref.ref(calls)
    _real_init(self, *args, **kwargs)


def _handle(self: logging.Handler, record: logging.LogRecord) -> Any:
    owner = _owners.get(self) if _owners else None
    if owner is not None and owner() is not calls_of_descriptors():
        return False
    return _real_handle(self, record)


_real_init = rewrite(logging.FileHandler.__init__, _init)
_real_handle = rewrite(logging.Handler.handle, _handle)


def remove_log_handlers(calls: Any) -> None:
    """Take the handlers of a process that has ended from all loggers."""
    if not any(owner() is calls for owner in _owners.values()):
        return
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        if isinstance(logger, logging.Logger):
            logger.handlers[:] = [each for each in logger.handlers if not _is_of(each, calls)]


def _is_of(handler: logging.Handler, calls: Any) -> bool:
    owner = _owners.get(handler)
    return owner is not None and owner() is calls
