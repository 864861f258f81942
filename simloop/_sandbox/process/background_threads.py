"""Objects with one thread in the background that outlive a run: each run finds them working.

Owns: what becomes of a thread that serves an object for ever, where that object is used in a run,
in a later one, and outside. Its thread belongs to one side, as a pool's workers do (:mod:`.pools`).
So where the object is used in a run, the thread from outside is told to end, and one of the run
takes its place; when the run is over, one from outside goes on with what is left.

- ``logging.handlers.QueueListener``, which a ``QueueHandler`` with the same queue uses.
- OpenTelemetry's batch processors, of spans and of logs.

A thread of the program's own can't be begun anew, because what it has done already is not known:
what waits for one is told that it ended.

Must not know: how a thread of a run ends.

Invariants: outside of runs nothing is different for an object that no run has used. Objects are
known weakly.
"""

from __future__ import annotations

import functools
import os
import queue
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from simloop._sandbox.patching.registry import entry, when_loaded

from .pools import threads_of_run

if TYPE_CHECKING:
    from types import ModuleType

    from simloop._sandbox.contracts import Threads

__all__: list[str] = []


class _Kind(Protocol):
    """How an object of one kind keeps its thread."""

    def thread(self, served: Any, /) -> threading.Thread | None:
        """Return its thread, or None when it was stopped."""

    def start(self, served: Any, /) -> None:
        """Give it a thread, on the side of the caller."""

    def stop(self, served: Any, /) -> None:
        """End its thread, which is one from outside, when that has done what is left."""


def _serve_run(kind: _Kind, served: Any, threads: Threads) -> None:
    """Let a thread of the run serve an object, until the run is over."""
    thread = kind.thread(served)
    if thread is None or (thread.is_alive() and threads.ended(thread) is not None):
        return
    if thread.is_alive():
        try:
            with threads.for_real():
                kind.stop(served)
        except queue.Full:
            return  # Its thread can't be told.
    kind.start(served)
    _go_on_later(kind, served, threads)


def _go_on_later(kind: _Kind, served: Any, threads: Threads) -> None:
    """Let an object go on outside when the run is over, unless it was stopped."""
    find, thread = weakref.ref(served), kind.thread(served)

    def give_back() -> bool:
        if thread is not None and thread.is_alive():
            return False
        found = find()
        if found is not None and kind.thread(found) is thread:
            kind.start(found)
        return True

    threads.when_ended(give_back)


# logging.handlers.QueueListener --------------------------------------------------------------


class _Listeners:
    """Listeners of a queue of log records."""

    def __init__(self, real_start: Any) -> None:
        self._real_start = real_start

    def thread(self, served: Any, /) -> threading.Thread | None:
        """Return the thread that takes records."""
        thread: threading.Thread | None = served._thread
        return thread

    def start(self, served: Any, /) -> None:
        """Take records from now on."""
        served._thread = None  # 3.14 refuses to start one that has a thread.
        self._real_start(served)

    def stop(self, served: Any, /) -> None:
        """Take those that are there, and end."""
        served.stop()

    def of(self, records: Any) -> Any:
        """Return the listener of a queue, or None; its thread tells, if it is alive."""
        for thread in list(vars(threading)["_active"].values()):
            listener = getattr(getattr(thread, "_target", None), "__self__", None)
            if getattr(listener, "queue", None) is records and hasattr(listener, "_monitor"):
                return listener
        return None


def _register_listener(module: ModuleType) -> None:
    real_start, real_emit = module.QueueListener.start, module.QueueHandler.emit
    listeners = _Listeners(real_start)

    @functools.wraps(real_start)
    def start(self: Any) -> None:
        real_start(self)
        threads = threads_of_run()
        if threads is not None:
            _go_on_later(listeners, self, threads)

    @functools.wraps(real_emit)
    def emit(self: Any, record: Any) -> None:
        threads = threads_of_run()
        if threads is not None and not threads.is_foreign:
            listener = listeners.of(self.queue)
            if listener is not None:
                _serve_run(listeners, listener, threads)
        real_emit(self, record)

    entry(module.QueueListener, "start", start)
    entry(module.QueueHandler, "emit", emit)


when_loaded("logging.handlers", _register_listener)


# OpenTelemetry's batch processors --------------------------------------------------------------


class _BatchProcessors:
    """Processors that export what was recorded, some time later."""

    def thread(self, served: Any, /) -> threading.Thread | None:
        """Return the thread that exports."""
        if served._shutdown:
            return None
        thread: threading.Thread = served._worker_thread
        return thread

    def start(self, served: Any, /) -> None:
        """Export from now on."""
        served._pid = os.getpid()  # A run's differs, which is no fork: that would clear the queue.
        served._worker_awaken.clear()
        served._worker_thread = thread = threading.Thread(
            name=served._worker_thread.name, target=served.worker, daemon=True
        )
        thread.start()

    def stop(self, served: Any, /) -> None:
        """Export what is there, and end."""
        served._shutdown = True
        served._worker_awaken.set()
        served._worker_thread.join()
        served._shutdown = False


def _register_batch_processor(module: ModuleType) -> None:
    processors = _BatchProcessors()
    real_init, real_emit = module.BatchProcessor.__init__, module.BatchProcessor.emit

    @functools.wraps(real_init)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        real_init(self, *args, **kwargs)
        threads = threads_of_run()
        if threads is not None:
            _go_on_later(processors, self, threads)

    @functools.wraps(real_emit)
    def emit(self: Any, data: Any) -> None:
        threads = threads_of_run()
        if threads is not None and not threads.is_foreign:
            _serve_run(processors, self, threads)
        real_emit(self, data)

    entry(module.BatchProcessor, "__init__", init)
    entry(module.BatchProcessor, "emit", emit)


when_loaded("opentelemetry.sdk._shared_internal", _register_batch_processor)
