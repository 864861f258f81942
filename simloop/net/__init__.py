"""The virtual operating system below the sockets.

Owns: hosts and their descriptors, addresses and names, ports, TCP, UDP and UNIX sockets, pipes, and
``VirtualSocket``, the ``socket.socket`` that programs see. Must not know asyncio, a loop or the
clock. Nothing in it waits, draws a random number or depends on the order of a hash; everything
happens synchronously inside the call that causes it.

**For builders of transports and selectors.**

*A host* is made by ``network.add_host(name, *addresses)``. ``make_socket(host, family,
type, proto)`` gives a ``VirtualSocket``; below each one is a ``SocketFile`` (``sock.file``, or
``host.file(fd)``), which has the same calls without the ceremony: canonical addresses
(``file.parse_address(address, what)``, ``file.show_address(endpoint)``), plain bytes, no timeouts.

*Moving bytes.* ``file.send(data: bytes, flags=0) -> int`` takes what there is room for and hands
the object itself to the peer where it fits whole; ``file.recv(size, flags=0) -> bytes`` gives the
same object back where it can; ``file.recv_into(memoryview)``. Nothing to do is BlockingIOError,
the end of a stream is ``b""``, faults are the OSError that Linux gives. ``file.accept()`` gives
another ``SocketFile`` (``file.remote`` is its peer; ``wrap(file)`` makes a ``VirtualSocket``
with a descriptor). ``file.connect(endpoint) -> int`` gives 0 or an errno: EINPROGRESS for TCP,
even where the connection already stands; then ``file.writable`` turns true, and
``file.connect_outcome()`` tells how it went: 0 or the errno. (SO_ERROR does too, as on Linux.)

*Readiness* is a question and a call. The question (level): ``file.readable``, ``file.writable``,
``file.poll()`` with poll(2)'s bits. The call (edge): ``file.watch_readable(callback)`` and
``watch_writable``, undone by ``unwatch_readable`` and ``unwatch_writable``. Callbacks take nothing,
run synchronously inside whatever made the file ready (a peer's send, say), must not raise, and
should only schedule. They may come when nothing is there: ask the level when you act, and ask it
once after you start to watch, for there is no call for what was ready before. Closing the last
descriptor forgets the watchers; a descriptor that was dup'ed or detached keeps them.

*Life.* ``sock.close()`` or ``host.close(fd)`` closes a descriptor; the last one closes the file. A
``VirtualSocket`` that is collected without close() warns and closes its descriptor.
A call on a blocking socket that would wait calls ``host.on_would_block(sock, what, timeout)``,
which refuses unless it is replaced. ``make_socketpair(host)`` and ``make_pipe(host)`` make
connected ends; ``host.read``, ``write``, ``close``, ``dup`` and ``poll`` take descriptors, and
``SystemCalls`` has them all under the names of ``os`` and ``socket``.

*UNIX names* live in ``host.unix``: ``exists``, ``unlink``, ``chmod``, ``umask``. They are a part of
the file tree ``host.unix.tree``; without one, every path is a name in one folder.

*Two hosts.* In a world a wire is laid between them (``network.lay_wire()``): what goes from one to
the other are packets of ``wire/``, and TCP is a state machine by packets, in ``segments/``. A
network by itself has no clock and no wire: its hosts reach each other directly.

*Seams.* ``network.link`` gets every ``Packet`` between TCP and UDP sockets without a wire.
``network.tap`` is told of every accepted send, through UNIX sockets and pipes too. With neither,
both cost one attribute test. ``network.share`` chooses who serves a shared port, and
``network.names`` is the table of names.
"""

from __future__ import annotations

from .addressing.names import NamesTable
from .fabric import Endpoint, Fabric, Link, Packet, Tap
from .files.descriptor_table import DescriptorTable
from .files.open_file import File
from .files.pipes import PipeReader, PipeWriter
from .host import Host
from .inet.byte_stream import StreamSocket
from .inet.socket_file import SocketFile
from .inet.tcp import TcpSocket
from .inet.udp import UdpSocket
from .network import Network, RoundRobin
from .syscalls.descriptor_io import DescriptorIO, open_descriptor
from .syscalls.host_of_caller import set_host_finder
from .syscalls.socket_calls import make_pipe, make_socket, make_socketpair, wrap
from .syscalls.system_calls import SystemCalls
from .syscalls.virtual_socket import VirtualSocket
from .unix.unix_datagram import UnixDatagram
from .unix.unix_names import UnixNames
from .unix.unix_packets import UnixPackets
from .unix.unix_stream import UnixStream

__all__ = [
    "DescriptorIO",
    "DescriptorTable",
    "Endpoint",
    "Fabric",
    "File",
    "Host",
    "Link",
    "NamesTable",
    "Network",
    "Packet",
    "PipeReader",
    "PipeWriter",
    "RoundRobin",
    "SocketFile",
    "StreamSocket",
    "SystemCalls",
    "Tap",
    "TcpSocket",
    "UdpSocket",
    "UnixDatagram",
    "UnixNames",
    "UnixPackets",
    "UnixStream",
    "VirtualSocket",
    "make_pipe",
    "make_socket",
    "make_socketpair",
    "open_descriptor",
    "set_host_finder",
    "wrap",
]
