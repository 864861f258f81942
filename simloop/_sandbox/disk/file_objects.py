"""What ``open`` and ``io.FileIO`` give for a file on a virtual disk.

Owns: the raw file, a ``FileIO`` whose methods go to the process's calls, and the function ``open``
around it. The buffers and the text layer are Python's own: they call a raw file by its methods
(``_bufferedreader_raw_read`` in CPython's Modules/_io/bufferedio.c). The raw file is a subclass of
``FileIO`` that never calls its parent's ``__init__``, so it holds no descriptor of the system.

Must not know: what the calls do.

Invariants: after the run a file that is still open goes on in memory; it never becomes real. With
the end of its process it is closed, whoever holds it, and what a buffer holds still is lost.
"""

from __future__ import annotations

import _io
import builtins
import errno
import io
import os
import stat
import warnings
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from simloop._presence import call_hearers
from simloop._sandbox.patching.registry import entry, redirect
from simloop._sandbox.process import effects
from simloop._sandbox.process.lock_calls import wake_lock_waiters
from simloop.disk.disk_errors import NotOnDiskError, file_error

from .callers import calls_of_descriptors, calls_of_paths, is_left_alone

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DiskFileIO"]

_RealFileIO = _io.FileIO
_MODES = {"r": 0, "w": os.O_CREAT | os.O_TRUNC, "x": os.O_CREAT | os.O_EXCL, "a": os.O_CREAT}
_warn = warnings.warn


class DiskFileIO(_RealFileIO):
    """A raw file on a virtual disk.

    Args:
        calls: Of the process.
        fd: The descriptor, which is the file's own from now on.
        name: What the program opened.
        mode: As of ``FileIO``: one of "rwxa", and "+" perhaps.
        closefd: Whether closing the file closes the descriptor.
    """

    _is_closed: bool = True  # Until it is made.
    _calls: Any

    def __init__(self, calls: Any, fd: int, name: Any, mode: str, *, closefd: bool = True) -> None:
        self._calls = calls
        self._fd = fd
        self._is_closed = False
        self._closefd = closefd
        plus = "+" in mode
        self._reads = "r" in mode or plus
        self._writes = plus or "r" not in mode
        self._mode = _shown_mode(mode)
        self.name = name

    # What it is ----------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it was closed, or its process has ended."""
        return self._is_closed or self._calls.has_ended

    @property
    def closefd(self) -> bool:
        """Whether closing it closes its descriptor."""
        return self._closefd

    @property
    def mode(self) -> str:  # type: ignore[override]  # a getset descriptor in C
        """The mode, as ``FileIO`` writes it."""
        return self._mode

    @property
    def _blksize(self) -> int:
        return 4096

    def __repr__(self) -> str:
        if self.closed:
            return "<_io.FileIO [closed]>"
        return f"<_io.FileIO name={self.name!r} mode={self.mode!r} closefd={self._closefd}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError("cannot pickle 'FileIO' instances")

    def _open_fd(self) -> int:
        if self._is_closed or self._calls.has_ended:
            raise ValueError("I/O operation on closed file")
        return self._fd

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._open_fd()

    def readable(self) -> bool:
        """Return whether it can be read."""
        self._open_fd()
        return self._reads

    def writable(self) -> bool:
        """Return whether it can be written."""
        self._open_fd()
        return self._writes

    def seekable(self) -> bool:
        """Return True."""
        self._open_fd()
        return True

    def isatty(self) -> bool:
        """Return False."""
        self._open_fd()
        return False

    def _opened(self, fd: int) -> Any:
        try:
            return self._calls.opened(fd)
        except NotOnDiskError:
            pass
        raise file_error(errno.EBADF)  # Closed, or another file's, behind its back.

    # Reading and writing -------------------------------------------------------------------

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most so many bytes; all that are left if it is negative."""
        fd = self._readable_fd()
        if size is None or size < 0:
            return self.readall()
        data: bytes = self._opened(fd).read(size)
        return data

    def readall(self) -> bytes:
        """Read all that is left."""
        fd = self._readable_fd()
        parts = []
        while part := self._opened(fd).read(_PART):
            parts.append(part)
        return b"".join(parts)

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer."""
        fd = self._readable_fd()
        view = memoryview(buffer)
        if view.format != "B":
            view = view.cast("B")
        room = len(view)
        data = self._opened(fd).read(room)
        size = len(data)
        if size == room:
            view[:] = data
        else:
            view[:size] = data
        return size

    def _readable_fd(self) -> int:
        fd = self._open_fd()
        if not self._reads:
            raise io.UnsupportedOperation("File not open for reading")
        return fd

    def write(self, data: Any, /) -> int:
        """Write; return how many bytes were written."""
        if effects.is_heard():
            heard: int = _telling_write(self, data)
            return heard
        return _plain_write(self, data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position."""
        calls = self._calls
        if self._is_closed or calls.has_ended:
            raise ValueError("I/O operation on closed file")
        position: int = self._opened(self._fd).seek(offset, whence)
        return position

    def tell(self) -> int:
        """Return the position."""
        return self.seek(0, os.SEEK_CUR)

    def truncate(self, size: int | None = None, /) -> int:
        """Give the file a size; that of the position if None."""
        fd = self._open_fd()
        if not self._writes:
            raise io.UnsupportedOperation("File not open for writing")
        if size is None:
            size = self.tell()
        self._opened(fd).truncate(size)
        return size

    # The end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Close it, and its descriptor where that is its own."""
        if self.closed:
            return
        try:
            io.RawIOBase.flush(self)
        finally:
            self._is_closed = True
            if self._closefd:
                _close(self._calls, self._fd)

    def _dealloc_warn(self, source: object, depth: int = 2) -> None:
        if not self.closed and self._closefd:
            _warn(f"unclosed file {source!r}", ResourceWarning, source=source, stacklevel=depth)

    def __del__(self) -> None:
        if not self.closed:
            self._dealloc_warn(self, 3)
            self.close()


def _close(calls: Any, fd: int) -> None:
    """Close a descriptor, whatever it names by now."""
    try:
        calls.close(fd)
    except NotOnDiskError:
        calls.descriptors.close(fd)
    wake_lock_waiters()


_PART = 1 << 24


def _plain_write(self: DiskFileIO, data: Any, /) -> int:
    fd = self._open_fd()
    if not self._writes:
        raise io.UnsupportedOperation("File not open for writing")
    # memoryview refuses what is no bytes, a text above all.
    data = data if type(data) is bytes else bytes(memoryview(data))
    written: int = self._opened(fd).write(data)
    return written


_telling_write: Callable[[DiskFileIO, Any], int] = effects.telling_raw_write(_plain_write)


def _shown_mode(mode: str) -> str:
    letter = next(each for each in "xarw" if each in mode)
    if letter == "w":
        return "rb+" if "+" in mode else "wb"
    if letter == "r":
        return "rb+" if "+" in mode else "rb"
    return f"{letter}b+" if "+" in mode else f"{letter}b"


# Opening ---------------------------------------------------------------------------------------


def _flags_of(mode: str) -> int:
    letter = next(each for each in "rwxa" if each in mode)
    access = os.O_RDONLY if letter == "r" else os.O_WRONLY
    flags = (os.O_RDWR if "+" in mode else access) | _MODES[letter]
    return flags | os.O_CLOEXEC | (os.O_APPEND if letter == "a" else 0)


def _raw(calls: Any, file: Any, mode: str, *, closefd: bool, opener: Any) -> Any:
    """Open a raw file.

    Returns:
        A descriptor of the system instead, where the opener gave one.

    Raises:
        NotOnDiskError: It is no file of a disk.
    """
    if isinstance(file, int):
        calls.opened(file)
        _check_opened(calls, file, file, mode)
        return DiskFileIO(calls, file, file, mode, closefd=closefd)
    if not closefd:
        raise ValueError("Cannot use closefd=False with file name")
    name = os.fspath(file)
    fd = _descriptor(calls, file, mode, opener)
    if calls.look_up(fd) is None:
        return fd
    try:
        _check_opened(calls, fd, name, mode)
    except BaseException:
        calls.close(fd)
        raise
    return DiskFileIO(calls, fd, name, mode)


def _descriptor(calls: Any, file: Any, mode: str, opener: Any) -> int:
    """Return the descriptor that a path is opened under, by the opener if there is one."""
    flags = _flags_of(mode)
    if opener is None:
        if effects.is_heard():
            effects.changed("open", (os.fsdecode(file), mode, flags))
        opened: int = calls.open(file, flags, 0o666)
        return opened
    fd = opener(file, flags)
    if not isinstance(fd, int):
        raise TypeError("expected integer from opener")
    if fd < 0:
        raise ValueError(f"opener returned {fd}")
    return fd


def _check_opened(calls: Any, fd: int, name: Any, mode: str) -> None:
    """Refuse a folder, and go to the end where the mode is to append."""
    if stat.S_ISDIR(calls.fstat(fd).st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if "a" in mode:
        calls.lseek(fd, 0, os.SEEK_END)


def _open(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,  # noqa: FBT001, FBT002 - as open has it
    opener: Any = None,
) -> Any:
    calls = calls_of_descriptors() if isinstance(file, int) else calls_of_paths()
    rest = (buffering, encoding, errors, newline, closefd)
    further = {} if opener is None else {"opener": opener}
    if calls is None or is_left_alone(calls, file, 2) or not _is_mode(mode):
        return _real_open(file, mode, *rest, **further)
    if call_hearers:
        call_hearers[0]()
    try:
        _check_arguments(mode, buffering, encoding, errors, newline)
        raw = _raw(calls, file, _raw_mode(mode), closefd=closefd, opener=opener)
    except NotOnDiskError:
        return _real_open(file, mode, *rest, **further)
    if isinstance(raw, int):
        return _real_open(file, mode, *rest, opener=lambda _path, _flags: raw)
    try:
        made = _layers(raw, mode, buffering, encoding, errors, newline)
    except BaseException:
        raw.close()
        raise
    if call_hearers and raw._writes:
        call_hearers[0]()  # It is cut to nothing, and what is written comes later.
    return made


def _is_mode(mode: Any) -> bool:
    """Return whether a mode is one that ``open`` takes; the real one refuses others."""
    if not isinstance(mode, str) or any(mode.count(each) > 1 for each in mode):
        return False
    kinds = sum(mode.count(each) for each in "rwxa")
    return not mode.strip("rwxabt+") and kinds == 1 and not ("b" in mode and "t" in mode)


def _raw_mode(mode: str) -> str:
    return mode.replace("t", "").replace("b", "")


def _check_arguments(mode: str, buffering: int, *of_text: Any) -> None:
    """Refuse what does not go together, as ``open`` words it (CPython: _io_open_impl)."""
    if "b" in mode:
        for name, value in zip(("encoding", "errors", "newline"), of_text, strict=True):
            if value is not None:
                article = "a" if name == "newline" else "an"
                raise ValueError(f"binary mode doesn't take {article} {name} argument")
        if buffering == 1:
            _warn(
                "line buffering (buffering=1) isn't supported in binary mode, the default buffer"
                " size will be used",
                RuntimeWarning,
                stacklevel=3,
            )
    elif buffering == 0:
        raise ValueError("can't have unbuffered text I/O")


def _layers(
    raw: DiskFileIO,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> Any:
    """Put a buffer around a raw file, and a text layer."""
    if buffering == 0:
        return raw
    size = buffering if buffering > 1 else max(raw._blksize, io.DEFAULT_BUFFER_SIZE)
    made: Any
    if "+" in mode:
        made = _io.BufferedRandom(raw, size)
    elif raw._writes:
        made = _io.BufferedWriter(raw, size)
    else:
        made = _io.BufferedReader(raw, size)
    if "b" not in mode:
        encoding = _io.text_encoding(encoding, 2)
        made = _io.TextIOWrapper(made, encoding, errors, newline, buffering == 1)
        made.mode = mode
    if raw._writes:
        raw._calls.descriptors.get(raw._fd).find_buffer = weakref.ref(made)
    return made


_real_open = redirect(builtins.open, _open)


def _open_code(path: Any) -> Any:
    calls = calls_of_paths()
    if calls is None:
        return _real_open_code(path)
    # The real one calls ``io.open`` (PyFile_OpenCodeObject), which would not see who asks.
    return (_real_open if is_left_alone(calls, path, 2) else _open)(path, "rb")


_real_open_code = redirect(io.open_code, _open_code)


# io.FileIO -------------------------------------------------------------------------------------


class _FileIOType(type(_RealFileIO)):  # type: ignore[misc]  # a metaclass that is computed
    """The class of what stands for ``io.FileIO``: makes a file of a disk, or a real one."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is not FileIO:
            return super().__call__(*args, **kwargs)
        return _new_file(*args, **kwargs)

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is FileIO:
            return isinstance(instance, _RealFileIO)
        return bool(super().__instancecheck__(instance))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return (
            issubclass(subclass, _RealFileIO)
            if cls is FileIO
            else super().__subclasscheck__(subclass)
        )


class FileIO(_RealFileIO, metaclass=_FileIOType):
    """What ``io.FileIO`` is in runs."""


def _new_file(
    file: Any,
    mode: Any = "r",
    closefd: bool = True,  # noqa: FBT001, FBT002 - as FileIO has it
    opener: Any = None,
) -> Any:
    calls = calls_of_descriptors() if isinstance(file, int) else calls_of_paths()
    known = isinstance(mode, str) and _is_mode(mode.replace("b", ""))
    if calls is None or not known or is_left_alone(calls, file, 3):
        return _RealFileIO(file, mode, closefd, opener)
    try:
        raw = _raw(calls, file, _raw_mode(mode), closefd=closefd, opener=opener)
    except NotOnDiskError:
        return _RealFileIO(file, mode, closefd, opener)
    return _RealFileIO(file, mode, closefd, lambda *_: raw) if isinstance(raw, int) else raw


entry(_io, "FileIO", FileIO)
entry(io, "FileIO", FileIO)
