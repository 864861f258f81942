"""Classes of libraries whose objects programs keep in sets, or the libraries do.

Owns: the list. Of a library that is named here, every class that hashes by address hashes by number
in runs, where its objects have room for a number: what a program may hold is not ours to guess. The
rest is found by ``.ci/moved_sets.py``, which runs the tests of libraries in different heaps, looks
into every set, and reports classes.

Must not know: what the classes are for.

Invariant: a module of a library is named here, and never loaded.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.asyncio_.future_hashes import change_class
from simloop._sandbox.patching.registry import when_any_loaded, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

from .object_hashes import hashes_by_address, name_class

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["LIBRARIES", "STAYING", "TOLD"]

LIBRARIES = (
    "aiocoap",
    "aiohttp",
    "aiokafka",
    "aiomqtt",
    "aioquic",
    "aiosmtpd",
    "aiosqlite",
    "anyio",
    "apscheduler",
    "asgiref",
    "asyncpg",
    "asyncssh",
    "grpclib",
    "httpcore",
    "httpx",
    "hypercorn",
    "janus",
    "nats",
    "paho",
    "quart",
    "redis",
    "starlette",
    "tornado",
    "uvicorn",
    "websockets",
    "zeroconf",
)

TOLD = {
    "aiohttp.web_app": ("Application",),
    "aiohttp.web_response": ("StreamResponse",),
    "distributed.worker_state_machine": ("TaskState",),
}
"""Classes whose own ``__hash__`` tells the address, by module."""

STAYING = {
    "aiohttp.connector": ("_TransportPlaceholder",),
    "anyio._backends._asyncio": ("CancelScope",),
    "zeroconf._updates": ("RecordUpdateListener",),
}
"""Those without room, whose objects are in sets; they never leave a run."""


def _name_all(module: ModuleType) -> None:
    """Name each class that a module of a library defines."""
    for cls in tuple(vars(module).values()):
        if (
            isinstance(cls, type)
            and cls.__module__ == module.__name__
            and (cls.__dictoffset__ or cls.__weakrefoffset__)
            and not issubclass(cls, (type, BaseException))
            and hashes_by_address(cls)
        ):
            name_class(cls)


def _name_listed(module: ModuleType) -> None:
    for table in (TOLD, STAYING):
        for name in table.get(module.__name__, ()):
            cls = getattr(module, name, None)
            if isinstance(cls, type) and (table is TOLD or hashes_by_address(cls)):
                name_class(cls, stays_in_run=table is STAYING)


for _module in (*TOLD, *STAYING):
    when_loaded(_module, _name_listed)
for _library in LIBRARIES:
    when_any_loaded(_library, _name_all)


def _register_addresses(module: ModuleType) -> None:
    """Let zeroconf's records of addresses hash alike in each process: their scope is often None.

    Up to Python 3.11 None hashes by its address, and so does every tuple with None in it.
    """
    cls = module.DNSAddress
    real: Any = cls.__hash__

    def hash_of_address(self: Any) -> int:
        if get_ident() not in by_thread or self.scope_id is not None:
            return real(self)  # type: ignore[no-any-return]
        return hash((self.key, self.type, self.class_, self.address))

    change_class(cls, lambda: setattr(cls, "__hash__", hash_of_address))


if sys.version_info < (3, 12):
    when_loaded("zeroconf._dns", _register_addresses)
