"""The step log: who ran when, and at which line of the program.

Owns: an observer that keeps the steps that a reader of the program knows: those of tasks and
threads that stand in the program's own code, and callbacks of its own.

Must not know: schedules.

Invariant: a row names no address, so that rows of two runs can be compared.
"""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel.safe_looks import attribute_of
from simloop._loop.diagnosis.deadlock_report import chain
from simloop._threads.sim_thread import SimThread
from simloop._threads.thread_position import frame_of
from simloop.exploration.same_failure import is_foreign, is_library
from simloop.trace.labels import name_of, task_of

if TYPE_CHECKING:
    from types import CodeType, FrameType

__all__ = ["Place", "Row", "StepLog", "place_of_caller", "place_of_task"]


@attrs.frozen
class Row:
    """One step."""

    now_ns: int = attrs.field(eq=False)
    """When it ran; two rows that differ in that alone are the same step."""
    who: str
    """The task, the thread, or "callback"."""
    where: str
    """``function, file:line`` where it goes on."""
    source: str
    """That line's text."""


class StepLog:
    """An observer that keeps rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def step(self, now_ns: int, handle: Any) -> None:
        """Keep a step, if it is one of the program's."""
        callback = handle._callback
        if isinstance(callback, SimThread):
            self._step_of_thread(now_ns, callback)
            return
        task = task_of(callback)
        if task is not None:
            frame = own_frame(task)
            if frame is not None:
                self._add(now_ns, name_of(task), frame.f_code, frame.f_lineno)
            return
        code = getattr(getattr(callback, "__func__", callback), "__code__", None)
        if code is not None and not is_foreign(code.co_filename):
            self._add(now_ns, "callback", code, code.co_firstlineno)

    def _step_of_thread(self, now_ns: int, thread: SimThread) -> None:
        """Keep a step of a thread: where it begins, or where it goes on."""
        code: Any = attribute_of(thread.begins_with(), "__code__")
        if code is not None and not is_library(code.co_filename):
            self._add(now_ns, f"thread {thread.number}", code, code.co_firstlineno)
            return
        frame = frame_of(thread.ident, is_library)
        if frame is not None:
            self._add(now_ns, f"thread {thread.number}", frame.f_code, frame.f_lineno)

    def _add(self, now_ns: int, who: str, code: CodeType, line: int) -> None:
        source = linecache.getline(code.co_filename, line).strip()
        self.rows.append(Row(now_ns, who, _place(code, line), source))


@attrs.frozen
class Place:
    """A line of the program."""

    code: CodeType
    line: int

    def __str__(self) -> str:
        source = linecache.getline(self.code.co_filename, self.line).strip()
        return f"{_place(self.code, self.line)}{f' ({source})' if source else ''}"


def place_of_caller() -> Place | None:
    """Return where the calling thread stands in the program; its text is made later.

    That would read files, in the middle of a call of the thread.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else Place(frame.f_code, frame.f_lineno)


def own_frame(task: Any) -> FrameType | None:
    """Return the innermost frame of a task that is the program's own, or None."""
    frames = [frame for _, frame in chain(task.get_coro())]
    own = [frame for frame in frames if not is_foreign(frame.f_code.co_filename)]
    return own[-1] if own else None


def place_of_task(task: Any) -> str:
    """Return ``function(), file:line`` where a task stands, or ""."""
    frame = own_frame(task)
    return "" if frame is None else _place(frame.f_code, frame.f_lineno)


def _place(code: CodeType, line: int) -> str:
    name = code.co_qualname.rpartition(".")[2] if "<locals>" in code.co_qualname else ""
    return f"{name or code.co_qualname}(), {Path(code.co_filename).name}:{line}"
