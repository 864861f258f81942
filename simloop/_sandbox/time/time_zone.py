"""The time zone of a run, which is not the machine's.

Owns: what ``TZ`` and ``time.tzset`` mean in a run, the zone that the C library goes by while runs
are on, and which names of zones there are. Everything that tells local time (``time.localtime``,
``datetime.now().astimezone()``, the stamps of log lines) asks the C library, and finds the zone of
the run there; so does the environment.

Why not answer call by call, as for clocks: ``datetime`` asks the C library without a function that
could be redirected. The price is that a zone belongs to the whole process: threads outside of the
run see the run's while it is on.

Must not know: who chooses the zone.

Invariants: after a run the process has its own zone again, also if the program has set another one.
Where process and run both are in UTC, the C library is not asked for anything.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.patching.module_state import keeper
from simloop._sandbox.patching.registry import redirect_present
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UsageError

if TYPE_CHECKING:
    from simloop._sandbox.patching.module_state import Start

__all__ = [
    "UTC",
    "check_zone",
    "time_zone",
    "zone_file",
    "zone_of_run",
]

UTC = "UTC"
"""The zone of a run that was not told another one."""

_OWN = ""
"""Stands for the zone that the process had outside of runs."""

_NAME = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")
_RULE = re.compile(
    r"([A-Za-z]{3,}|<[A-Za-z0-9+\-]{3,}>)[+\-]?\d{1,2}(:\d\d){0,2}"
    r"(([A-Za-z]{3,}|<[A-Za-z0-9+\-]{3,}>)([+\-]?\d{1,3}(:\d\d){0,2})?(,[^,]+,[^,]+)?)?"
)
"""What POSIX says a zone may be beside a name, ``CET-1CEST,M3.5.0,M10.5.0/3`` say; see tzset(3)."""


def zone_file(zone: str) -> Path | None:
    """Return where the rules of a named zone lie on this machine, or None."""
    if not _NAME.fullmatch(zone):
        return None
    from importlib.util import find_spec  # noqa: PLC0415 - few runs have another zone
    from zoneinfo import TZPATH  # noqa: PLC0415 - as above

    folders = [Path(folder) for folder in TZPATH]
    package = find_spec("tzdata")
    if package is not None and package.origin is not None:
        folders.append(Path(package.origin).with_name("zoneinfo"))
    files = [folder / zone for folder in folders]
    return next((file for file in files if file.is_file()), None)


def check_zone(zone: object) -> str:
    """Return the zone of a run.

    Raises:
        UsageError: There is no such zone, or this machine has no rules for it.
    """
    if zone is None or zone == UTC:
        return UTC
    if isinstance(zone, str) and (_RULE.fullmatch(zone) or zone_file(zone)):
        return zone
    raise UsageError(
        f"tz={zone!r}; it takes the name of a time zone that this machine knows, such as"
        " 'Europe/Berlin' (else: pip install tzdata), or a rule of tzset(3), 'CET-1'"
    )


_environ: Any = os.environ
"""The real one; a test may have put something of its own in its place, without the variable."""


class _TimeZone:
    """The zone that the C library goes by, and the variable that says so."""

    key = "time zone"
    compares = True

    def __init__(self) -> None:
        self.applied = self.glance = _OWN
        self.leaves_variable = False
        """Whether the variable stays, because the whole environment is exchanged beside."""

    def get(self) -> Any:
        """Return the variable, and the zone."""
        return _environ._data.get(_VARIABLE), self.applied

    def set(self, value: Any, /) -> None:
        """Put both in place."""
        variable, zone = value
        # To write there, beside os.environ, costs a run a tenth of a call of putenv.
        kept: dict[bytes, bytes] = _environ._data
        if self.leaves_variable:
            pass
        elif variable is not None:
            kept[_VARIABLE] = variable
        else:
            kept.pop(_VARIABLE, None)
        if zone != self.applied:
            self.apply(zone)

    def begin(self, start: Start, /) -> None:
        """Put the zone of a new world in place."""
        zone = start.zone
        is_there = zone == UTC and self.applied == _OWN and _is_utc()
        self.set((_UTC if zone == UTC else _environ.encodevalue(zone), _OWN if is_there else zone))

    def apply(self, zone: str) -> None:
        """Let the C library go by a zone."""
        self.applied = self.glance = zone
        own = self.get()[0]
        if zone != _OWN:
            _putenv("TZ", _for_the_library(zone))
        elif own is None:
            _unsetenv("TZ")
        else:
            _putenv(_VARIABLE, own)
        if _real_tzset is not None:
            _real_tzset()


# The C library's, also where a process has an environment of its own.
_putenv: Any = clone(os.putenv)
_unsetenv: Any = clone(os.unsetenv)
_VARIABLE: Any = _environ.encodekey("TZ")  # Bytes on Unix, a string on Windows.
_UTC: Any = _environ.encodevalue("UTC")
time_zone = _TimeZone()


def _is_utc() -> bool:
    return time.tzname == (UTC, UTC) and not time.timezone


def _for_the_library(zone: str) -> str:
    """Return a zone as the C library finds it, which knows no package of Python's."""
    file = None if zone == UTC else zone_file(zone)
    return zone if file is None else f":{file}"


def zone_of_run() -> str:
    """Return the zone that the calling run's program has now."""
    return os.environ.get("TZ") or UTC


def _tzset() -> None:
    if get_ident() in by_thread:
        time_zone.apply(zone_of_run())  # Without the variable the machine's would come.
    else:
        _real_tzset()


_real_tzset = redirect_present(time, "tzset", _tzset)  # Not of Windows, whose zone stays.
keeper(time_zone)
