"""Classes of libraries whose objects programs keep in sets, or the libraries do.

Owns: the list. Of a library that is named here, every class that hashes by address hashes by number
in runs, where its objects have room for a number: what a program may hold is not ours to guess. The
rest is found by ``.ci/moved_sets.py``, which runs the tests of libraries in different heaps, looks
into every set, and reports classes.

Must not know: what the classes are for.

Invariant: a module of a library is named here, and never loaded.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simloop._sandbox.asyncio_.future_hashes import change_class
from simloop._sandbox.patching.registry import when_any_loaded, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

from .object_hashes import hashes_by_address, name_class

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["LIBRARIES", "STAYING", "TOLD"]

LIBRARIES = (
    "aio_pika",
    "aiobotocore",
    "aiocache",
    "aiocoap",
    "aioftp",
    "aiogram",
    "aiohttp",
    "aiojobs",
    "aiokafka",
    "aiomqtt",
    "aiomysql",
    "aiopg",
    "aioquic",
    "aioredis",
    "aiormq",
    "aiosmtpd",
    "aiosqlite",
    "aiostream",
    "aiozmq",
    "anyio",
    "apscheduler",
    "arq",
    "asgiref",
    "asyncmy",
    "asyncpg",
    "asyncssh",
    "blacksheep",
    "blinker",
    "databases",
    "discord",
    "dns",
    "elastic_transport",
    "engineio",
    "falcon",
    "faststream",
    "gql",
    "grpclib",
    "h2",
    "httpcore",
    "httpx",
    "hypercorn",
    "janus",
    "kombu",
    "litestar",
    "motor",
    "nats",
    "paho",
    "psycopg",
    "psycopg_pool",
    "pyee",
    "pymongo",
    "quart",
    "reactivex",
    "redis",
    "sanic",
    "saq",
    "slixmpp",
    "socketio",
    "sqlalchemy",
    "starlette",
    "taskiq",
    "tornado",
    "tortoise",
    "transitions",
    "uvicorn",
    "websockets",
    "wsproto",
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


_RECORDS = ("Address", "Hinfo", "Nsec", "Pointer", "Question", "Service", "Text")


def _register_records(module: ModuleType) -> None:
    """Let zeroconf's records hash alike in each process: what it sends has the order of their sets.

    They hash by strings, which follow PYTHONHASHSEED, and by None, which up to Python 3.11 hashes
    by its address. Here they hash by what they are about, so that equal ones still hash alike.
    """
    for name in _RECORDS:
        cls = getattr(module, f"DNS{name}", None)
        if cls is not None:
            change_class(cls, partial(setattr, cls, "__hash__", _hash_of_record(cls.__hash__)))


def _hash_of_record(real: Callable[[Any], int]) -> Callable[[Any], int]:
    def hash_of_record(self: Any) -> int:
        if get_ident() not in by_thread:
            return real(self)
        return crc32(self.key.encode(), self.type)

    return hash_of_record


when_loaded("zeroconf._dns", _register_records)
