"""Calls of random programs that reach a socket by another way than its methods.

Owns: vectors, selectors, descriptors in flight that are sockets themselves, paths in the file tree.
Must not know on which arm they run; see :mod:`.socket_programs`.
"""

from __future__ import annotations

import array
import os
import select
import socket
import stat
import struct

NAMES = (
    "readv", "writev", "recvmsg_into", "select_all", "epoll_all", "rename", "peer_process",
    "pass_slot", "adopt", "file_kind", "dup_onto", "look_at_path", "chmod_path", "make_folder",
    "bind_relative", "recvfrom_into", "sendmsg_flags", "inheritable", "connect_again",
)  # fmt: skip
ON_PIPES = ("readv", "writev", "file_kind", "dup_onto", "inheritable", "select_all", "epoll_all")
PATHS = ("a", "b", "folder", "folder/a", "nowhere/a")
_PEERCRED = 17


class FurtherCalls:
    """The calls; the heir has ``slots``, ``folder``, ``data``, ``keep`` and ``how_to_read``."""

    def readv(self, slot, what):
        buffers = [bytearray(size) for size in ((1, 3), (0, 10), (300,), (5000, 70000))[what % 4]]
        count = os.readv(number_of(slot), buffers)
        return count, b"".join(buffers)[:count]

    def writev(self, slot, what):
        return os.writev(number_of(slot), [self.data(what), b"", self.data(what + 1)])

    def recvmsg_into(self, slot, what):
        buffers = [bytearray(1), bytearray((10, 0, 5000)[what % 3])]
        _, flags = self.how_to_read(what)
        count, _, told, name = slot.recvmsg_into(buffers, 0, flags)
        data = None if flags & socket.MSG_TRUNC else b"".join(buffers)[:count]
        return count, data, told, name

    def recvfrom_into(self, slot, what):
        buffer = bytearray((10, 1, 5000)[what % 3])
        _, flags = self.how_to_read(what)
        count, name = slot.recvfrom_into(buffer, 0, flags)
        return count, None if flags & socket.MSG_TRUNC else bytes(buffer[:count]), name

    def sendmsg_flags(self, slot, what):
        flags = (socket.MSG_DONTWAIT, socket.MSG_NOSIGNAL, socket.MSG_EOR)[what % 3]
        return slot.sendmsg([self.data(what // 3)], [], flags)

    # -- selectors ---------------------------------------------------------------------------------

    def select_all(self, _, __):
        """Ask ``select`` of all descriptors, by their places."""
        found = select.select(self.slots, self.slots, self.slots, 0)
        return [sorted(self.slots.index(each) for each in kind) for kind in found]

    def epoll_all(self, _, what):
        """Ask ``epoll`` of all descriptors, twice."""
        flags = (0, select.EPOLLONESHOT, select.EPOLLRDHUP, select.EPOLLPRI)[what % 4]
        places = {number_of(each): place for place, each in enumerate(self.slots)}
        with select.epoll() as epoll:
            for number in places:
                epoll.register(number, select.EPOLLIN | select.EPOLLOUT | flags)
            return [
                sorted((places[number], events) for number, events in epoll.poll(0))
                for _ in range(2)
            ]

    # -- descriptors -------------------------------------------------------------------------------

    def file_kind(self, slot, _):
        return stat.S_IFMT(os.fstat(number_of(slot)).st_mode)

    def inheritable(self, slot, what):
        os.set_inheritable(number_of(slot), bool(what % 2))
        return os.get_inheritable(number_of(slot))

    def dup_onto(self, slot, what):
        """Have another place's number mean this file; its own file is closed by that."""
        other = self.slots[what % len(self.slots)]
        if isinstance(slot, int) != isinstance(other, int):
            return None
        os.dup2(number_of(slot), number_of(other), inheritable=False)
        if isinstance(slot, socket.socket):
            place = self.slots.index(other)
            self.slots[place] = socket.socket(fileno=other.detach())
            self.slots[place].setblocking(False)
        return "the same"

    def pass_slot(self, slot, what):
        """Send one of the descriptors.

        Not a UNIX socket: one that only a message holds waits for the kernel's collector.
        """
        passed = self.slots[what % len(self.slots)]
        if not isinstance(passed, int) and passed.family == socket.AF_UNIX:
            return None
        fds = array.array("i", [number_of(passed)])
        return slot.sendmsg([b"s"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])

    def adopt(self, slot, _):
        """Take descriptors, and go on with them."""
        data, fds, flags, name = socket.recv_fds(slot, 10, 2)
        kinds = []
        for number in fds:
            kind = stat.S_IFMT(os.fstat(number).st_mode)
            kinds.append((kind, os.get_blocking(number), os.get_inheritable(number)))
            self.keep(socket.socket(fileno=number) if stat.S_ISSOCK(kind) else number)
        return data, kinds, flags, name

    def peer_process(self, slot, _):
        known = struct.unpack("3i", slot.getsockopt(socket.SOL_SOCKET, _PEERCRED, 12))
        mine = os.getpid(), os.getuid(), os.getgid()
        return "mine" if known == mine else known

    # -- paths -------------------------------------------------------------------------------------

    def path(self, what):
        return f"{self.folder}/{PATHS[what % len(PATHS)]}"

    def rename(self, _, what):
        return os.rename(self.path(what), self.path(what // 7))  # noqa: PTH104 - the call.

    def look_at_path(self, _, what):
        told = os.stat(self.path(what))  # noqa: PTH116 - the call.
        return stat.S_IFMT(told.st_mode), told.st_mode & 0o777, told.st_size, told.st_nlink

    def chmod_path(self, _, what):
        return os.chmod(self.path(what), (0o600, 0o755, 0o700)[what // 5 % 3])  # noqa: PTH101 - the call.

    def make_folder(self, _, __):
        return os.mkdir(f"{self.folder}/folder")  # noqa: PTH102 - the call.

    def bind_relative(self, slot, what):
        """Bind to a path in a folder that may be there."""
        slot.bind(self.path(what) if slot.family == socket.AF_UNIX else ("127.0.0.1", 0))
        return slot.getsockname()

    def connect_again(self, slot, what):
        """Connect to where it is connected already, or to a path."""
        if slot.family == socket.AF_UNIX and what % 2:
            return slot.connect(self.path(what // 2))
        return slot.connect(slot.getpeername())


def number_of(slot):
    """Return the number of a descriptor."""
    return slot if isinstance(slot, int) else slot.fileno()
