"""The flags of virtual descriptors, as ``fcntl`` and ``ioctl`` set and tell them.

Owns: the commands, and what each means for an open file or its number. Must not know who asks.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError
from simloop.net.errnos import os_error
from simloop.net.linux import fcntl_names, os_names

from .pipes import PipeReader, PipeWriter

if TYPE_CHECKING:
    from simloop.net.host import Host

__all__ = ["control", "control_device"]

_INT = struct.Struct("i")


def control(host: Host, fd: int, cmd: int, arg: Any = 0) -> int:
    """Do what ``fcntl(fd, cmd, arg)`` does.

    Raises:
        UnsupportedError: The command makes no sense where there is one process and no files.
    """
    file = host.file(fd)
    if cmd == fcntl_names.F_GETFL:
        flags = {PipeReader: os.O_RDONLY, PipeWriter: os.O_WRONLY}.get(type(file), os.O_RDWR)
        return flags | (0 if file.is_blocking else os_names.O_NONBLOCK)
    if cmd == fcntl_names.F_SETFL:
        file.is_blocking = not int(arg) & os_names.O_NONBLOCK
        return 0
    if cmd == fcntl_names.F_GETFD:
        return 0 if host.descriptors.is_inheritable(fd) else fcntl_names.FD_CLOEXEC
    if cmd == fcntl_names.F_SETFD:
        host.descriptors.set_inheritable(fd, inheritable=not int(arg) & fcntl_names.FD_CLOEXEC)
        return 0
    if cmd in (fcntl_names.F_DUPFD, fcntl_names.F_DUPFD_CLOEXEC):
        twin = host.dup(fd)
        host.descriptors.set_inheritable(twin, inheritable=cmd == fcntl_names.F_DUPFD)
        return twin
    raise UnsupportedError(
        f"fcntl({fd}, {cmd}): of a virtual descriptor there are F_GETFL and F_SETFL (O_NONBLOCK),"
        " F_GETFD and F_SETFD (FD_CLOEXEC), F_DUPFD and F_DUPFD_CLOEXEC"
    )


def control_device(
    host: Host, fd: int, request: int, arg: Any = 0, *, mutates: bool = True
) -> int | bytes:
    """Do what ``ioctl(fd, request, arg, mutates)`` does.

    A number is answered in the buffer where one is given that can change, else by its four bytes,
    as :func:`fcntl.ioctl` does.

    Raises:
        OSError: EFAULT, where a number is to be answered and ``arg`` is no buffer; what the file
            answers (EINVAL of a listening socket).
        UnsupportedError: There is no such device here.
    """
    file = host.file(fd)
    if request == fcntl_names.FIONBIO:
        value = int.from_bytes(arg, "little") if isinstance(arg, (bytes, bytearray)) else int(arg)
        file.is_blocking = not value
        return 0
    if request in (fcntl_names.FIOCLEX, fcntl_names.FIONCLEX):
        host.descriptors.set_inheritable(fd, inheritable=request == fcntl_names.FIONCLEX)
        return 0
    if request in (fcntl_names.FIONREAD, fcntl_names.TIOCOUTQ):
        is_read = request == fcntl_names.FIONREAD
        number = file.count_unread() if is_read else file.count_unsent()
        if isinstance(arg, int):
            raise os_error(errno.EFAULT)
        count = _INT.pack(number)
        view = memoryview(arg).cast("B")
        if view.readonly or not mutates:
            return count + bytes(view[_INT.size :])
        view[: _INT.size] = count
        return 0
    raise UnsupportedError(
        f"ioctl({fd}, {request:#x}): of a virtual descriptor there are FIONREAD, TIOCOUTQ, FIONBIO,"
        " FIOCLEX and FIONCLEX; interfaces are told by socket.if_nameindex()"
    )
