"""The file of steps: one JSON object per line for each thing that happened, for `--check`.

Owns: the format. ``time_ns`` is the virtual time in nanoseconds, ``label`` says which callback of
which task ran or which bytes went where, ``where`` is ``file:line`` if there is one; the others are
the fields of :class:`.Step`. Lines of equal runs are equal.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simloop.trace import Recorder, Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from simloop._kernel import Handle, TimerHandle
    from simloop.world import World

__all__ = ["read_steps", "writing_steps"]


class _Writer:
    """An observer that writes what a recorder would keep."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._recorder = Recorder()

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Write a step."""
        self._recorder.step(now_ns, handle)
        self._write()

    def sent(self, kind: str, source: object, destination: object, data: bytes) -> None:
        """Write bytes that crossed a socket."""
        self._recorder.sent(kind, source, destination, data)
        self._write()

    def timed(self, when_ns: int) -> None:
        """Write a timer that was set."""
        self._recorder.timed(when_ns)
        self._write()

    def happened(self, what: str, data: str | bytes) -> None:
        """Write what the run did to the outside."""
        self._recorder.happened(what, data)
        self._write()

    def _write(self) -> None:
        for step in self._recorder.steps:
            self._file.write(json.dumps(step._asdict()) + "\n")
        self._recorder.steps.clear()


@contextmanager
def writing_steps(world: World, path: str) -> Iterator[None]:
    """Write each step of a world to a file meanwhile."""
    with Path(path).open("w", encoding="utf-8") as file:
        writer = _Writer(file)
        world.watch(writer)
        try:
            yield
        finally:
            world.unwatch(writer)


def read_steps(path: str) -> Iterator[Step]:
    """Give the steps of a file one by one; it may be larger than memory."""
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            yield Step(**json.loads(line))
