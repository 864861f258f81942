"""What opens files by itself, in C: refused in a run with a disk, by name and with the way out.

Owns: ``mmap`` of a file on a disk, databases in C (sqlite3, gdbm, ndbm), certificates that OpenSSL
reads and keys that it writes, readline's history, and the net below all that: Python announces each
opening of a file and each change of files (``sys.audit``), so what comes there in a run with a disk
was not sent to it. ``dbm`` makes new databases by its own module in Python, ``dbm.dumb``.

Must not know: how the rest could be had.

Invariant: what is refused has not happened.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simloop._sandbox.audit_guard import CHANGES, add_guard
from simloop._sandbox.patching.c_functions import clone_method
from simloop._sandbox.patching.registry import entry, method, redirect, rewrite, when_loaded
from simloop.disk.disk_errors import NotOnDiskError

from .callers import calls_of_descriptors, calls_of_paths, is_changed
from .real_files import is_reading_below
from .refusing import is_in_memory, refused

if TYPE_CHECKING:
    from types import ModuleType

    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SYSTEM = ("/dev/", "/proc/", "/sys/")


def _refuse_real_change(_seat: RunContext, event: str, args: tuple[Any, ...]) -> None:
    """Refuse what would change real files past the disk, or read what is no more as it is there."""
    calls = calls_of_paths()
    if calls is None or not isinstance(args[0], str | bytes | os.PathLike):
        return
    if event == "open" and not args[2] & _WRITE_FLAGS:
        if not is_reading_below() and _was_written(calls, args[0]):
            reason = "it reads the real files by itself, and this one was changed in the run"
            raise refused(f"open({os.fsdecode(args[0])!r})", reason, "read what open() gives")
        return
    path = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100 - links are not followed
    is_file = not path.startswith(_SYSTEM) or path.startswith("/dev/shm/")  # noqa: S108 - of files
    if is_file or not os.path.lexists(path):
        reason = "it goes to the real files by itself"
        raise refused(f"{event}({path!r})", reason, "use open() and the functions of os")


def _refuse_database(_seat: RunContext, _event: str, args: tuple[Any, ...]) -> None:
    if calls_of_paths() is None or not isinstance(args[0], str | bytes | os.PathLike):
        return
    path = os.fsdecode(args[0])
    if not is_in_memory(path):
        reason = "SQLite opens its files by itself, in C"
        raise refused(f"sqlite3.connect({path!r})", reason, 'connect to ":memory:"')


def _refuse_map(_seat: RunContext, _event: str, args: tuple[Any, ...]) -> None:
    calls = calls_of_descriptors()
    if calls is not None and calls.look_up(args[0]) is not None:
        reason = "the memory of a file on it can't be shared"
        raise refused(f"mmap.mmap({args[0]})", reason, "read and write the file")


def _was_written(calls: Any, path: Any) -> bool:
    """Return whether a file is there that a program of the run has made or changed."""
    try:
        inode = calls.find(path, None)
    except (OSError, ValueError, NotOnDiskError):
        return False
    return inode.is_file and (inode.lower is None or bool(inode.is_kept))


add_guard("open", _refuse_real_change)
for _event in CHANGES:
    add_guard(_event, _refuse_real_change)
add_guard("sqlite3.connect", _refuse_database)
add_guard("mmap.__new__", _refuse_map)


def _register_dbm_in_c(module: ModuleType) -> None:
    def refuse(path: Any, *args: Any) -> Any:
        if calls_of_paths() is not None:
            name = module.__name__.removeprefix("_")
            reason = "it opens its files by itself, in C"
            raise refused(f"dbm.{name}.open({path!r})", reason, "use dbm.dumb")
        return real(path, *args)

    real = redirect(module.open, refuse)


def _register_dbm(module: ModuleType) -> None:
    def open_(file: Any, flag: str = "r", mode: int = 0o666) -> Any:
        is_new = flag[:1] == "n" or (flag[:1] == "c" and module.whichdb(file) is None)
        if calls_of_paths() is not None and is_new:
            from dbm import dumb  # noqa: PLC0415 - of few programs

            return dumb.open(file, flag, mode)
        return real(file, flag, mode)

    real = rewrite(module.open, open_)


when_loaded("_gdbm", _register_dbm_in_c)
when_loaded("_dbm", _register_dbm_in_c)
when_loaded("dbm", _register_dbm)


_OF_OPENSSL = "OpenSSL opens its files by itself, in C"


def _register_certificates(module: ModuleType) -> None:
    for name in ("load_cert_chain", "load_verify_locations", "load_dh_params"):
        _refuse_written(module._SSLContext, name)


def _register_key_log(module: ModuleType) -> None:
    """Refuse to let OpenSSL write the keys of connections to a file."""
    real = module._ssl._SSLContext.keylog_filename

    def set_(self: Any, path: Any) -> None:
        if path is not None and calls_of_paths() is not None:
            way_out = "leave it unset, and SSLKEYLOGFILE, too"
            raise refused(f"SSLContext.keylog_filename = {path!r}", _OF_OPENSSL, way_out)
        real.__set__(self, path)

    entry(module.SSLContext, "keylog_filename", property(real.__get__, set_))


def _register_history(module: ModuleType) -> None:
    for name in ("append_history_file", "read_history_file", "write_history_file"):
        if hasattr(module, name):  # libedit appends nothing.
            _refuse_history(getattr(module, name))


def _refuse_history(function: Any) -> None:
    def refuse(*args: Any) -> Any:
        if calls_of_paths() is None:
            return real(*args)
        call = f"readline.{function.__name__}({', '.join(map(repr, args))})"
        way_out = "write the lines that get_history_item() gives"
        raise refused(call, "it opens its file by itself, in C", way_out)

    real = redirect(function, refuse)


def _refuse_written(owner: Any, name: str) -> None:
    """Refuse a method where a path that it is given leads to what was written on the disk."""
    real = clone_method(owner, name)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls = calls_of_paths()
        for each in (*args, *kwargs.values()) if calls is not None else ():
            if isinstance(each, str | bytes | os.PathLike) and is_changed(calls, each):
                reason = _OF_OPENSSL
                way_out = "give the certificates as text: cadata=, or write them under allow"
                raise refused(f"SSLContext.{name}({each!r})", reason, way_out)
        return real(self, *args, **kwargs)

    call.__name__ = name
    method(owner, name, call)


when_loaded("_ssl", _register_certificates)
when_loaded("ssl", _register_key_log)
when_loaded("readline", _register_history)
