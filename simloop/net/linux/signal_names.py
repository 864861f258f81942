"""The signals of Linux and its timers; signal(7), setitimer(2).

Numbers: include/uapi/asm-generic/signal.h and linux/time.h of Linux 6.1.
"""

from __future__ import annotations

import signal as _platform
from typing import TYPE_CHECKING

from simloop.net.linux import numbers_of

_LACKING = {
    "ITIMER_PROF": 2,
    "ITIMER_REAL": 0,
    "ITIMER_VIRTUAL": 1,
    "SIGALRM": 14,
    "SIGCHLD": 17,
    "SIGCONT": 18,
    "SIGHUP": 1,
    "SIGKILL": 9,
    "SIGPIPE": 13,
    "SIGQUIT": 3,
    "SIGSTOP": 19,
    "SIGTSTP": 20,
    "SIGTTIN": 21,
    "SIGTTOU": 22,
    "SIGURG": 23,
    "SIGUSR1": 10,
    "SIGUSR2": 12,
    "SIGWINCH": 28,
    "SIGXFSZ": 25,
}

if TYPE_CHECKING:
    from signal import *  # noqa: F403 - the same names
else:
    globals().update(numbers_of(_platform, _LACKING))
    ItimerError = getattr(_platform, "ItimerError", OSError)

_BY_NUMBER: dict[int, str] = {
    int(globals()[name]): name for name in _LACKING if name.startswith("SIG")
}


def is_valid(number: int) -> bool:
    """Return whether there is a signal of this number, in the world or on this platform."""
    return number in _platform.valid_signals() or number in _BY_NUMBER


def name_of(number: int) -> str:
    """Return the name of a signal, ``SIGTERM``; its number where it has none."""
    try:
        return _platform.Signals(number).name
    except ValueError:
        return _BY_NUMBER.get(number, str(number))
