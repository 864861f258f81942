"""The constants of ``os`` that the world goes by.

Numbers: include/uapi/asm-generic/fcntl.h, linux/wait.h and linux/statfs.h of Linux 6.1.
"""

from __future__ import annotations

import os

from simloop.net.linux import numbers_of

__all__ = [
    "F_LOCK",
    "F_TLOCK",
    "O_ACCMODE",
    "O_CLOEXEC",
    "O_DIRECTORY",
    "O_NONBLOCK",
    "O_PATH",
    "ST_RDONLY",
    "WNOHANG",
]

_NUMBERS = numbers_of(
    os,
    {
        "F_LOCK": 1,
        "F_TLOCK": 2,
        "O_ACCMODE": 0o3,
        "O_CLOEXEC": 0o2000000,
        "O_DIRECTORY": 0o200000,
        "O_NONBLOCK": 0o4000,
        "O_PATH": 0o10000000,
        "ST_RDONLY": 1,
        "WNOHANG": 1,
    },
)

F_LOCK: int = _NUMBERS["F_LOCK"]
F_TLOCK: int = _NUMBERS["F_TLOCK"]
O_ACCMODE: int = _NUMBERS["O_ACCMODE"]
O_CLOEXEC: int = _NUMBERS["O_CLOEXEC"]
O_DIRECTORY: int = _NUMBERS["O_DIRECTORY"]
O_NONBLOCK: int = _NUMBERS["O_NONBLOCK"]
O_PATH: int = _NUMBERS["O_PATH"]
ST_RDONLY: int = _NUMBERS["ST_RDONLY"]
WNOHANG: int = _NUMBERS["WNOHANG"]
