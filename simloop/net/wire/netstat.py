"""What netstat would show: the sockets of a host, as records.

Owns: the shape of a record, and in which order they come. Changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host

__all__ = ["SocketRecord", "records"]

# As ss(8) and netstat(8) name them.
_STATES = {"FIN_WAIT_1": "FIN_WAIT1", "FIN_WAIT_2": "FIN_WAIT2", "CLOSED": "CLOSE"}


@attrs.frozen
class SocketRecord:
    """One socket of a host.

    Attributes:
        host: The host's name.
        protocol: "tcp" or "udp".
        state: As netstat names it: "LISTEN", "ESTABLISHED", "TIME_WAIT" ...; "" for UDP.
        local: The own address and port.
        remote: The peer's, or None.
        receive_queue: Bytes that the program has not read; of a listener, connections.
        send_queue: Bytes that the peer has not acknowledged.
    """

    host: str
    protocol: str
    state: str
    local: Endpoint
    remote: Endpoint | None
    receive_queue: int
    send_queue: int


def records(host: Host) -> list[SocketRecord]:
    """Return the sockets of a host: by port, half-open and ended ones of TCP behind the others."""
    found: list[SocketRecord] = []
    wire = host.network.wire
    stack = None if wire is None else wire.protocols.stack_of(host)
    found += [_tcp_record(host, sock) for sock in _holders(host.tcp)]
    if stack is not None and wire is not None:
        found += [
            SocketRecord(host.name, "tcp", "SYN_RECV", local, remote, 0, 0)
            for local, remote in stack.requests
        ]
        for wait in stack.waits.values():
            if wait.until_ns > wire.now_ns():
                state = "FIN_WAIT2" if wait.is_half else "TIME_WAIT"
                local, remote = wait.key
                found.append(SocketRecord(host.name, "tcp", state, local, remote, 0, 0))
    return found + [
        SocketRecord(host.name, "udp", "", sock.local, sock.remote, sock.held, 0)
        for sock in _holders(host.udp)
    ]


def _holders(table: Any) -> list[Any]:
    """Return the sockets that hold ports, by port."""
    return sorted(table.sockets(), key=lambda sock: int(sock.local[1]))


def _tcp_record(host: Host, sock: Any) -> SocketRecord:
    state = _STATES.get(sock.state.name, sock.state.name)
    connection = getattr(sock, "connection", None)
    out = 0 if connection is None or connection.is_over else connection.bytes_out()
    return SocketRecord(
        host.name,
        "tcp",
        state,
        sock.local,
        None if sock.is_listening else sock.remote,
        len(sock.queue) if sock.queue is not None else sock.inbox.size,
        sock.unsent_size + out,
    )
