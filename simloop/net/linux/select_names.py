"""The constants of ``select``: poll(2), epoll(7) and pipe(7).

Numbers: include/uapi/asm-generic/poll.h, linux/eventpoll.h and linux/limits.h of Linux 6.1.
"""

from __future__ import annotations

import select as _platform
from typing import TYPE_CHECKING

from simloop.net.linux import numbers_of

if TYPE_CHECKING:
    from select import *  # noqa: F403 - the same names
else:
    globals().update(
        numbers_of(
            _platform,
            {
                "EPOLLERR": 0x8,
                "EPOLLET": 1 << 31,
                "EPOLLHUP": 0x10,
                "EPOLLIN": 0x1,
                "EPOLLONESHOT": 1 << 30,
                "EPOLLOUT": 0x4,
                "EPOLLPRI": 0x2,
                "PIPE_BUF": 4096,
                "POLLERR": 0x8,
                "POLLHUP": 0x10,
                "POLLIN": 0x1,
                "POLLNVAL": 0x20,
                "POLLOUT": 0x4,
                "POLLPRI": 0x2,
                "POLLRDHUP": 0x2000,
            },
        )
    )
