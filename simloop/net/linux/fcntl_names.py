"""The constants of ``fcntl`` and of ``termios`` that mean something to a virtual descriptor.

Numbers: include/uapi/asm-generic/fcntl.h and ioctls.h of Linux 6.1.
"""

from __future__ import annotations

from simloop.net.linux import numbers_of, platform_module

__all__ = [
    "FD_CLOEXEC",
    "FIOCLEX",
    "FIONBIO",
    "FIONCLEX",
    "FIONREAD",
    "F_DUPFD",
    "F_DUPFD_CLOEXEC",
    "F_GETFD",
    "F_GETFL",
    "F_SETFD",
    "F_SETFL",
    "F_SETLK",
    "F_SETLKW",
    "LOCK_NB",
    "LOCK_UN",
    "TIOCOUTQ",
]

_FCNTL = numbers_of(
    platform_module("fcntl"),
    {
        "FD_CLOEXEC": 1,
        "F_DUPFD": 0,
        "F_DUPFD_CLOEXEC": 1030,
        "F_GETFD": 1,
        "F_GETFL": 3,
        "F_SETFD": 2,
        "F_SETFL": 4,
        "F_SETLK": 6,
        "F_SETLKW": 7,
        "LOCK_NB": 4,
        "LOCK_UN": 8,
    },
)
_TERMIOS = numbers_of(
    platform_module("termios"),
    {
        "FIOCLEX": 0x5451,
        "FIONBIO": 0x5421,
        "FIONCLEX": 0x5450,
        "FIONREAD": 0x541B,
        "TIOCOUTQ": 0x5411,
    },
)

FD_CLOEXEC: int = _FCNTL["FD_CLOEXEC"]
F_DUPFD: int = _FCNTL["F_DUPFD"]
F_DUPFD_CLOEXEC: int = _FCNTL["F_DUPFD_CLOEXEC"]
F_GETFD: int = _FCNTL["F_GETFD"]
F_GETFL: int = _FCNTL["F_GETFL"]
F_SETFD: int = _FCNTL["F_SETFD"]
F_SETFL: int = _FCNTL["F_SETFL"]
F_SETLK: int = _FCNTL["F_SETLK"]
F_SETLKW: int = _FCNTL["F_SETLKW"]
LOCK_NB: int = _FCNTL["LOCK_NB"]
LOCK_UN: int = _FCNTL["LOCK_UN"]
FIOCLEX: int = _TERMIOS["FIOCLEX"]
FIONBIO: int = _TERMIOS["FIONBIO"]
FIONCLEX: int = _TERMIOS["FIONCLEX"]
FIONREAD: int = _TERMIOS["FIONREAD"]
TIOCOUTQ: int = _TERMIOS["TIOCOUTQ"]
