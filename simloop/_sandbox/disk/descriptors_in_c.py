"""Libraries that take a file's descriptor into C: on a disk they go through the file object.

Owns: numpy's arrays in files (``save``, ``ndarray.tofile``, ``numpy.fromfile``), and what Pillow
writes. A descriptor of a file on a disk is a number that C does not know (EBADF); each of these has
a slower way in Python, for files that have none.

Must not know: how a file is read and written.

Invariant: what is written is, byte by byte, what C would have written.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import method, redirect, rewrite, when_loaded

from .callers import calls_of_descriptors, calls_of_paths

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []


def _is_on_disk(file: Any) -> bool:
    calls = calls_of_descriptors()
    return calls is not None and calls.look_up(file) is not None


# numpy ------------------------------------------------------------------------------------------


def _register_formats(module: ModuleType) -> None:
    real = rewrite(module.isfileobj, lambda f: real(f) and not _is_on_disk(f))


def _register_arrays(module: ModuleType) -> None:
    def tofile(self: Any, /, fid: Any, sep: str = "", format: str = "%s") -> None:  # noqa: A002
        if hasattr(fid, "write"):
            if _is_on_disk(fid):
                fid.write(_bytes_of(self, sep, format))
            else:
                real_tofile(self, fid, sep, format)
        elif calls_of_paths() is None:
            real_tofile(self, fid, sep, format)
        else:
            with Path(fid).open("wb") as file:
                tofile(self, file, sep, format)

    def fromfile(file: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(file, "read"):
            if not _is_on_disk(file):
                return real_fromfile(file, *args, **kwargs)
            return _read(module, file, *args, **kwargs)
        if calls_of_paths() is None:
            return real_fromfile(file, *args, **kwargs)
        with Path(file).open("rb") as opened:
            return fromfile(opened, *args, **kwargs)

    real_tofile = method(module.ndarray, "tofile", tofile)
    real_fromfile = redirect(module.fromfile, fromfile)


def _bytes_of(array: Any, sep: str, form: str) -> bytes:
    if not sep:
        if array.dtype.hasobject:
            raise OSError("cannot write object arrays to a file in binary mode")
        return bytes(array.tobytes())
    return sep.join(form % (each,) for each in array.flat).encode()


def _read(
    numpy: Any,
    file: Any,
    dtype: Any = float,
    count: int = -1,
    sep: str = "",
    offset: int = 0,
    *,
    like: Any = None,
) -> Any:
    """Read an array from where a file stands; text up to what is no number, as C does it."""
    del like
    if sep:
        if offset:
            raise TypeError("'offset' argument only permitted for binary files")
        return numpy.fromstring(file.read().decode("latin-1"), dtype, count, sep=sep)
    kind = numpy.dtype(dtype)
    if kind.hasobject:
        raise ValueError("Cannot read into object array")
    file.seek(offset, os.SEEK_CUR)
    data = file.read(-1 if count < 0 else count * kind.itemsize)
    whole = len(data) // kind.itemsize * kind.itemsize
    return numpy.frombuffer(bytearray(data[:whole]), kind)


# Pillow -----------------------------------------------------------------------------------------


def _register_images(module: ModuleType) -> None:
    def encode(im: Any, fp: Any, tile: Any, bufsize: int, fh: Any, exc: Any = None) -> Any:
        if fh is not None and _is_on_disk(fh):
            fh, exc = None, io.UnsupportedOperation("fileno")  # As a file that has none says.
        return real(im, fp, tile, bufsize, fh, exc)

    real = rewrite(module._encode_tile, encode)


when_loaded("numpy.lib.format", _register_formats)
when_loaded("numpy", _register_arrays)
when_loaded("PIL.ImageFile", _register_images)
