"""The step log: who ran when, and at which line of the program.

Owns: an observer that keeps the steps that a reader of the program knows: those of tasks that stand
in the program's own code, and callbacks of its own.

Must not know: schedules.

Invariant: a row names no address, so that rows of two runs can be compared.
"""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from simloop._loop.diagnosis.deadlock_report import chain
from simloop.exploration.same_failure import is_foreign
from simloop.trace.labels import name_of, task_of

if TYPE_CHECKING:
    from types import CodeType, FrameType

__all__ = ["Row", "StepLog", "place_of_task"]


@attrs.frozen
class Row:
    """One step."""

    now_ns: int = attrs.field(eq=False)
    """When it ran; two rows that differ in that alone are the same step."""
    who: str
    """The task, or "callback"."""
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
        task = task_of(callback)
        if task is not None:
            frame = own_frame(task)
            if frame is not None:
                self._add(now_ns, name_of(task), frame.f_code, frame.f_lineno)
            return
        code = getattr(getattr(callback, "__func__", callback), "__code__", None)
        if code is not None and not is_foreign(code.co_filename):
            self._add(now_ns, "callback", code, code.co_firstlineno)

    def _add(self, now_ns: int, who: str, code: CodeType, line: int) -> None:
        source = linecache.getline(code.co_filename, line).strip()
        self.rows.append(Row(now_ns, who, _place(code, line), source))


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
