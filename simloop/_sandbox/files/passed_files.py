"""Files of the real process that a run passes over its UNIX sockets.

Owns: what becomes of a descriptor that is none of the world's: files that a program opened are
real, and so are their numbers.

Must not know: sockets.
"""

from __future__ import annotations

import errno
import os

from simloop._sandbox.patching.c_functions import clone
from simloop.net.files.passed_file import PassedFile

__all__ = ["passed_file"]

_duplicate = clone(os.dup)
_close = clone(os.close)
_status = clone(os.fstat)


def passed_file(fd: int) -> PassedFile:
    """Return the open file that a descriptor of the real process names.

    Raises:
        OSError: EBADF: it names none.

    Example:
        >>> import os
        >>> passed_file(0).references
        0
        >>> passed_file(-1)
        Traceback (most recent call last):
        ...
        OSError: [Errno 9] Bad file descriptor
    """
    if fd < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    _status(fd)
    return PassedFile(fd, _duplicate, _close)
