"""The constants of ``socket``, and the sizes of its control messages.

Numbers: include/uapi/asm-generic/socket.h, linux/tcp.h and linux/socket.h of Linux 6.1.
"""

from __future__ import annotations

import socket as _platform
from typing import TYPE_CHECKING

from simloop.net.linux import numbers_of

if TYPE_CHECKING:
    from socket import *  # noqa: F403 - the same names
else:
    globals().update(
        numbers_of(
            _platform,
            {
                "AF_UNIX": 1,
                "MSG_CTRUNC": 0x8,
                "MSG_DONTWAIT": 0x40,
                "MSG_ERRQUEUE": 0x2000,
                "MSG_NOSIGNAL": 0x4000,
                "MSG_WAITALL": 0x100,
                "SCM_RIGHTS": 1,
                "SOCK_CLOEXEC": 0o2000000,
                "SOCK_NONBLOCK": 0o4000,
                "SO_DOMAIN": 39,
                "SO_PROTOCOL": 38,
                "SO_REUSEPORT": 15,
                "TCP_CONGESTION": 13,
                "TCP_CORK": 3,
                "TCP_DEFER_ACCEPT": 9,
                "TCP_FASTOPEN": 23,
                "TCP_INFO": 11,
                "TCP_KEEPCNT": 6,
                "TCP_KEEPIDLE": 4,
                "TCP_KEEPINTVL": 5,
                "TCP_LINGER2": 8,
                "TCP_MAXSEG": 2,
                "TCP_QUICKACK": 12,
                "TCP_SYNCNT": 7,
                "TCP_USER_TIMEOUT": 18,
                "TCP_WINDOW_CLAMP": 10,
            },
        )
    )

_HEADER = 16  # sizeof(struct cmsghdr), which is aligned already.
_ALIGNMENT = 8


def cmsg_len(length: int) -> int:
    """Return how long a control message is that carries so many bytes; cmsg(3), CMSG_LEN."""
    return _HEADER + length


def cmsg_space(length: int) -> int:
    """Return how much room it takes among others; cmsg(3), CMSG_SPACE."""
    return _HEADER + -(-length // _ALIGNMENT) * _ALIGNMENT
