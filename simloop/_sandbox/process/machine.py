"""The machine and its user, as a program finds them in a run: the same everywhere.

Owns: what the functions answer that tell of the machine: its processors and load, what the process
has used of them, its user, and the locale. A program makes pools as large as there are processors,
ids of the user's name, and formats by the locale; on another machine it would take other steps.

Must not know: files that tell the same; see :mod:`simloop._sandbox.io.machine_files`.

Invariants:

- A run has four processors, belongs to the user ``user`` (1000, of the group 1000), and its locale
  is ``C.UTF-8``. Where a test or a program has set another ``USER`` than the process began with,
  ``getpass`` follows it.
- Under ``allow("machine")`` the real machine answers.
- A locale belongs to the whole process. After a run the process has its own again.
"""

from __future__ import annotations

import _locale
import locale
import os
import time
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND
from simloop._sandbox.patching.module_state import keeper
from simloop._sandbox.patching.registry import patch, redirect, rewrite, when_loaded
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.run_context import by_thread, get_ident
from simloop._sandbox.time.clock_polls import cpu_ns
from simloop.net.linux import platform_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from simloop._sandbox.patching.module_state import Start
    from simloop._sandbox.run_context import RunContext

__all__ = [
    "CPUS",
    "HOME",
    "MEMORY_PAGES",
    "OWN_GID",
    "OWN_UID",
    "RESIDENT_PAGES",
    "UID",
    "USER",
    "run_on_machine",
]

CPUS = 4
MEMORY_PAGES = 2 << 20
"""8 GiB, in pages of 4 KiB."""
RESIDENT_PAGES = 12_800
"""What a process takes of them: 50 MiB."""
UID = 1000
USER = "user"
HOME = "/home/user"

_PAGE_KB = 4


def run_on_machine() -> RunContext | None:
    """Return the caller's run, or None where the real machine is meant."""
    run = by_thread.get(get_ident())
    return None if run is None or is_allowed("machine") else run


def _answer(module: ModuleType, name: str, answer: Callable[..., Any]) -> Any:
    """Let a function that is asked something answer like this in a run."""
    target = getattr(module, name, None)
    if target is None:
        return None

    def function(*args: Any, **kwargs: Any) -> Any:
        if run_on_machine() is None:
            return real(*args, **kwargs)
        return answer(*args, **kwargs)

    real = (rewrite if hasattr(target, "__code__") else redirect)(target, function)
    return real


# Processors, memory, load -----------------------------------------------------------------------


_SYSCONF_NAMES: dict[str, int] = getattr(os, "sysconf_names", {})  # Of Unix.


def _sysconf(name: Any, /) -> Any:
    number: Any = _SYSCONF_NAMES.get(name, name) if isinstance(name, str) else name
    return _SYSTEM.get(number) or _real_sysconf(name)


_SYSTEM = {
    _SYSCONF_NAMES[name]: value
    for name, value in (
        ("SC_NPROCESSORS_CONF", CPUS),
        ("SC_NPROCESSORS_ONLN", CPUS),
        ("SC_PHYS_PAGES", MEMORY_PAGES),
        ("SC_AVPHYS_PAGES", MEMORY_PAGES // 2),
    )
    if name in _SYSCONF_NAMES
}


_resource = platform_module("resource")


def _getrusage(who: int, /) -> Any:
    _real_getrusage(who)  # Raises what an unknown one raises.
    run = by_thread[get_ident()]
    of_thread = who == getattr(_resource, "RUSAGE_THREAD", None)
    used_s = cpu_ns(run, of_thread=of_thread) / NS_PER_SECOND
    if who == _resource.RUSAGE_CHILDREN:
        used_s = 0.0
    return _resource.struct_rusage((used_s, 0.0, RESIDENT_PAGES * _PAGE_KB, *[0] * 13))


_answer(os, "cpu_count", lambda: CPUS)
_answer(os, "sched_getaffinity", lambda _pid, /: set(range(CPUS)))
_answer(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
_real_sysconf = _answer(os, "sysconf", _sysconf)
_real_getrusage = _answer(_resource, "getrusage", _getrusage)


# The user ---------------------------------------------------------------------------------------


for _name in ("getuid", "geteuid", "getgid", "getegid"):
    _answer(os, _name, lambda: UID)
for _name in ("getresuid", "getresgid"):
    _answer(os, _name, lambda: (UID, UID, UID))
_answer(os, "getgroups", lambda: [UID])
_answer(os, "getlogin", lambda: USER)

OWN_UID: int = getattr(os, "getuid", lambda: UID)()
OWN_GID: int = getattr(os, "getgid", lambda: UID)()
"""The real user and group; those of runs where the platform numbers none."""


def _records(module: Any, kind: str, rows: list[tuple[Any, ...]]) -> list[Any]:
    """Make the records of a module; none where the platform lacks it."""
    make = getattr(module, kind, None)
    return [] if make is None else [make(row) for row in rows]


_pwd, _grp = platform_module("pwd"), platform_module("grp")
_USERS = _records(
    _pwd,
    "struct_passwd",
    [
        (USER, "x", UID, UID, USER, HOME, "/bin/sh"),
        ("root", "x", 0, 0, "root", "/root", "/bin/sh"),
    ],
)
_GROUPS = _records(_grp, "struct_group", [(USER, "x", UID, []), ("root", "x", 0, [])])


def _by_name(kind: str, records: list[Any]) -> Callable[[str], Any]:
    def find(name: str, /) -> Any:
        for record in records:
            if record[0] == name:
                return record
        raise KeyError(f"{kind}(): name not found: {name!r}")

    return find


def _by_number(kind: str, records: list[Any], real: int) -> Callable[[Any], Any]:
    """Return what finds a record; files of the real user are this one's."""

    def find(number: Any, /) -> Any:
        for record in records:
            if record[2] == number:
                return record
        if number == real:
            return records[0]
        raise KeyError(f"{kind} not found: {number}")

    return find


_answer(_pwd, "getpwuid", _by_number("getpwuid(): uid", _USERS, OWN_UID))
_answer(_pwd, "getpwnam", _by_name("getpwnam", _USERS))
_answer(_pwd, "getpwall", lambda: list(_USERS))
_answer(_grp, "getgrgid", _by_number("getgrgid(): gid", _GROUPS, OWN_GID))
_answer(_grp, "getgrnam", _by_name("getgrnam", _GROUPS))
_answer(_grp, "getgrall", lambda: list(_GROUPS))

_LOGIN = ("LOGNAME", "USER", "LNAME", "USERNAME")
"""Where ``getpass`` looks for the user's name (CPython ``Lib/getpass.py``)."""

_began_as = {name: os.environ.get(name) for name in _LOGIN}


def _getuser() -> str:
    told = (os.environ.get(name) for name in _LOGIN if os.environ.get(name) != _began_as[name])
    return next(filter(None, told), USER)


when_loaded("getpass", lambda module: _answer(module, "getuser", _getuser))


def _refuse(module: ModuleType, name: str) -> None:
    """Refuse a change of the real process or machine that outlives the run."""
    target = getattr(module, name, None)
    if target is None:
        return

    def function(*args: Any, **kwargs: Any) -> Any:
        if run_on_machine() is None:
            return real(*args, **kwargs)
        call = f"{module.__name__}.{name}({', '.join(map(repr, args))})"
        raise escape(call, "it would change the real process or machine", "machine")

    real = redirect(target, function)


for _name in (
    *("setuid", "setgid", "seteuid", "setegid", "setreuid", "setregid", "setresuid", "setresgid"),
    *("setgroups", "initgroups", "nice", "setpriority", "sched_setaffinity", "sched_setscheduler"),
):
    _refuse(os, _name)
when_loaded("resource", lambda module: _refuse(module, "setrlimit"))
_refuse(time, "clock_settime")
_refuse(time, "clock_settime_ns")


# The locale -------------------------------------------------------------------------------------


class _Locale:
    """What the C library formats and sorts by.

    Asking for all of it costs a run as much as a fifth of all its sealing. So a locale is the
    neutral one, spelt None, if those categories are that tell in practice; and in a run the
    program alone can change it.
    """

    key = "locale"
    compares = True

    def __init__(self) -> None:
        self.glance: str | None = None
        """The neutral locale, where it is known to be that, because a run has made it so."""

    def on(self) -> None:
        """Know nothing of what the process has done."""
        self.glance = None

    off = on

    def get(self) -> Any:
        """Return the locale, all categories of it, or None for the neutral one."""
        # What is found neutral when a run begins is so until ``setlocale`` is called.
        if self.glance or [_real_setlocale(each) for each in _TELLING] == _neutral:
            self.glance = _NEUTRAL
            return None
        return _real_setlocale(_locale.LC_ALL)

    def set(self, value: Any, /) -> None:
        """Put a locale in place."""
        if value is not None:
            self.glance = None
            _real_setlocale(_locale.LC_ALL, value)
        elif not self.glance and self.get() is not None:
            _real_setlocale(_locale.LC_ALL, "C")
            _neutral[0] = _set_to_default(_locale.LC_CTYPE)
            self.glance = _NEUTRAL

    def begin(self, _start: Start, /) -> None:
        """Begin as a process does whose environment names no locale: see PEP 538."""
        self.set(None)
        self.glance = _NEUTRAL


_NEUTRAL = "C"
_TELLING = (_locale.LC_CTYPE, _locale.LC_TIME, _locale.LC_NUMERIC)
_neutral = ["C.UTF-8", "C", "C"]


def _set_to_default(category: int) -> Any:
    for name in ("C.UTF-8", "C.utf8"):
        try:
            return _real_setlocale(category, name)
        except locale.Error:  # A C library without it.
            continue
    return _real_setlocale(category, "C")


def _setlocale(category: int, name: str | None = None, /) -> Any:
    if name == "" and run_on_machine() is not None:
        _kept_locale.glance = None
        return _set_to_default(category)
    if name is None:
        return _real_setlocale(category)
    _kept_locale.glance = None
    return _real_setlocale(category, name)


_real_setlocale: Any = redirect(_locale.setlocale, _setlocale)
_kept_locale = _Locale()
keeper(_kept_locale)
patch(_kept_locale)
