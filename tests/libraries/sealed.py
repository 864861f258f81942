"""A sandbox that ends the process at a system call for a socket, a pipe, a process or a timer.

The kernel itself looks: a filter of seccomp, on Linux. ``seal()`` is for good, for the calling
thread and every one that it starts. The signal of a call that it catches shows, by faulthandler,
where Python stood.
"""

from __future__ import annotations

import ctypes
import faulthandler
import platform
import signal
import struct
import sys

SEALED = "SIMLOOP_TESTS_SEALED"
"""The environment variable that test_sealed sets, for a process of its own."""

NO_FILTERS = "the kernel has no filters of system calls, or not for us"

# By machine: its number in the kernel, and the numbers of its calls.
_FORBIDDEN = {
    "x86_64": (
        0xC000003E,
        {
            **dict.fromkeys(range(41, 56), "socket and its kin"),
            **dict.fromkeys((22, 293), "pipe"),
            **dict.fromkeys((57, 58, 59, 322), "fork and exec"),
            **dict.fromkeys((37, 38, 222, 283), "timers"),
            **dict.fromkeys((35, 230), "nanosleep"),
            **dict.fromkeys((213, 291, 284, 290), "epoll and eventfd"),
            **dict.fromkeys((288, 299, 307), "accept4, sendmmsg, recvmmsg"),
        },
        56,
    ),
    "aarch64": (
        0xC00000B7,
        {
            **dict.fromkeys(range(198, 213), "socket and its kin"),
            59: "pipe",
            **dict.fromkeys((221, 281), "exec"),
            **dict.fromkeys((85, 103, 107), "timers"),
            **dict.fromkeys((101, 115), "nanosleep"),
            **dict.fromkeys((19, 20), "epoll and eventfd"),
            **dict.fromkeys((242, 243, 269), "accept4, sendmmsg, recvmmsg"),
        },
        220,
    ),
}
_CLONE3 = 435
_CLONE_THREAD = 0x10000
_LOAD, _EQUAL, _SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _TRAP, _NO_SUCH_CALL = 0x7FFF0000, 0x00030000, 0x00050000 | 38
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


def _program():
    """Assemble the filter: lines of (code, skip if true, skip if false, value)."""
    architecture, forbidden, clone = _FORBIDDEN[platform.machine()]
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _TRAP),
        (_LOAD, 0, 0, _NUMBER),
        # Its flags lie where a filter cannot look; the C library goes on with the older one.
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _NO_SUCH_CALL),
    ]
    for number in forbidden:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _TRAP)]
    lines += [
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_SET, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _TRAP),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return lines


def seal():
    """Forbid the calls; false where the kernel has no such filters, or not for us."""
    if platform.machine() not in _FORBIDDEN:
        return False
    lines = _program()
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    program = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(program)))
    faulthandler.register(signal.SIGSYS, file=sys.__stderr__, chain=True)
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return libc.prctl(_SET_SECCOMP, _FILTER, header, 0, 0) == 0
