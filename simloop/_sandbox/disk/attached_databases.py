"""Databases that SQL opens: ``ATTACH`` and ``VACUUM INTO``, refused in a run with a disk.

Owns: an authorizer for each connection that is made in such a run, which SQLite asks about each
statement (https://www.sqlite.org/c3ref/set_authorizer.html), and turning its "not authorized" into
an error that gives the reason. Python announces ``sqlite3.connect`` and nothing of what SQL opens.

Must not know: what connects; that is :mod:`.own_openers`.

Invariant: databases in memory, and SQLite's own temporary ones, are as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import method, redirect, when_loaded
from simloop._sandbox.run_context import get_ident

from .callers import calls_of_paths
from .refusing import is_in_memory, refused

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []

_ATTACH = 24  # SQLITE_ATTACH of sqlite3.h.
_OK, _DENY = 0, 1

_denied: dict[int, str] = {}
"""By thread: the path that the last denial was of."""


def _authorize(action: int, path: str | None, *_: Any) -> int:
    if action != _ATTACH or calls_of_paths() is None:
        return _OK
    if path is not None and is_in_memory(path):
        return _OK
    _denied[get_ident()] = "?" if path is None else path  # SQLite tells those that are literals.
    return _DENY


def _register(module: ModuleType) -> None:
    def connect(*args: Any, **kwargs: Any) -> Any:
        connection = real(*args, **kwargs)
        if calls_of_paths() is not None:
            connection.set_authorizer(_authorize)
        return connection

    real = redirect(module.connect, connect)
    for name in ("execute", "executemany", "executescript"):
        _explain_denials(module.Cursor, name, module.DatabaseError)
        _explain_denials(module.Connection, name, module.DatabaseError)


def _explain_denials(owner: type, name: str, error_of_database: type[Exception]) -> None:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return real(self, *args, **kwargs)
        except error_of_database:
            path = _denied.pop(get_ident(), None)
            if path is None:
                raise
        reason = "SQLite opens its files by itself, in C"
        raise refused(
            f"ATTACH {path!r} to a database", reason, 'attach ":memory:", in so many words'
        )

    call.__name__, call.__qualname__ = name, f"{owner.__name__}.{name}"
    real = method(owner, name, call)


when_loaded("_sqlite3", _register)
