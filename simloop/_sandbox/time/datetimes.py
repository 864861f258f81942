"""``datetime`` inside a run.

Owns: ``datetime.now`` and ``datetime.utcnow``. ``today`` of both classes needs nothing: it asks
``time.time``.

How. The classes stay the ones they are, so ``type(datetime.now()) is datetime``, subclasses,
pickles and everything keyed by class work; two methods go to ours while runs are on. Methods that
a program holds bound (``default_factory=datetime.now``) are builtin functions of their own: the
collector is asked who refers to the class, whenever new modules have been loaded, and each one
found is redirected as well.

Must not know: clocks. It asks for the run's wall clock and cuts it to microseconds.

Invariant: the result's class and the calls made to a subclass are those of the real functions.
"""

from __future__ import annotations

import datetime as dt
import gc
import sys
import warnings
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import clone_method, is_builtin
from simloop._sandbox.patching.registry import before_install, method, redirect
from simloop._sandbox.run_context import by_thread, get_ident

from .clock_polls import read

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["now_at"]

_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: of classes that are written in C.


class _Real:
    """The class itself: freezegun exchanges what modules hold, and not what classes do."""

    Date: type[dt.datetime] = next(
        each for each in dt.datetime.__mro__ if each.__flags__ & _IMMUTABLE
    )


_real_now: Any = clone_method(_Real.Date, "now")
_real_utcnow: Any = clone_method(_Real.Date, "utcnow")
_UTC = dt.UTC


def _deprecation() -> str:
    """Return what this Python says about ``utcnow``; nothing before 3.12."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _Real.Date.utcnow()  # It warns.
    return str(caught[0].message) if caught else ""


_UTCNOW_WARNING = _deprecation()


def _now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_now.__get__(None, cls)(tz)
    if tz is None or (tz is _UTC and cls is _Real.Date):
        return _make(cls, run.start_ns + read(run), tz, tz)
    if not isinstance(tz, dt.tzinfo):
        raise TypeError(
            f"tzinfo argument must be None or of a tzinfo subclass, not type '{type(tz).__name__}'"
        )
    return tz.fromutc(_make(cls, run.start_ns + read(run), _UTC, tz))


def _utcnow(cls: type[dt.datetime]) -> Any:
    run = by_thread.get(get_ident())
    if run is None:
        return _real_utcnow.__get__(None, cls)()
    if _UTCNOW_WARNING:
        warnings.warn(_UTCNOW_WARNING, DeprecationWarning, stacklevel=2)
    return _make(cls, run.start_ns + read(run), _UTC, None)


def now_at(wall_ns: int, tz: dt.tzinfo | None = None, *, utc: bool = False) -> dt.datetime:
    """Return the datetime of a moment in POSIX nanoseconds; naive in UTC, if that is asked for."""
    if utc:
        return _make(_Real.Date, wall_ns, _UTC, None)
    if tz is None:
        return _make(_Real.Date, wall_ns, None, None)
    return tz.fromutc(_make(_Real.Date, wall_ns, _UTC, tz))


def _make(
    cls: type[dt.datetime],
    wall_ns: int,
    zone: dt.tzinfo | None,
    label: dt.tzinfo | None,
) -> dt.datetime:
    """Make the moment as it reads in ``zone`` (local: ``None``), labelled otherwise."""
    seconds, microsecond = divmod(wall_ns // 1000, 1_000_000)
    moment = _Real.Date.fromtimestamp(seconds, zone)
    if cls is _Real.Date and zone is label:
        return moment.replace(microsecond=microsecond)
    made = cls(*moment.timetuple()[:6], microsecond, label)
    return made.replace(fold=1) if moment.fold else made


method(_Real.Date, "now", _now)
method(_Real.Date, "utcnow", _utcnow)

_bound = {"now": _now, "utcnow": _utcnow}
_known: dict[int, Any] = {}
"""By identity: each bound method that was found, and the real function that stands for it."""
_modules_seen = 0


def _find_bound() -> None:
    """Redirect bound methods that modules loaded since the last look may hold."""
    global _modules_seen  # noqa: PLW0603 - the state of the process
    if len(sys.modules) == _modules_seen:
        return
    _modules_seen = len(sys.modules)
    for function in gc.get_referrers(*_classes(_Real.Date)):
        if id(function) in _known or not is_builtin(function):
            continue
        if _is_ours(function.__self__, function.__name__):
            real = redirect(function, _bound[function.__name__].__get__(function.__self__))
            _known.update({id(function): function, id(real): real})


def _classes(cls: type) -> Iterator[type]:
    """Give a class and all its subclasses."""
    yield cls
    subclasses: list[type] = cls.__subclasses__()
    for each in subclasses:
        yield from _classes(each)


def _is_ours(cls: Any, name: str) -> bool:
    """Tell whether a method is the one of ``datetime``, which a subclass may replace."""
    if name not in _bound or not isinstance(cls, type) or not issubclass(cls, _Real.Date):
        return False
    return next(each for each in cls.__mro__ if name in vars(each)) is _Real.Date


before_install(_find_bound)
