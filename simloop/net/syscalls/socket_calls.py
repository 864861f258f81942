"""The system calls that make sockets and pipes of a host: what a program holds, with descriptors.

Owns: ``make_socket``, ``make_socketpair``, ``make_pipe`` and ``wrap``, each of which takes the host
first. They stand above sockets and hosts alike, so that a host knows no socket. Must not know who
calls: ``SystemCalls`` and loops do, each for a host of theirs.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from simloop.net.files.pipes import open_pipe
from simloop.net.inet.socket_file import AF_INET, AF_UNIX
from simloop.net.linux import socket_names as socket

from .socket_families import open_pair, open_socket
from .virtual_socket import VirtualSocket

if TYPE_CHECKING:
    from simloop.net.host import Host
    from simloop.net.inet.socket_file import SocketFile

__all__ = ["make_pipe", "make_socket", "make_socketpair", "wrap"]

_NONBLOCK = int(socket.SOCK_NONBLOCK)
_STREAM = int(socket.SOCK_STREAM)


def make_socket(
    host: Host,
    family: int = AF_INET,
    type: int = _STREAM,  # noqa: A002  # As socket.socket has it.
    proto: int = 0,
) -> VirtualSocket:
    """Make a virtual socket of a host, as ``socket.socket(...)`` would."""
    index = operator.index
    family = AF_INET if family == -1 else index(family)
    kind = _STREAM if type == -1 else index(type)
    proto = 0 if proto == -1 else index(proto)
    sock = VirtualSocket._of_file(host, open_socket(host, family, kind, proto))
    if kind & _NONBLOCK:
        sock.setblocking(False)
    return sock


def make_socketpair(
    host: Host,
    family: int = AF_UNIX,
    type: int = _STREAM,  # noqa: A002  # As socket.socketpair has it.
    proto: int = 0,
) -> tuple[VirtualSocket, VirtualSocket]:
    """Make two connected virtual sockets of a host, as ``socket.socketpair(...)`` would."""
    first, second = open_pair(host, int(family), int(type), int(proto))
    pair = wrap(first), wrap(second)
    if int(type) & _NONBLOCK:
        for sock in pair:
            sock.setblocking(False)
    return pair


def make_pipe(host: Host) -> tuple[int, int]:
    """Make a pipe, as ``os.pipe()`` would: the descriptors to read from and to write to."""
    reader, writer = open_pipe(host.network.fabric)
    return host.descriptors.add(reader), host.descriptors.add(writer)


def wrap(file: SocketFile) -> VirtualSocket:
    """Give a socket file a descriptor of its host and a ``socket.socket`` face."""
    return VirtualSocket._of_file(file.host, file)
