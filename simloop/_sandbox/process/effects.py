"""What a run does to the outside: what it prints, the files that it writes and changes.

Owns: hearing of it, while a run is watched, and telling the watchers of that run. What crosses the
world's own sockets and pipes is told by the network, and no part of this.

How. Output is heard where the program writes it and not where it reaches the system: when a buffer
is flushed depends on what was in it before the run, and on whether it is a terminal's. So the
methods ``write`` of Python's own files are exchanged, and what a text file passes to the binary
file within it is not told a second time. Whatever else stands as ``sys.stdout`` or ``sys.stderr``
is heard by its class's ``write``, from the first ``print`` on. ``os.write`` and its kin are told of
where they are redirected, changes to the file system by Python's audit events.

Must not know: what watchers do with it.

Invariants:

- A run that is not watched pays nothing: the methods are Python's own unless a watched one is on.
- Only threads inside a watched run are told of, each to the watchers of its own run.
- What a process does once is no run's: modules that are imported in a run, warnings, which are
  shown once for each line, the search of ``tempfile`` for its folder.
- Files go by their last name: where a folder lies is the machine's affair.
"""

from __future__ import annotations

import _io
import builtins
import os
import stat
import sys
from importlib import _bootstrap
from types import FunctionType, MethodDescriptorType
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import Redirect, clone, type_dict, type_modified
from simloop._sandbox.patching.memory import address_of
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Tell = Callable[[str, Any], object]

__all__ = [
    "Listener",
    "changed",
    "is_heard",
    "listen",
    "telling_raw_write",
    "unlisten",
    "write",
]

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_CHANGES = (
    *("open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink"),
    *("os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr"),
    *("subprocess.Popen", "os.posix_spawn", "os.kill", "os.killpg", "os.system"),
)
"""Audit events that are told of; the others read, or are refused."""

_streams: dict[str, Any] = {}
"""The standard streams as they were when the first watcher came, which keep their names."""


class Listener:
    """One watcher of one run.

    Args:
        numbers: The threads of the run, by which it is known.
        tell: Called with what was done and to what, ``stdout`` or ``file notes.txt``, and the text
            or the bytes.
        is_silent: Whether nothing that goes to stdout or stderr is to arrive there.
    """

    __slots__ = ("is_silent", "numbers", "tell")

    def __init__(self, numbers: dict[int, int], tell: Tell, *, is_silent: bool) -> None:
        self.numbers = numbers
        self.tell = tell
        self.is_silent = is_silent


_listeners: list[Listener] = []
_writing: dict[int, None] = {}
"""Threads that are within a method of a file, which writes to the file within."""


def listen(listeners: tuple[Listener, ...]) -> None:
    """Tell them of what their run does to the outside, from now on."""
    if not _listeners:
        _streams.update(stdout=sys.stdout, stderr=sys.stderr)
        _adopt(sys.stdout)
        _adopt(sys.stderr)
        for method in _methods:
            method.on()
        _print.on()
    _listeners.extend(listeners)


def unlisten(listeners: tuple[Listener, ...]) -> None:
    """Tell them no more."""
    for each in listeners:
        _listeners.remove(each)
    if not _listeners:
        _print.off()
        for method in _methods:
            method.off()
        del _methods[_OF_PYTHON:]
        _streams.clear()


def is_heard() -> bool:
    """Return whether any run is watched."""
    return bool(_listeners)


def _mine() -> list[Listener]:
    """Return the listeners of the run to which the calling thread belongs."""
    run = by_thread.get(get_ident())
    if run is None:
        return []
    numbers = run.numbers
    return [each for each in _listeners if each.numbers is numbers]


def _tell(listeners: list[Listener], what: str, data: Any) -> None:
    """Tell listeners; what they write themselves meanwhile is no part of the run."""
    ident = get_ident()
    is_within = ident in _writing
    _writing[ident] = None
    try:
        for each in listeners:
            each.tell(what, data)
    finally:
        if not is_within:
            _writing.pop(ident, None)


# Methods of files ---------------------------------------------------------------------------


class _Method:
    """A method of a class of files that is another one while there are listeners."""

    def __init__(self, owner: type, name: str, make: Callable[[Any], Any]) -> None:
        self.owner = owner
        self._address = address_of(owner)  # Where it stays; asked for, it is two audit events.
        self._namespace = type_dict(owner)
        self._name = name
        self._real = self._namespace[name]
        self._ours = make(self._real)
        self._ours.__name__ = name
        self._ours.__qualname__ = f"{owner.__qualname__}.{name}"

    def on(self) -> None:
        """Put ours there."""
        self._namespace[self._name] = self._ours
        type_modified(self._address)

    def off(self) -> None:
        """Put back what was there."""
        if self._namespace.get(self._name) is self._ours:
            self._namespace[self._name] = self._real
            type_modified(self._address)


def _telling_write(real: Any, depth: int = 1) -> Any:
    """Make the ``write`` of a class of Python's own files that tells what it wrote."""

    def write(self: Any, data: Any, /) -> Any:
        ident = get_ident()
        listeners = [] if ident in _writing else _mine()
        if not listeners:
            return real(self, data)
        what = _name_of(self)
        if any(each.is_silent for each in listeners) and _is_outer(self):
            written: Any = len(data)
        else:
            _writing[ident] = None
            try:
                written = real(self, data)
            finally:
                _writing.pop(ident, None)
        if not _is_of_process(sys._getframe(depth)):
            told = data[:written] if type(self) is _io.FileIO and written else data
            _tell(listeners, what, told if type(told) is str else _bytes_of(told))
        return written

    return write


def telling_raw_write(real: Any) -> Any:
    """Make the ``write`` of unbuffered files, which buffered ones call in C, and programs too.

    The function that stands there in every run calls it, where one is watched; see ``file_calls``.
    """
    telling = _telling_write(real, depth=3)

    def write(self: Any, data: Any, /) -> Any:
        # A buffered file passes memory that is no object's (_bufferedwriter_raw_write in CPython's
        # Modules/_io/bufferedio.c); it was told of when it went into the buffer.
        if type(data) is memoryview and data.obj is None:
            return real(self, data)
        return telling(self, data)

    return write


def _passing_on(real: Any) -> Any:
    """Make a method of text files that writes to the file within what was told of already."""

    def method(self: Any) -> Any:
        ident = get_ident()
        if ident in _writing or ident not in by_thread:
            return real(self)
        _writing[ident] = None
        try:
            return real(self)
        finally:
            _writing.pop(ident, None)

    return method


def _telling_other(real: Any) -> Any:
    """Make the ``write`` of a class of the program's, told of where it is a standard stream."""

    def write(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        ident = get_ident()
        what = _standard_name(self)
        listeners = [] if not what or ident in _writing else _mine()
        if not listeners:
            return real(self, data, *args, **kwargs)
        if any(each.is_silent for each in listeners) and _is_outer(self):
            written = len(data)
        else:
            _writing[ident] = None
            try:
                written = real(self, data, *args, **kwargs)
            finally:
                _writing.pop(ident, None)
        if not _is_of_process(sys._getframe(1)):
            _tell(listeners, what, str.__str__(data) if isinstance(data, str) else _bytes_of(data))
        return written

    return write


_methods = [
    _Method(_io.TextIOWrapper, "write", _telling_write),
    _Method(_io.TextIOWrapper, "flush", _passing_on),
    _Method(_io.TextIOWrapper, "close", _passing_on),
    _Method(_io.BufferedWriter, "write", _telling_write),
    _Method(_io.BufferedRandom, "write", _telling_write),
]
_OF_PYTHON = len(_methods)


def _adopt(stream: Any) -> None:
    """Hear a stream that is none of Python's own files, by the class that has its ``write``."""
    kinds = type.__dict__["__mro__"].__get__(type(stream))
    owner = next((kind for kind in kinds if "write" in type_dict(kind)), None)
    if owner is None or any(method.owner is owner for method in _methods):
        return
    if type(type_dict(owner)["write"]) not in (FunctionType, MethodDescriptorType):
        return
    method = _Method(owner, "write", _telling_other)
    _methods.append(method)
    method.on()


def _telling_print(*values: Any, **options: Any) -> None:
    if _listeners and options.get("file") is None and _mine():
        _adopt(sys.stdout)
    _print.real(*values, **options)


_print = Redirect(builtins.print, _telling_print)


def _bytes_of(data: Any) -> bytes:
    """Return what was written, as it is now; nothing where it can't be had any more."""
    try:
        return bytes(memoryview(data))
    except (TypeError, ValueError):
        return b""


# Names --------------------------------------------------------------------------------------


def _standard_name(stream: Any) -> str:
    for name in ("stdout", "stderr"):
        if stream is getattr(sys, name) or stream is _streams.get(name):
            return name
    return ""


def _is_outer(file: Any) -> bool:
    """Return whether a file is a standard stream of the process, not one that the run put there."""
    outer = [*_streams.values(), sys.__stdout__, sys.__stderr__]
    if any(file is each for each in outer):
        return True
    try:
        texts = [each for each in outer if isinstance(each, _io.TextIOWrapper)]
        return any(file is _buffer_of(each) for each in texts) or file.fileno() in _STANDARD
    except (AttributeError, OSError, ValueError):
        return False


def _name_of(file: Any) -> str:
    """Name a file of Python's own: a standard stream, or the last part of its path."""
    if name := _standard_name(file):
        return name
    try:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, _io.TextIOWrapper) and file is _buffer_of(stream):
                return name
        while not isinstance(file, _io.FileIO):
            file = _buffer_of(file) if isinstance(file, _io.TextIOWrapper) else file.raw
        if name := _STANDARD.get(file.fileno(), ""):
            return name
        return _last_name(object.__getattribute__(file, "name"))
    except (AttributeError, ValueError):  # It is another kind of file within, or closed.
        return "file"


_STANDARD = {1: "stdout", 2: "stderr"}
_buffer_of = _io.TextIOWrapper.__dict__["buffer"].__get__


def _last_name(path: Any) -> str:
    if type(path) is bytes:
        path = os.fsdecode(path)
    return f"file {os.path.basename(path)}" if isinstance(path, str) else "file"  # noqa: PTH119 - a text


# What a process does once ---------------------------------------------------------------------


def _is_of_process(frame: FrameType | None) -> bool:
    """Return whether code of the process, and not of the run, is what calls."""
    is_importing = bool(_bootstrap._module_locks)  # type: ignore[attr-defined]  # Python's own
    depth = 0
    while frame is not None and (is_importing or depth < _DEPTH):
        code = frame.f_code
        name = frame.f_globals.get("__name__")
        if str(name).startswith(_IN_FRONT):
            frame = frame.f_back
            continue
        if name in _RUNNERS:
            return False
        if name in _OF_PROCESS or _FIRST_USE.get(code.co_name) == name:
            return True
        if not depth and isinstance(name, str) and name.startswith(_WATCHERS):
            return True
        frame = frame.f_back
        depth += 1
    return False


_IN_FRONT = "simloop._sandbox."
"""Whose functions stand in front of Python's in runs."""

_DEPTH = 4
"""How far the caller is looked for where no module is being imported."""

_FIRST_USE = {
    "_get_default_tempdir": "tempfile",
    "_has_writeable_tempdir": "multiprocessing.util",
}
"""Functions that try once in a process which folder may be written, and their modules."""

_OF_PROCESS = (
    *("importlib._bootstrap", "importlib._bootstrap_external", "warnings", "_py_warnings"),
    "pdb",  # What it shows is the user's.
)
_WATCHERS = ("simloop.cli", "simloop.trace", "simloop.testing", "simloop.net.wire.captures")
"""Packages that write down what they see of a run."""

_RUNNERS = ("simloop._kernel.kernel", "simloop.cli._running.execution", "simloop.world.running")
"""Modules that run the program: what calls these is no part of the run."""


# Descriptors and the file system --------------------------------------------------------------


_real_fstat: Callable[[int], os.stat_result] = clone(os.fstat)
"""Out of reach of redirects: that somebody listens is no call of the program's."""


def write(
    real: Callable[..., int],
    fd: Any,
    data: Any,
    *args: Any,
    fstat: Callable[[int], os.stat_result] = _real_fstat,
) -> int:
    """Write by a function of ``os``, and tell of what arrived.

    Args:
        real: The function, or that of a disk.
        fd: A descriptor, real or of the disk.
        data: What is written.
        *args: Further arguments of the function.
        fstat: Tells what the descriptor is.
    """
    run = by_thread.get(get_ident())
    listeners = _mine() if _listeners and get_ident() not in _writing else []
    what = _kind_of_descriptor(fd, fstat) if listeners else ""
    if not what or _is_of_process(sys._getframe(2)):
        written = real(fd, data, *args)
    else:
        is_list = isinstance(data, list | tuple)
        told = b"".join(map(_bytes_of, data)) if is_list else _bytes_of(data)
        if any(each.is_silent for each in listeners) and what in ("stdout", "stderr"):
            written = len(told)
        else:
            written = real(fd, data, *args)
        _tell(listeners, what, told[:written])
    if run is not None:
        run.files.wrote(fd, run.start_ns + run.clock.now_ns)
    return written


def _kind_of_descriptor(fd: Any, fstat: Callable[[int], os.stat_result]) -> str:
    """Name what a descriptor is; nothing for real pipes and sockets, which are not the run's."""
    if type(fd) is int and fd in _STANDARD:
        return _STANDARD[fd]
    try:
        return "file" if stat.S_ISREG(fstat(fd).st_mode) else ""
    except (OSError, TypeError):
        return ""


def changed(event: str, args: tuple[Any, ...]) -> None:
    """Tell of an audit event that changes files, or reaches real processes."""
    if not _listeners or event not in _CHANGES:
        return
    if event == "open" and (not args[2] & _WRITE_FLAGS or isinstance(args[0], int)):
        return
    shown = [_shown(arg) for arg in args]
    if any("__pycache__" in each for each in shown) or args[0] == os.devnull:
        return
    listeners = _mine()
    if listeners and not _is_of_process(sys._getframe(2)):
        if event == "open":
            shown = [shown[0], str(args[2] & _WRITE_FLAGS)]
        _tell(listeners, event, " ".join(os.path.basename(each) for each in shown))  # noqa: PTH119 - as above


def _shown(arg: Any) -> str:
    """Write an argument of an audit event; descriptors are numbered by the machine."""
    if type(arg) is bytes:
        return os.fsdecode(arg)
    if type(arg) is str:
        return arg
    if type(arg) in (list, tuple):
        return " ".join(_shown(each) for each in arg)
    return ""
