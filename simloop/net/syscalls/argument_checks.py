"""The checks that CPython's socket module makes on arguments before any system call.

Owns: conversions of what a program passes into plain ints, floats and bytes, with CPython's error
types. Knows no sockets.
"""

from __future__ import annotations

import math
import operator
import os
import stat
import sys
from typing import TYPE_CHECKING, SupportsIndex

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "as_bytes",
    "as_timeout",
    "c_int",
    "is_open_elsewhere",
    "joined",
    "size_of",
    "writable_view",
]

_C_INT_MAX = 2**31 - 1
_TIMEOUT_MAX_SECONDS = 2**63 / 1e9


def as_bytes(data: object, size_max: int = sys.maxsize) -> bytes:
    """Copy a bytes-like object, or its first bytes; TypeError for anything else.

    Bytes stay themselves, however many: what takes them copies its part.
    """
    if isinstance(data, bytes):
        return bytes(data)
    try:
        view = memoryview(data)  # type: ignore[arg-type]  # What is refused is the point.
    except TypeError:
        view = None
    if view is None:
        raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'")
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view.tobytes() if view.nbytes <= size_max else view.cast("B")[:size_max].tobytes()


def joined(buffers: Iterable[object]) -> bytes:
    """Join the buffers of a sendmsg call."""
    try:
        parts = iter(buffers)
    except TypeError:
        parts = None
    if parts is None:
        raise TypeError("sendmsg() argument 1 must be an iterable")
    return b"".join([as_bytes(part) for part in parts])


def writable_view(buffer: object, what: str) -> memoryview:
    """View a writable buffer as bytes; TypeError for one that is read-only."""
    try:
        view = memoryview(buffer)  # type: ignore[arg-type]  # What is refused is the point.
    except TypeError:
        view = memoryview(b"")
    if view.readonly:
        name = type(buffer).__name__
        raise TypeError(f"{what}() argument 1 must be read-write bytes-like object, not {name}")
    return view.cast("B") if view.nbytes else memoryview(bytearray())


def size_of(number: SupportsIndex, message: str) -> int:
    """Read a size; ValueError with ``message`` if it is negative."""
    size = operator.index(number)
    if size < 0:
        raise ValueError(message)
    return size


def c_int(number: SupportsIndex) -> int:
    """Read a C int; OverflowError out of its range."""
    value = operator.index(number)
    if not -_C_INT_MAX - 1 <= value <= _C_INT_MAX:
        side = "greater than maximum" if value > 0 else "less than minimum"
        raise OverflowError(f"signed integer is {side}")
    return value


def as_timeout(value: object) -> float | None:
    """Read a timeout: None, or seconds of 0 or more."""
    if value is None:
        return None
    if isinstance(value, float):
        if math.isnan(value):
            raise ValueError("Invalid value NaN (not a number)")
        seconds = value
    elif isinstance(value, SupportsIndex):
        seconds = float(operator.index(value))
    else:
        name = type(value).__name__
        raise TypeError(f"'{name}' object cannot be interpreted as an integer")
    if abs(seconds) >= _TIMEOUT_MAX_SECONDS:
        raise OverflowError("timestamp out of range for platform time_t")
    if seconds < 0:
        raise ValueError("Timeout value out of range")
    return seconds


def is_open_elsewhere(fd: int) -> bool:
    """Return whether a descriptor that no host has is open, and of no socket: of a real file."""
    try:
        return not stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False
