"""A file of trace events that is whole at any moment.

Owns: the JSON object around the events, and when it is written. Events are written in batches, and
behind each batch the object's end, over which the next batch goes: a run that is killed leaves a
file that opens, with all but its last moments. What is no regular file (a pipe) gets its end once.

Must not know: what an event says.

Invariants: nothing is kept but one batch; after `close` nothing is written.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EventFile"]

_BATCH_SIZE = 1 << 16
"""Characters kept before they are written."""

_HEAD = b'{"traceEvents":[\n'


class EventFile:
    """Events of one run, on their way to a file.

    Args:
        path: The file; what was in it is lost.
        about: What the file says of the run, beside the events.

    Raises:
        OSError: It can't be written to.

    A disk that is full later does not end the run: the error is kept in ``error``.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.error: OSError | None = None
        self._about = about
        self._file = path.open("wb", buffering=0)
        self._is_regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._batch: list[str] = []
        self._size = 0
        self._is_first = True
        self._end = 0
        try:
            self._append(_HEAD)
        except OSError:
            self._file.close()
            raise

    def write(self, event: str) -> None:
        """Take one event, a JSON object."""
        self._batch.append(event)
        self._size += len(event)
        if self._size >= _BATCH_SIZE:
            self._flush()

    def tell(self, **about: Any) -> None:
        """Say more of the run, beside the events."""
        self._about.update(about)

    def close(self) -> None:
        """Write what is left and the end, with what is known of the run by now."""
        self._flush()
        try:
            if not self._is_regular and self.error is None:
                self._put(self._tail())
            elif self.error is None:
                self._file.truncate()
        except OSError as error:
            self.error = error
        self._file.close()

    def _flush(self) -> None:
        text = "" if self._is_first or not self._batch else ",\n"
        self._is_first = self._is_first and not self._batch
        text += ",\n".join(self._batch)
        self._batch.clear()
        self._size = 0
        if self.error is None:
            try:
                self._append(text.encode("utf-8", errors="replace"))
            except OSError as error:
                self.error = error

    def _append(self, data: bytes) -> None:
        if not self._is_regular:
            self._put(data)
            return
        self._file.seek(self._end)
        self._put(data + self._tail())
        self._end += len(data)

    def _tail(self) -> bytes:
        about = json.dumps({"displayTimeUnit": "ms", "otherData": self._about})
        return b"\n]," + about[1:].encode() + b"\n"

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
