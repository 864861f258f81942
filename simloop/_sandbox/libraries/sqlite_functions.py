"""SQLite inside a run: the date and the random numbers of its SQL.

Owns: the functions that each connection made in a run gets in place of SQLite's own. A function
that a program registers comes before a built-in one of that name, and ``CURRENT_TIMESTAMP`` is such
a name, also as a column's default: SQLite makes a call of it (TK_CTIME_KW in its src/parse.y).
Dates are still computed by SQLite, on a connection that nobody else has: only the word ``now`` is
replaced, which SQLite takes in milliseconds.

Must not know: databases, tables, who made the connection: ``aiosqlite`` and SQLAlchemy come here.

Invariants:

- A connection that was made before the run gets the functions when the run first uses it.
- A connection that lives longer than its run tells the real date to whoever asks outside of one.
- The functions of dates are registered as deterministic, so that an index may use them as before;
  SQLite evaluates one without a column once for each execution, as it holds ``now`` still for one.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import clone_method
from simloop._sandbox.patching.registry import method, redirect, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_TIMES_OF: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("date", "time", "datetime", "julianday", "unixepoch"), (0,)),
    "strftime": (1,),
    "timediff": (0, 1),
}
"""Functions of dates, and which of their arguments are times; without the last one, it is now."""

_CURRENT = {
    "current_timestamp": slice(0, 19),
    "current_date": slice(0, 10),
    "current_time": slice(11, 19),
}
"""Words of SQL that are functions to SQLite, and their part of a date."""

_MARK = "simloop_functions"
"""A function by which a connection that has the others is known."""

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - SQLite's dates are UTC and have no zone
_BITS = 64


def _now(run: RunContext) -> str:
    """Return the run's date as SQLite writes and reads one, in milliseconds."""
    milliseconds = (run.start_ns + run.clock.now_ns) // 1_000_000
    return (_EPOCH + dt.timedelta(milliseconds=milliseconds)).isoformat(" ", "milliseconds")


class _Functions:
    """The functions of one loaded ``_sqlite3``."""

    def __init__(self, module: ModuleType) -> None:
        self._connect: Callable[..., Any] = redirect(module.connect, self._connected)
        self._error: type[Exception] = module.OperationalError
        self._execute: Callable[..., Any] = clone_method(module.Connection, "execute")
        for name in ("cursor", "execute", "executemany", "executescript"):
            real = clone_method(module.Connection, name)
            method(module.Connection, name, self._looking(name, real))

    @cache  # noqa: B019 - one for each process
    def _plain(self) -> Any:
        """Return the connection whose functions are SQLite's own."""
        return self._connect(":memory:", check_same_thread=False)

    def _ask(self, name: str, *args: Any) -> Any:
        """Call a function of SQLite's own."""
        call = name if name in _CURRENT else f"{name}({', '.join('?' * len(args))})"
        return self._execute(self._plain(), f"SELECT {call}", args).fetchone()[0]

    @cache  # noqa: B019 - as above
    def _dates(self) -> dict[str, Callable[..., Any]]:
        """Return the functions of dates that this SQLite has."""
        listed = self._execute(
            self._plain(), "SELECT DISTINCT name FROM pragma_function_list"
        ).fetchall()
        there = {name for (name,) in listed}
        return {name: self._date(name) for name in _TIMES_OF if name in there}

    def _connected(self, *args: Any, **kwargs: Any) -> Any:
        connection = self._connect(*args, **kwargs)
        if get_ident() in by_thread:
            self._register(connection)
        return connection

    def _looking(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Make a method of connections that first looks whether this one has the functions."""

        def method(connection: Any, *args: Any, **kwargs: Any) -> Any:
            if get_ident() in by_thread:
                # Asked of SQLite, since nothing can be kept with a connection; sqlite3 keeps the
                # statement.
                try:
                    self._execute(connection, f"SELECT {_MARK}()")
                except self._error:
                    self._register(connection)
                except Exception:  # noqa: BLE001 - closed, of another thread, refused: not by us
                    return real(connection, *args, **kwargs)
            return real(connection, *args, **kwargs)

        method.__name__, method.__qualname__ = name, f"Connection.{name}"
        return method

    def _register(self, connection: Any) -> None:
        connection.create_function(_MARK, 0, bool)
        for name, function in self._dates().items():
            connection.create_function(name, -1, function, deterministic=True)
        for name in _CURRENT:
            connection.create_function(name, 0, self._current(name), deterministic=True)
        connection.create_function("random", 0, self._random)
        connection.create_function("randomblob", 1, self._randomblob)

    def _date(self, name: str) -> Callable[..., Any]:
        times = _TIMES_OF[name]

        def date(*args: Any) -> Any:
            run = by_thread.get(get_ident())
            if run is None:
                return self._ask(name, *args)
            told = list(args)
            if len(told) == times[-1]:
                told.append("now")
            for index in times:
                if index < len(told) and isinstance(told[index], str):
                    is_now = told[index].lower() == "now"
                    told[index] = _now(run) if is_now else told[index]
            return self._ask(name, *told)

        return date

    def _current(self, name: str) -> Callable[[], Any]:
        part = _CURRENT[name]

        def current() -> Any:
            run = by_thread.get(get_ident())
            return self._ask(name) if run is None else _now(run)[part]

        return current

    def _random(self) -> Any:
        run = by_thread.get(get_ident())
        if run is None:
            return self._ask("random")
        return run.entropy.stream("program/sqlite").getrandbits(_BITS) - (1 << (_BITS - 1))

    def _randomblob(self, size: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is None or not isinstance(size, int | float):
            return self._ask("randomblob", size)
        return run.entropy.stream("program/sqlite").randbytes(max(int(size), 1))


def _register(module: ModuleType) -> None:
    _Functions(module)


when_loaded("_sqlite3", _register)
