"""Paths inside a run: those that are names of virtual UNIX sockets go to the world.

Owns: what the functions of ``os`` that take a path do where it names a socket of the world, and
that such names are found in the folders that they lie in. Servers look for what an earlier one left
behind, remove it, set the mode of what they bound; a program that removes a folder lists it first.
All other paths are real.

Must not know: what is kept of such a path.

Invariants: a call for a path that the world does not know reaches the system as it was made; as
long as no path is bound, nothing is asked of the file system that the program did not ask.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING, Any, Self

from simloop._sandbox.patching.registry import redirect, redirect_present
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UnsupportedError
from simloop.net.linux import os_names

from .file_tree import folder_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simloop._sandbox.contracts import SocketPath, SocketPaths
    from simloop._sandbox.run_context import RunContext

__all__ = ["FolderScan"]

_PATHS = (str, bytes, os.PathLike)
_NEW = os.O_CREAT | os.O_EXCL


def _paths() -> SocketPaths | None:
    """Return the paths of the process that calls, or None where it has none."""
    run = by_thread.get(get_ident())
    if run is None or run.sockets is None:
        return None
    paths = run.sockets.paths
    return None if paths.names is None else paths


def _find(path: Any, dir_fd: Any, *, follow: bool, told: tuple[Any, ...] = ()) -> SocketPath | None:
    """Return what is known of a path, or None for one that is real.

    Args:
        path: What a program gave for one.
        dir_fd: The descriptor of the folder that it is relative to, or None.
        follow: Whether a symbolic link at its end is followed.
        told: The paths that an error names; ``path`` alone if there are none.

    Raises:
        NotADirectoryError: It lies below a socket.
    """
    paths = _paths()
    if paths is None or not isinstance(path, _PATHS):
        return None
    try:
        return paths.find(os.fsdecode(path), dir_fd, follow=follow)
    except NotADirectoryError:
        pass
    except (OSError, ValueError):  # The system says it better, with the path as it was given.
        return None
    raise _fault(errno.ENOTDIR, *(told or (path,)))


def _fault(code: int, *paths: Any) -> OSError:
    if len(paths) > 1:
        return OSError(code, os.strerror(code), paths[0], None, paths[1])
    return OSError(code, os.strerror(code), *paths)


def _told(error: OSError, *paths: Any) -> OSError:
    """Return an error of the world's with the paths that the program gave."""
    return _fault(error.errno or errno.EIO, *paths)


# -- one path -----------------------------------------------------------------------------------


def _redirect_path(name: str, answer: Callable[..., Any], *, follow: bool = True) -> None:
    """Send ``os.name(path, ...)`` to ``answer(paths, entry, path, dir_fd, ...)`` for a socket."""

    def function(*args: Any, **kwargs: Any) -> Any:
        if _paths() is None:
            return real(*args, **kwargs)
        path = args[0] if args else kwargs.get("path")
        dir_fd = kwargs.get("dir_fd")
        follows = follow and kwargs.get("follow_symlinks", True)
        entry = _find(path, dir_fd, follow=follows)
        if entry is None:
            return real(*args, **kwargs)
        left = {key: value for key, value in kwargs.items() if key not in _OF_PATHS}
        return answer(_paths(), entry, path, dir_fd, *args[1:], **left)

    real: Callable[..., Any] = redirect_present(os, name, function)


_OF_PATHS = ("path", "dir_fd", "follow_symlinks", "effective_ids")


def _stat(path: Any = None, *args: Any, **kwargs: Any) -> Any:
    if type(path) is int:
        return os.fstat(path)  # The same, for a descriptor.
    if path is None:
        path = kwargs.pop("path", None)
    follows = kwargs.get("follow_symlinks", True)
    entry = _find(path, kwargs.get("dir_fd"), follow=follows)
    if entry is None:
        return _real_stat(path, *args, **kwargs)
    paths = _paths()
    assert paths is not None
    return paths.status(entry)


_real_stat = redirect(os.stat, _stat)


def _lstat(paths: SocketPaths, entry: SocketPath, _path: Any, _dir_fd: Any) -> os.stat_result:
    return paths.status(entry)


def _access(paths: SocketPaths, entry: SocketPath, _path: Any, _dir_fd: Any, mode: int) -> bool:
    return paths.access(entry, mode)


def _unlink(paths: SocketPaths, _entry: SocketPath, path: Any, dir_fd: Any) -> None:
    try:
        paths.unlink(os.fsdecode(path), dir_fd)
    except OSError as error:
        told = _told(error, path)
    else:
        return
    raise told


def _chmod(paths: SocketPaths, entry: SocketPath, _path: Any, _dir_fd: Any, mode: int) -> None:
    paths.chmod(entry, mode)


def _chown(
    paths: SocketPaths, entry: SocketPath, _path: Any, _dir_fd: Any, uid: int, gid: int
) -> None:
    paths.chown(entry, uid, gid)


def _utime(
    paths: SocketPaths,
    entry: SocketPath,
    _path: Any,
    _dir_fd: Any,
    times: tuple[float, float] | None = None,
    *,
    ns: tuple[int, int] | None = None,
) -> None:
    if times is not None:
        ns = round(times[0] * 1e9), round(times[1] * 1e9)
    paths.utime(entry, ns)


def _refuse(code: int, *, is_named: bool = True) -> Callable[..., Any]:
    """Make the answer that is an error, with the path in it or without, as CPython's are."""

    def answer(_paths: SocketPaths, _entry: SocketPath, path: Any, *_: Any, **__: Any) -> Any:
        raise _fault(code, *([path] if is_named else []))

    return answer


def _open(
    _paths: SocketPaths,
    _entry: SocketPath,
    path: Any,
    _dir_fd: Any,
    flags: int,
    mode: int = 0,
) -> Any:
    del mode
    raise _error_of_opening(path, flags)


def _error_of_opening(path: Any, flags: int) -> Exception:
    """Return the error of open(2) at a socket: none can be opened."""
    if flags & _NEW == _NEW:
        return _fault(errno.EEXIST, path)
    if flags & os_names.O_DIRECTORY:
        return _fault(errno.ENOTDIR, path)
    if flags & os_names.O_PATH:
        return UnsupportedError(
            f"os.open({path!r}) with O_PATH: no descriptor can stand for the path of a virtual"
            " socket; use the path"
        )
    return _fault(errno.ENXIO, path)


def check_opening(path: Any, flags: int) -> None:
    """Raise the error of ``open()`` where the path is a socket's: EEXIST for a new file, ENXIO."""
    follows = flags & _NEW != _NEW
    if _find(path, None, follow=follows) is not None:
        raise _error_of_opening(path, flags)


for _name, _answer, _follow in (
    ("lstat", _lstat, False),
    ("access", _access, True),
    ("unlink", _unlink, False),
    ("remove", _unlink, False),
    ("chmod", _chmod, True),
    ("chown", _chown, True),
    ("lchown", _chown, False),
    ("utime", _utime, True),
    ("open", _open, True),
    ("chdir", _refuse(errno.ENOTDIR), True),
    ("readlink", _refuse(errno.EINVAL), False),
    ("truncate", _refuse(errno.EINVAL), True),
    ("mkdir", _refuse(errno.EEXIST), False),
    ("mkfifo", _refuse(errno.EEXIST, is_named=False), False),
    ("mknod", _refuse(errno.EEXIST, is_named=False), False),
):
    _redirect_path(_name, _answer, follow=_follow)


# -- two paths ----------------------------------------------------------------------------------


def _two(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, Any, int | None, int | None]:
    """Return both paths of a call, and the descriptors that they are relative to."""
    named = [kwargs[key] for key in ("src", "dst") if key in kwargs]
    src, dst = (*args, *named)[:2]
    return src, dst, kwargs.get("src_dir_fd"), kwargs.get("dst_dir_fd")


def _redirect_pair(name: str, answer: Callable[..., Any]) -> None:
    """Send ``os.name(src, dst, ...)`` to ``answer(real, ...)`` where there are sockets."""

    def function(*args: Any, **kwargs: Any) -> Any:
        paths = _paths()
        if paths is None or len(args) + len(kwargs) < 2:  # noqa: PLR2004 - source and target
            return real(*args, **kwargs)
        return answer(lambda: real(*args, **kwargs), paths, *_two(args, kwargs))

    real: Callable[..., Any] = redirect_present(os, name, function)


def _rename(
    real: Callable[[], Any],
    paths: SocketPaths,
    src: Any,
    dst: Any,
    src_dir_fd: int | None,
    dst_dir_fd: int | None,
) -> Any:
    source = _find(src, src_dir_fd, follow=False, told=(src, dst))
    target = _find(dst, dst_dir_fd, follow=False, told=(src, dst))
    if source is None:
        _check_replaced(paths, src, dst, src_dir_fd, dst_dir_fd, target)
        result = real()
        if target is not None:
            paths.drop(os.fsdecode(dst), dst_dir_fd)
        return result
    status = None if target is not None else _status_of(dst, dst_dir_fd)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise _fault(errno.EISDIR, src, dst)
    if status is None and target is None and os.fsdecode(dst).endswith("/"):
        raise _fault(errno.ENOTDIR, src, dst)
    if status is not None and not stat.S_ISSOCK(status.st_mode):
        os.unlink(dst, dir_fd=dst_dir_fd)
    try:
        paths.rename(os.fsdecode(src), os.fsdecode(dst), src_dir_fd, dst_dir_fd)
    except OSError as error:
        told = _told(error, src, dst)
    else:
        return None
    raise told


def _status_of(path: Any, dir_fd: int | None) -> os.stat_result | None:
    """Return the status of something real, or None."""
    try:
        return os.lstat(path, dir_fd=dir_fd)
    except (OSError, ValueError):
        return None


def _check_replaced(
    paths: SocketPaths,
    src: Any,
    dst: Any,
    src_dir_fd: int | None,
    dst_dir_fd: int | None,
    target: SocketPath | None,
) -> None:
    """Raise what rename(2) says of a real folder that goes where sockets are."""
    status = _status_of(src, src_dir_fd)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return
    if target is not None:
        raise _fault(errno.ENOTDIR, src, dst)
    there = _status_of(dst, dst_dir_fd)
    if there is not None and paths.names_in((there.st_dev, there.st_ino)):
        raise _fault(errno.ENOTEMPTY, src, dst)


def _link(
    real: Callable[[], Any],
    paths: SocketPaths,
    src: Any,
    dst: Any,
    src_dir_fd: int | None,
    dst_dir_fd: int | None,
) -> Any:
    source = _find(src, src_dir_fd, follow=False, told=(src, dst))
    if source is None and _status_of(src, src_dir_fd) is None:
        return real()  # Linux looks at the source first (fs/namei.c, do_linkat).
    is_there = _find(dst, dst_dir_fd, follow=False, told=(src, dst)) is not None
    if source is None:
        if is_there:
            raise _fault(errno.EEXIST, src, dst)
        return real()
    if is_there or _status_of(dst, dst_dir_fd) is not None:
        raise _fault(errno.EEXIST, src, dst)
    try:
        paths.link(source, os.fsdecode(dst), dst_dir_fd)
    except OSError as error:
        told = _told(error, src, dst)
    else:
        return None
    raise told


def _symlink(*args: Any, **kwargs: Any) -> Any:
    if _paths() is not None and len(args) + len(kwargs) >= 2:  # noqa: PLR2004 - as above
        src, dst, _, _ = _two(args, kwargs)
        if _find(dst, kwargs.get("dir_fd"), follow=False, told=(src, dst)) is not None:
            raise _fault(errno.EEXIST, src, dst)
    return _real_symlink(*args, **kwargs)


_redirect_pair("rename", _rename)
_redirect_pair("replace", _rename)
_redirect_pair("link", _link)
_real_symlink = redirect(os.symlink, _symlink)


# -- folders ------------------------------------------------------------------------------------


def _sockets_in(folder: Any, dir_fd: int | None = None) -> Mapping[str, SocketPath]:
    """Return the sockets in a folder, by name; none where it is no folder."""
    paths = _paths()
    if paths is None:
        return {}
    if dir_fd is not None:
        status = _status_of(folder, dir_fd)
        return {} if status is None else paths.names_in((status.st_dev, status.st_ino))
    try:
        return paths.names_in(folder_key("." if folder is None else folder))
    except (OSError, ValueError, TypeError):
        return {}


def _rmdir(path: Any = None, **kwargs: Any) -> Any:
    if path is None:
        path = kwargs.pop("path", None)
    if _paths() is not None:
        dir_fd = kwargs.get("dir_fd")
        if _find(path, dir_fd, follow=False) is not None:
            raise _fault(errno.ENOTDIR, path)
        if (
            _sockets_in(path, dir_fd)
            and (status := _status_of(path, dir_fd)) is not None
            and stat.S_ISDIR(status.st_mode)
        ):
            raise _fault(errno.ENOTEMPTY, path)
    return _real_rmdir(path, **kwargs)


_real_rmdir = redirect(os.rmdir, _rmdir)


def _listdir(path: Any = None) -> list[Any]:
    if _paths() is not None and _find(path, None, follow=True) is not None:
        raise _fault(errno.ENOTDIR, path)
    names: list[Any] = _real_listdir(path)
    made = os.fsencode if isinstance(path, bytes) else str
    for name in _sockets_in(path):
        if (shown := made(name)) not in names:  # A real socket may have that name.
            names.append(shown)
    return names


_real_listdir = redirect(os.listdir, _listdir)


def _scandir(path: Any = None) -> Any:
    if _paths() is None:
        return _real_scandir(path)
    if _find(path, None, follow=True) is not None:
        raise _fault(errno.ENOTDIR, path)
    sockets = _sockets_in(path)
    real = _real_scandir(path)
    return FolderScan(real, _chain(real, path, dict(sockets))) if sockets else real


_real_scandir = redirect(os.scandir, _scandir)


class _SocketEntry:
    """What ``os.scandir`` gives for a socket: as ``os.DirEntry``, of which none can be made."""

    __slots__ = ("_entry", "_paths", "name", "path")

    def __init__(self, paths: SocketPaths, entry: SocketPath, name: Any, path: Any) -> None:
        self._paths = paths
        self._entry = entry
        self.name = name
        self.path = path

    def inode(self) -> int:
        """Return the number of the entry."""
        return self._entry.number

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the status, as it is by now."""
        del follow_symlinks
        return self._paths.status(self._entry)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return False."""
        del follow_symlinks
        return False

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return False."""
        del follow_symlinks
        return False

    def is_symlink(self) -> bool:
        """Return False."""
        return False

    def is_junction(self) -> bool:
        """Return False."""
        return False

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


class FolderScan:
    """Entries of a folder that are not all real ones, as ``os.scandir`` gives them.

    Args:
        real: The real scan below.
        entries: What comes out.
    """

    __slots__ = ("_entries", "_real")

    def __init__(self, real: Any, entries: Iterator[Any]) -> None:
        self._real = real
        self._entries = entries

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def close(self) -> None:
        """Read no more."""
        self._real.close()
        self._entries = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _chain(real: Any, path: Any, sockets: Mapping[str, SocketPath]) -> Iterator[Any]:
    """Yield the real entries first, then the sockets."""
    for entry in real:
        if os.fsdecode(entry.name) not in sockets:
            yield entry
    paths = _paths()
    if paths is None:
        return
    for name, found in sockets.items():
        if isinstance(path, bytes):
            shown: Any = os.fsencode(name)
            yield _SocketEntry(paths, found, shown, posixpath.join(path, shown))
            continue
        whole = name  # By a descriptor there is no folder to name, as for the real ones.
        if type(path) is not int:
            whole = posixpath.join("." if path is None else os.fspath(path), name)
        yield _SocketEntry(paths, found, name, whole)


def _umask(mask: int, /) -> int:
    before: int = _real_umask(mask)
    run: RunContext | None = by_thread.get(get_ident())
    if run is not None and run.sockets is not None:
        run.sockets.paths.umask(mask)
    return before


_real_umask = redirect(os.umask, _umask)
