"""Resolvers that ask real name servers by C code of their own, past every socket of Python's.

Owns: what c-ares does in a run (pycares, and aiodns upon it). Its questions would leave the process
unseen while virtual time runs on. So a channel that is made in a run has nothing of C behind it,
and what it is asked for addresses the running loop is asked, whose names are the world's; questions
that a table of names can't answer, and those to a channel from outside, are refused. aiohttp, which
resolves by aiodns where that is installed, resolves in a run as it does where it is not.

Must not know: how a world resolves names.

Invariant: neither library is imported from here.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import entry, rewrite, when_loaded
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []

_ASKS = ("gethostbyaddr", "gethostbyname", "getnameinfo", "query", "search")
_REASON = (
    "c-ares asks real name servers, by sockets and a thread of its own; ask the loop instead"
    " (loop.getaddrinfo(), and aiohttp by resolver=aiohttp.ThreadedResolver())"
)
_ENODATA, _ENOTFOUND, _ETIMEOUT, _ECANCELLED = 1, 4, 12, 24  # As ares.h numbers them.
_ERRORS = {socket.EAI_AGAIN: _ETIMEOUT, getattr(socket, "EAI_NODATA", -5): _ENODATA}
_PENDING = "_simloop_pending"


def _patch_channels(module: ModuleType) -> None:
    channel = module.Channel
    methods = {name: channel.__dict__.get(name) for name in ("__init__", "getaddrinfo", *_ASKS)}
    if hasattr(module, "AddrInfoResult"):  # Since pycares 5 answers are classes of Python's.
        _answer_by_the_loop(module, channel)
        del methods["__init__"], methods["getaddrinfo"]
    for name, method in methods.items():
        if method is not None:  # Versions differ.
            _refuse(method, f"pycares.Channel.{name}()")


def _is_refused() -> bool:
    return get_ident() in by_thread and not is_allowed("names")


def _refuse(method: Any, call: str) -> None:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_refused():
            self.__dict__.setdefault("_channel", None)  # For its finalizer.
            raise escape(call, _REASON, "names")
        return real(self, *args, **kwargs)

    real = rewrite(method, refused)


def _answer_by_the_loop(module: Any, channel: Any) -> None:
    """Let channels that are made in a run be a way to ask the running loop."""

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if _is_refused():
            self.__dict__.update({"_channel": None, _PENDING: {}})
        else:
            real_init(self, *args, **kwargs)

    def getaddrinfo(self: Any, host: Any, port: Any, *, callback: Any, **hints: Any) -> None:
        pending = self.__dict__.get(_PENDING)
        if pending is None:
            if _is_refused():
                raise escape("pycares.Channel.getaddrinfo()", _REASON, "names")
            real_getaddrinfo(self, host, port, callback=callback, **hints)
            return
        if not callable(callback):
            raise TypeError("a callable is required")
        host = host.decode() if isinstance(host, bytes) else host
        loop = asyncio.get_running_loop()
        task = loop.create_task(_ask(module, loop, host, port, hints))
        pending[task] = None
        task.add_done_callback(lambda task: _tell(pending, task, callback))

    def cancel(self: Any) -> None:
        pending = self.__dict__.get(_PENDING)
        if pending is None:
            real_cancel(self)
            return
        for task in list(pending):
            task.cancel()

    real_init = rewrite(channel.__init__, init)
    real_getaddrinfo = rewrite(channel.getaddrinfo, getaddrinfo)
    real_cancel = rewrite(channel.cancel, cancel)
    real_close = rewrite(channel.close, lambda self: (
        cancel(self) if _PENDING in self.__dict__ else real_close(self)
    ))  # fmt: skip
    real_servers = channel.__dict__["servers"]
    entry(channel, "servers", _servers_in_a_run(real_servers))


def _servers_in_a_run(real: property) -> property:
    """Return the property that tells of no servers where none are asked."""

    def get(self: Any) -> Any:
        return [] if _PENDING in self.__dict__ else real.__get__(self)

    def change(self: Any, servers: Any) -> None:
        if _PENDING not in self.__dict__:
            real.__set__(self, servers)

    return property(get, change)


async def _ask(module: Any, loop: Any, host: str, port: Any, hints: dict[str, Any]) -> Any:
    """Return the loop's answer in the classes of pycares, whose addresses are bytes.

    c-ares gives each address once, with the type and the protocol that were asked for.
    """
    kind, proto = hints.get("type", 0), hints.get("proto", 0)
    found = await loop.getaddrinfo(
        host, port, family=hints.get("family", 0), type=kind or socket.SOCK_STREAM, proto=proto
    )
    node = module.AddrInfoNode
    nodes = [
        node(
            ttl=0, flags=0, family=family, socktype=kind, protocol=proto,
            addr=(address[0].encode(), *address[1:]),
        )
        for family, _, _, _, address in found
    ]  # fmt: skip
    return module.AddrInfoResult(cnames=[], nodes=nodes)


def _tell(pending: dict[Any, None], task: asyncio.Task[Any], callback: Any) -> None:
    """Call a callback as c-ares does: with the answer, or with None and the number of an error."""
    pending.pop(task, None)
    if task.cancelled():
        callback(None, _ECANCELLED)
        return
    error = task.exception()
    if error is None:
        callback(task.result(), None)
    elif isinstance(error, OSError):
        callback(None, _ERRORS.get(error.errno or 0, _ENOTFOUND))
    else:
        callback(None, _ENOTFOUND)  # What is no name at all.


def _resolve_through_the_loop(module: Any) -> None:
    resolver: Any = sys.modules["aiohttp.resolver"]
    if module.DefaultResolver is not resolver.ThreadedResolver:
        entry(module, "DefaultResolver", resolver.ThreadedResolver)


when_loaded("pycares", _patch_channels)
when_loaded("aiohttp.connector", _resolve_through_the_loop)
