"""The errors that the virtual kernel answers with.

Owns: one way to make an ``OSError`` from an errno, so that every failure has the subclass and the
text that Linux and CPython give it. Knows nothing of sockets.
"""

from __future__ import annotations

import os

__all__ = ["os_error"]


def os_error(code: int) -> OSError:
    """Make the error that a system call would raise for an errno.

    >>> import errno
    >>> os_error(errno.ECONNREFUSED)
    ConnectionRefusedError(111, 'Connection refused')
    """
    return OSError(code, os.strerror(code))
