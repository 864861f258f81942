"""The accelerator: twins in C of the engine's hottest methods, where they were built.

Owns: which method has a twin, and putting them in place. The Python method is the reference, and
what to read first; the function in C of the same name does the same to the same objects, in less
time. There is no second engine: nothing is kept here, and a twin that meets what it does not know
(a subclass, debug mode, an argument of another class, a method that was replaced) calls the Python
method, as if it were not there. So results, errors, steps and digests are the pure engine's.

How. ``twins`` is the extension module, of the C files of this folder, one for each subject; a
:class:`~simloop._speed.twins.door` stands in a class where the Python function stood. It is built
on demand (``build_accelerator.py``); where it is not there, was built for another Python or lays
things out otherwise, the engine is pure, in silence. ``SIMLOOP_PURE=1`` switches it off.

Must not know: worlds, and what runs in them.

Invariants: the table below names all that is exchanged; :func:`switch` exchanges all of it or
nothing, and no run may be on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import dis
import os
from collections import deque
from heapq import heappop, heappush
from itertools import repeat
from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER, Handle, Kernel, Limits, TimerHandle, TimerWheel
from simloop._kernel.timer_wheel import TellingWheel
from simloop._kernel.watched_turns import in_a_frame, turns_with_sole_observer
from simloop._loop import SimLoop
from simloop._loop.core import scheduling, tasks
from simloop._loop.transports.base_transport import SocketTransport
from simloop._loop.transports.datagram_transport import DatagramTransport
from simloop._loop.transports.stream_transport import StreamTransport, UnixStreamTransport
from simloop.net.fabric import Fabric
from simloop.net.inet.buffers import ByteQueue
from simloop.net.inet.byte_stream import FastWriter, StreamSocket
from simloop.trace import digest

try:
    from . import twins
except ImportError:  # Not built, or for another Python.
    twins = None  # type: ignore[assignment]  # a module that is not there

if TYPE_CHECKING:
    from types import CodeType, FunctionType, ModuleType

__all__ = ["is_on", "switch"]

_METHODS: tuple[tuple[type, str, str], ...] = (  # A class, its method, the name of the twin.
    (TimerHandle, "cancel", "cancel"),
    (scheduling.Scheduling, "call_soon", "call_soon"),
    (scheduling.Scheduling, "call_later", "call_later"),
    (scheduling.Scheduling, "call_at", "call_at"),
    (scheduling.Scheduling, "time", "time"),
    (tasks.Tasks, "create_future", "create_future"),
    (tasks.Tasks, "create_task", "create_task"),
    (TimerWheel, "add", "add"),
    (TimerWheel, "next_ns", "next_ns"),
    (TimerWheel, "take", "take"),
    (TimerWheel, "move_due", "move_due"),
    (TellingWheel, "add", "add_and_tell"),
    (Kernel, "jump", "jump"),
    (FastWriter, "write", "write"),
    (SocketTransport, "_wake", "_wake"),
    (StreamTransport, "_read_step", "_read_step"),
)

_WATCHED: tuple[tuple[type, tuple[str, ...]], ...] = (
    (Handle, ("__init__", "__new__")),
    (TimerHandle, ("__init__", "__new__")),
    (Kernel, ("_turn_watched", "_turn_observed", "_break_off")),
    (TimerWheel, ("add", "next_ns", "take", "move_due", "sweep", "_open_next", "_widen")),
    (TellingWheel, ("add", "next_ns", "take", "move_due", "sweep", "_open_next", "_widen")),
)
"""Methods that are called past their names, as long as they are those that stand there now."""


def _run_handle(handle: Any, callback: Any) -> Any:
    """Call a callback in what is no plain context."""
    return handle._context.run(callback, *handle._args)


def _site_of(which: int) -> tuple[CodeType, dict[str, Any], int, int]:
    """Tell where a Python method calls the program: code, globals, instruction and line."""
    name, function = (
        ("run", _accelerator.plain_turns()),
        ("run", turns_with_sole_observer),
        ("data_received", StreamTransport._read_step),
    )[which]
    code = function.__code__
    steps = dis.get_instructions(code)
    line = next(each.positions.lineno for each in steps if each.positions and each.argval == name)
    call = next(each for each in steps if each.opname in ("CALL", "CALL_FUNCTION_EX"))
    return code, function.__globals__, call.offset, line or code.co_firstlineno


def _things() -> dict[str, Any]:
    """Name what the twins know of the engine."""
    words = digest._words
    return {
        "Handle": Handle,
        "TimerHandle": TimerHandle,
        "Kernel": Kernel,
        "TimerWheel": TimerWheel,
        "TellingWheel": TellingWheel,
        "SimLoop": SimLoop,
        "Limits": Limits,
        "StreamTransport": StreamTransport,
        "UnixStreamTransport": UnixStreamTransport,
        "DatagramTransport": DatagramTransport,
        "StreamSocket": StreamSocket,
        "ByteQueue": ByteQueue,
        "Fabric": Fabric,
        "Task": asyncio.Task,
        "NEVER": NEVER,
        "asyncio": asyncio,
        "deque": deque,
        "heappop": heappop,
        "heappush": heappush,
        "repeat": repeat,
        "instruction_word": None if words is None else words.offset,
        "numbers_tasks": tasks._NUMBERS_TASKS,
        "run_handle": _run_handle,
        "site_of": _site_of,
        "data_received_failed": "Fatal error: protocol.data_received() call failed.",
        "sleep_ends": vars(digest)["_set_result_unless_cancelled"],
        "task_kinds": digest._kinds,
    }


def _exchanges(made: ModuleType) -> list[tuple[Any, str, Any, Any]]:
    """List what is exchanged: whose, its name, what stands there, and what shall."""
    rows: list[tuple[Any, str, Any, Any]] = []
    for cls, name, twin in _METHODS:
        method = vars(cls)[name]
        rows.append((cls, name, method, made.door(method, twin)))
    turns = Kernel._turns
    rows.append((Kernel, "_turns", turns, in_a_frame(made.run_turns, made.Rest, turns)))
    rows.append((digest, "_telling", digest._telling, made.telling))
    return rows


class _Accelerator:
    """What is exchanged, and whether it is now."""

    def __init__(self) -> None:
        self.is_on = False
        self._exchanged: list[tuple[Any, str, Any, Any]] | None = None

    def plain_turns(self) -> FunctionType:
        """Return ``Kernel._turns`` as it is written."""
        assert self._exchanged is not None
        return next(plain for owner, name, plain, _ in self._exchanged if name == "_turns")  # type: ignore[no-any-return]

    def switch(self, *, on: bool) -> None:
        """Put the twins in place, if there are any, or the Python methods."""
        if on == self.is_on or twins is None:
            return
        if self._exchanged is None:
            twins.find(_things())
            self._exchanged = _exchanges(twins)
        for owner, name, plain, fast in self._exchanged:
            setattr(owner, name, fast if on else plain)
        for cls, names in _WATCHED:
            twins.watch(cls, {each: getattr(cls, each) for each in names})
        self.is_on = on


_accelerator = _Accelerator()


def switch(*, on: bool) -> None:
    """Put the twins in place, if there are any, or the Python methods; between runs only."""
    _accelerator.switch(on=on)


def is_on() -> bool:
    """Return whether twins are in place."""
    return _accelerator.is_on


def _begin() -> None:
    """Put the twins in place, unless the environment says not to, or they don't fit."""
    if os.environ.get("SIMLOOP_PURE", "") in ("", "0"):
        with contextlib.suppress(AttributeError, LookupError, TypeError):  # Laid out otherwise.
            switch(on=True)


_begin()
