"""Names for what the gate asks about: the same in every run, whoever watches.

Owns: the names of connections, listeners, timers and steps of one world. A connection is named by
its listener and by how many connections to it came before, because its own ephemeral port moves
when an earlier one is delayed; a listener whose port the system chose, by the order of such
listeners; a timer by the task that it wakes.

Must not know: questions and answers.

Invariant: a name holds no address of an object, no ephemeral port and no time.
"""

from __future__ import annotations

import asyncio
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from typing import Any

from simloop.net.files.open_file import File
from simloop.trace.labels import label, name_of, qualified_name, task_of

__all__ = ["ThingNames", "timer_subject"]

_EPHEMERAL_FIRST = 32_768  # net.ipv4.ip_local_port_range: ports from here on nobody asked for.
_OTHER = {"client": "server", "server": "client"}


class ThingNames:
    """The names of one world's things."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._listeners: dict[tuple[str, Any], str] = {}
        # By the two ends of a connection, for packets that are still on their way.
        self._ends: dict[tuple[Any, Any], str] = {}

    def name_of(self, kind: str, thing: Any) -> str:
        """Name what a question of this kind is about."""
        if thing is None:
            return ""
        if kind == "sleep":
            return _task_name(thing)
        if hasattr(thing, "_callback"):
            is_timer = kind == "late"
            return self._timer_name(thing) if is_timer else self._handle_name(kind, thing)
        return self._other_name(thing)

    def _other_name(self, thing: Any) -> str:
        if isinstance(thing, tuple):
            thing = thing[0]  # A watch, with what it is ready for.
        file = getattr(thing, "file", None)
        if file is not None:
            return self.file_name(file) + (" writable" if thing.key.events & 2 else "")
        return self.file_name(thing) if hasattr(thing, "on_readable") else str(thing)

    # Steps ---------------------------------------------------------------------------------

    def _handle_name(self, kind: str, handle: Any) -> str:
        callback = handle._callback
        if callback is None:
            return ""
        owner = getattr(callback, "__self__", None)
        file = _file_of(owner) if kind in {"hold", "order"} else None
        if file is None:
            return label(handle)
        return self.file_name(file) + (" write" if "write" in callback.__name__ else "")

    def _timer_name(self, handle: Any) -> str:
        if handle._callback is None:
            return ""
        what, task = timer_subject(handle)
        if task is not None:
            return f"{what} of {_task_name(task)}"
        return self._handle_name("hold", handle)

    # Files ---------------------------------------------------------------------------------

    def connects(self, file: Any) -> None:
        """Number a connection, as it begins, among those to its listener."""
        local, remote = getattr(file, "local", None), getattr(file, "remote", None)
        peer = getattr(file, "peer", None)
        if remote is None and peer is not None:
            remote = getattr(peer, "local", None)
        listener = self._listener_name(file.kind, remote)
        name = self._numbered(listener)
        self._call(file, f"{name} client")
        if local is not None:
            self._ends[local, remote] = name
        if peer is not None:
            self._call(peer, f"{name} server")

    def file_name(self, file: Any) -> str:
        """Name a file: a listener, an end of a connection, a pipe."""
        name: str | None = getattr(file, "known_as", None)
        return self._call(file, self._new_name(file)) if name is None else name

    def _new_name(self, file: Any) -> str:
        kind = getattr(file, "kind", None) or type(file).__name__
        local, remote = getattr(file, "local", None), getattr(file, "remote", None)
        if getattr(file, "is_listening", False) or (kind == "udp" and local is not None):
            return self._listener_name(kind, local)
        peer_name = getattr(getattr(file, "peer", None), "known_as", None)
        if peer_name is not None:
            name, _, side = peer_name.rpartition(" ")
            return f"{name} {_OTHER.get(side, 'other end')}"
        if (local, remote) in self._ends:
            return f"{self._ends[local, remote]} client"
        if (remote, local) in self._ends:
            return f"{self._ends[remote, local]} server"
        return self._numbered(str(kind))

    def _numbered(self, name: str) -> str:
        self._counts[name] = number = self._counts.get(name, 0) + 1
        return f"{name} #{number}"

    def _listener_name(self, kind: str, endpoint: Any) -> str:
        found = self._listeners.get((kind, endpoint))
        if found is None:
            found = self._listeners[kind, endpoint] = self._new_listener_name(kind, endpoint)
        return found

    def _new_listener_name(self, kind: str, endpoint: Any) -> str:
        if not endpoint:
            return self._numbered(kind)
        address, port = endpoint if isinstance(endpoint, tuple) else (endpoint, 0)
        shown = str(address).replace("\0", "@")
        if kind == "unix":
            return f"unix {shown}" if shown else self._numbered(kind)
        if port >= _EPHEMERAL_FIRST:
            return f"{kind} {self._numbered(f'{shown} port')}"
        return f"{kind} {shown}:{port}"

    @staticmethod
    def _call(file: Any, name: str) -> str:
        file.known_as = name
        return name


def timer_subject(handle: Any) -> tuple[str, Any]:
    """Return what a timer is, and the task that waits for it, or None.

    It is a "sleep", a "timeout", or "" where nobody waits; a "wait" where it is no timer of the
    program's: what was held, the answer of a resolver for example.
    """
    future = (handle._args or (None,))[0]
    for entry in getattr(future, "_callbacks", None) or ():
        waiter = entry[0] if isinstance(entry, tuple) else entry
        task = task_of(waiter)
        if task is not None:
            return _kind_of_wait(handle), task
    owner = getattr(handle._callback, "__self__", None)
    task = getattr(owner, "_task", None)
    return ("timeout", task) if hasattr(task, "get_coro") else ("", None)


def _kind_of_wait(handle: Any) -> str:
    if handle._callback is _set_result_unless_cancelled:
        return "sleep"
    return "timeout" if isinstance(handle, asyncio.TimerHandle) else "wait"


def _task_name(task: Any) -> str:
    return f"{name_of(task)} ({qualified_name(task.get_coro())})"


def _file_of(owner: Any) -> Any:
    """Return the file of a transport or of what accepts clients, or None."""
    file = getattr(owner, "_file", None)
    if isinstance(file, File):  # Others have that name, too: a method of selectors.
        return file
    sock = getattr(owner, "_sock", None)
    try:
        return getattr(sock, "file", None)
    except OSError:
        return None  # It is closed, and has no name any more.
