"""Resolvers that ask real name servers by C code of their own, past every socket of Python's.

Owns: what c-ares does in a run (pycares, and aiodns upon it): it refuses, since its questions would
leave the process unseen while virtual time runs on. aiohttp, which resolves by aiodns where that is
installed, resolves in a run as it does where it is not: through the loop, whose names are the
world's.

Must not know: how a world resolves names.

Invariant: neither library is imported from here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import entry, rewrite, when_loaded
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []

_ASKS = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "getnameinfo", "query", "search")
_REASON = (
    "c-ares asks real name servers, by sockets and a thread of its own; ask the loop instead"
    " (loop.getaddrinfo(), and aiohttp by resolver=aiohttp.ThreadedResolver())"
)


def _refuse_channels(module: ModuleType) -> None:
    channel = module.Channel
    for name in ("__init__", *_ASKS):
        method = channel.__dict__.get(name)
        if method is not None:  # Versions differ.
            _refuse(method, f"pycares.Channel.{name}()")


def _refuse(method: Any, call: str) -> None:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        if get_ident() in by_thread and not is_allowed("names"):
            self.__dict__.setdefault("_channel", None)  # For its finalizer.
            raise escape(call, _REASON, "names")
        return real(self, *args, **kwargs)

    real = rewrite(method, refused)


def _resolve_through_the_loop(module: Any) -> None:
    resolver: Any = sys.modules["aiohttp.resolver"]
    if module.DefaultResolver is not resolver.ThreadedResolver:
        entry(module, "DefaultResolver", resolver.ThreadedResolver)


when_loaded("pycares", _refuse_channels)
when_loaded("aiohttp.connector", _resolve_through_the_loop)
