"""Databases that SQL opens: ``ATTACH`` and ``VACUUM INTO``, refused in a run with a disk.

Owns: an authorizer for each connection that is made in such a run, which SQLite asks about each
statement (https://www.sqlite.org/c3ref/set_authorizer.html) before the program's own, and turning
its "not authorized" into an error that gives the reason. Python announces each connection, and
nothing of what SQL opens.

Must not know: what connects; that is :mod:`.own_openers`.

Invariants:

- Databases in memory, and SQLite's own temporary ones, are as ever.
- A connection has no file, whatever its name promised: ``file:x?mode=memory`` is the name of a file
  for one that does not read names as URIs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._sandbox.audit_guard import add_guard
from simloop._sandbox.patching.c_functions import clone_method
from simloop._sandbox.patching.registry import method, redirect, when_loaded
from simloop._sandbox.run_context import get_ident

from .callers import calls_of_paths
from .refusing import is_in_memory, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_IN_C = "SQLite opens its files by itself, in C"
_ATTACH = 24  # SQLITE_ATTACH of sqlite3.h.
_OK, _DENY = 0, 1
_DESERIALIZED = "x"
"""What sqlite3_deserialize() attaches by SQL of its own, in memory (memdb.c)."""

_denied: dict[int, str] = {}
"""By thread: the path that the last denial was of."""
_made: dict[int, list[Any]] = {}
"""By thread: connections that are to be watched before they run anything. When they are announced
they can't be asked yet."""
_deserializing: dict[int, int] = {}
"""By thread that is in ``deserialize``: how often."""


def _authorize(action: int, path: str | None, *_: Any) -> int:
    if action != _ATTACH or calls_of_paths() is None:
        return _OK
    if path is not None and is_in_memory(path):
        return _OK
    if path == _DESERIALIZED and get_ident() in _deserializing:
        return _OK
    _denied[get_ident()] = "?" if path is None else path  # SQLite tells those that are literals.
    return _DENY


def _before(asked: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return an authorizer that asks the program's, if it has one, after ours."""
    if asked is None:
        return _authorize
    return lambda *of: _authorize(*of) or asked(*of)


def _register(module: ModuleType) -> None:
    def set_authorizer(self: Any, authorizer_callback: Any) -> None:
        has_disk = calls_of_paths() is not None
        real(self, _before(authorizer_callback) if has_disk else authorizer_callback)

    def watch_made() -> None:
        for connection in _made.pop(get_ident(), ()):
            ((_, _, path),) = execute(connection, "PRAGMA database_list")
            if path:
                close(connection)
                raise refused(f"sqlite3.connect({path!r})", _IN_C, 'connect to ":memory:"')
            real(connection, _authorize)

    def connect(*args: Any, **kwargs: Any) -> Any:
        connection = real_connect(*args, **kwargs)
        watch_made()
        return connection

    kind = module.Connection
    execute, close = clone_method(kind, "execute"), clone_method(kind, "close")
    real = method(kind, "set_authorizer", set_authorizer)
    real_connect = redirect(module.connect, connect)
    add_guard("sqlite3.connect/handle", _take_note)
    if hasattr(kind, "deserialize"):  # SQLite may be built without it.
        _let_deserialize(kind)
    for name in ("execute", "executemany", "executescript"):
        for owner in (module.Cursor, kind):
            _explain_denials(owner, name, module.DatabaseError, watch_made)


def _take_note(_seat: RunContext, _event: str, args: tuple[Any, ...]) -> None:
    if calls_of_paths() is not None:
        _made.setdefault(get_ident(), []).append(args[0])


def _let_deserialize(kind: type) -> None:
    def deserialize(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        caller = get_ident()
        _deserializing[caller] = _deserializing.get(caller, 0) + 1
        try:
            return real(self, *args, **kwargs)
        finally:
            _deserializing[caller] -= 1
            if not _deserializing[caller]:
                del _deserializing[caller]

    real = method(kind, "deserialize", deserialize)


def _explain_denials(
    owner: type, name: str, error_of_database: type[Exception], watch_made: Callable[[], None]
) -> None:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _made:
            watch_made()
        try:
            return real(self, *args, **kwargs)
        except error_of_database:
            path = _denied.pop(get_ident(), None)
            if path is None:
                raise
        raise refused(
            f"ATTACH {path!r} to a database", _IN_C, 'attach ":memory:", in so many words'
        )

    call.__name__, call.__qualname__ = name, f"{owner.__name__}.{name}"
    real = method(owner, name, call)


when_loaded("_sqlite3", _register)
