"""Messages on their way: which step sent what, and which step took it.

Owns: what was sent and not yet read. That somebody read is seen from the receiving file, which
holds less than before; who reads, and how, need not be known. Messages of one file are read in the
order in which they were sent.

Must not know: events. It gives numbers, and tells which were read or lost.

Invariant: never more than ``PENDING_MAX`` messages are kept; past that the oldest count as lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PENDING_MAX", "Messages"]

PENDING_MAX = 4096


class _Inbox:
    """What one file has to read."""

    __slots__ = ("file", "is_fresh", "is_open", "level", "messages")

    def __init__(self, file: Any, level: int) -> None:
        self.file = file
        self.level = level  # How much it held when somebody last looked.
        self.is_fresh = False  # Something was sent since.
        self.is_open = False  # Somebody has it; not so while it waits to be accepted.
        self.messages: list[tuple[int, int]] = []  # (number, how much of the level it is)


class Messages:
    """The messages of one run that were sent and not yet read.

    Args:
        receiver: Tells into which file the last message went, once it is there; None if nobody's.
    """

    def __init__(self, receiver: Callable[[], Any]) -> None:
        self._receiver = receiver
        self._inboxes: list[_Inbox] = []
        self._count = 0
        self._pending = 0
        self._unplaced: tuple[int, int] | None = None
        self.lost: list[int] = []

    def sent(self, size: int) -> int:
        """Take note of a message that is about to arrive, and return its number."""
        self._place()
        self._count = number = self._count + 1
        self._pending += 1
        self._unplaced = (number, size)
        return number

    def _place(self) -> None:
        """Find the inbox of the last message: it is there by now."""
        if self._unplaced is None:
            return
        number, size = self._unplaced
        self._unplaced = None
        self._find_awaited()
        file = self._receiver()
        if file is None:
            self._lose([number])
            return
        file = _socket_of(file)
        inbox = next((each for each in self._inboxes if each.file is file), None)
        if inbox is None:
            inbox = _Inbox(file, 0)
            inbox.is_open = bool(getattr(file, "references", 0))
            self._inboxes.append(inbox)
        inbox.messages.append((number, size if _is_stream(file) else 1))
        inbox.is_fresh = True
        if self._pending > PENDING_MAX:
            self._lose([self._inboxes[0].messages.pop(0)[0]])
            self._inboxes = [each for each in self._inboxes if each.messages]

    def _find_awaited(self) -> None:
        """Give what was sent before a connection was there to the socket that it has by now."""
        for inbox in self._inboxes:
            inbox.file = _socket_of(inbox.file)

    def _lose(self, numbers: list[int]) -> None:
        self._pending -= len(numbers)
        self.lost += numbers

    def read(self) -> list[int]:
        """Return the messages that were read since the last call: by the step that ends now."""
        if not self._pending:
            return []
        self._place()
        taken: list[int] = []
        self._find_awaited()
        for inbox in self._inboxes:
            if getattr(inbox.file, "references", 0):
                inbox.is_open = True
                taken += _taken(inbox)
            elif inbox.is_open:  # Closed: whatever was left in it is gone.
                self._lose([number for number, _ in inbox.messages])
                inbox.messages.clear()
        if taken or self.lost:
            self._pending -= len(taken)
            self._inboxes = [each for each in self._inboxes if each.messages]
        return taken

    def take_lost(self) -> list[int]:
        """Return the messages that nobody will read any more."""
        lost, self.lost = self.lost, []
        return lost

    def close(self) -> list[int]:
        """Return all that were not read."""
        self._place()
        for inbox in self._inboxes:
            self._lose([number for number, _ in inbox.messages])
        self._inboxes.clear()
        return self.take_lost()


def _taken(inbox: _Inbox) -> list[int]:
    """Take out the messages that were read, going by how much is left."""
    level = _level(inbox.file)
    if inbox.is_fresh:
        arrived = sum(size for _, size in inbox.messages)
        # What a cipher hides has no size; then only what is there now tells.
        inbox.level = max(level, arrived) if all(size for _, size in inbox.messages) else level
        inbox.is_fresh = False
    gone = inbox.level - level
    inbox.level = level
    if level == 0 and inbox.messages:
        taken, inbox.messages = inbox.messages, []
        return [number for number, _ in taken]
    taken = []
    while gone > 0 and inbox.messages:
        number, size = inbox.messages[0]
        if size > gone and taken:
            inbox.messages[0] = (number, size - gone)
            break
        taken.append(inbox.messages.pop(0))
        gone -= size
    return [number for number, _ in taken]


def _socket_of(file: Any) -> Any:
    """Return the socket at the other end of a connection, once there is one."""
    find = getattr(file, "awaited_socket", None)
    return file if find is None else find() or file


def _content(file: Any) -> Any:
    """Return what holds the input of a socket or of a pipe's end."""
    for name in ("packets", "inbox", "buffer"):
        content = getattr(file, name, None)
        if content is not None:
            return content
    return ()


def _is_stream(file: Any) -> bool:
    """Whether a file holds bytes; others keep messages apart."""
    return hasattr(file, "awaited_socket") or hasattr(_content(file), "size")


def _level(file: Any) -> int:
    """Return how much a file has to read: bytes of a stream, or messages."""
    content = _content(file)
    if not hasattr(content, "size"):
        return len(content)
    peer = getattr(file, "peer", None)
    return int(content.size) + (0 if peer is None else int(peer.unsent_size + peer.in_flight))
