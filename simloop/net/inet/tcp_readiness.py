"""When a TCP socket is ready: what poll(2) shows in each state.

Owns: the answers to poll, the two questions that watchers ask, and what a send or a receive answers
that can move no byte. Must not know how a state comes about.

Invariant: nothing here changes anything, but that a pending error is told once.

Sources: poll(2), and ``tcp_poll`` of net/ipv4/tcp.c.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from simloop.net.errnos import os_error
from simloop.net.files.open_file import ERR, HUP, IN, OUT, RDHUP

from .tcp_options import TcpOptions
from .tcp_states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ENDING_STATES,
    FIN_WAIT_2,
    LISTEN,
    SENDING_STATES,
    SYN_SENT,
    State,
)

if TYPE_CHECKING:
    from collections import deque

__all__ = ["TcpReadiness"]


class TcpReadiness(TcpOptions):
    """The part of a TCP socket that tells whether calls would block."""

    __slots__ = ()

    queue: deque[Any] | None  # Of listeners: the connections that wait for accept().

    def poll(self) -> int:
        """Return what the system call poll shows."""
        state = self.state
        if state is LISTEN:
            return IN if self.queue else 0
        mask = ERR if self.error else 0
        if state is CLOSED or self.is_shut_both:
            mask |= HUP
        if self.is_shut_read:
            mask |= IN | RDHUP
        if state is SYN_SENT:
            return mask
        if self.inbox.size:
            mask |= IN
        if self._has_room_to_write():
            mask |= OUT
        return mask

    def _has_room_to_write(self) -> bool:
        """Linux' rule: a third of the queue is free, or a write would fail at once."""
        if self.is_shut_write:
            return True
        if self.direct and self.peer is not None:
            return True
        unsent = self.unsent_size
        return self.sndbuf - unsent >= unsent // 2

    def count_unsent(self) -> int:
        """Return the bytes that are not acknowledged, the end of stream one of them (tcp(7)).

        ``tcp_ioctl`` of net/ipv4/tcp.c: EINVAL of a listener, 0 before a connection stands.
        """
        if self.state is LISTEN:
            raise os_error(errno.EINVAL)
        if self.state is SYN_SENT or self.state is CLOSED:
            return 0
        waits = self.unsent_size > 0 and self.state in ENDING_STATES
        return self.unsent_size + self.unacknowledged() + waits

    def unacknowledged(self) -> int:
        """Return how much was sent and is not acknowledged."""
        return self.in_flight

    @property
    def readable(self) -> bool:
        """Whether a receive or an accept would not block."""
        if self.inbox.size:
            return True
        if self.state is LISTEN:
            return bool(self.queue)
        return self.is_shut_read or self.error != 0 or self.state is CLOSED

    @property
    def writable(self) -> bool:
        """Whether a send would not block."""
        if self.state is SYN_SENT or self.state is LISTEN:
            return self.error != 0
        return self.error != 0 or self._has_room_to_write()

    def check_sending(self) -> None:
        """Raise EAGAIN while connecting, the pending error, or EPIPE."""
        if self.error:
            self.raise_error()
        if self.state is SYN_SENT:
            raise os_error(errno.EAGAIN)
        if self.state not in SENDING_STATES or self.is_shut_write:
            raise os_error(errno.EPIPE)

    def recv_nothing(self) -> bytes:
        """Answer in the order in which Linux looks: end of stream, error, end by shutdown."""
        if self.state is LISTEN:
            raise os_error(errno.ENOTCONN)
        if self.is_fin_taken:
            return b""
        if self.error:
            self.raise_error()
        if self.is_shut_read:
            return b""
        if self.state is CLOSED:
            raise os_error(errno.ENOTCONN)
        raise os_error(errno.EAGAIN)

    def _check_ends(self) -> None:
        """Assert which marks of the two ends of stream go with the state."""
        state = self.state
        if state in (CLOSE_WAIT, State.LAST_ACK, CLOSING):
            assert self.is_fin_taken, self
        elif state is not CLOSED:
            assert not self.is_fin_taken, self
        if self.is_fin_taken:
            assert self.is_shut_read, self
        if state in ENDING_STATES or state is FIN_WAIT_2:
            assert self.is_shut_write, self
            assert self.writable, self
        if self.unsent_size:
            assert state in SENDING_STATES or state in ENDING_STATES, self
        if self.is_released:
            assert self.references == 0, self
            assert state not in SENDING_STATES, self
            assert state not in (LISTEN, SYN_SENT), self
