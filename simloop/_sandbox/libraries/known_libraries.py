"""Libraries written in C whose clock, dice or network is the machine's, and stays so.

Owns: the list of what is known of them, and refusing to begin with one in a run that is strict. In
other runs they work as ever, for real: a run's digest does not hear what they answer.

Must not know: how the world would answer in their place.

Invariant: a library that is not loaded costs nothing, and none is loaded for this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simloop._sandbox.patching.registry import entry, when_loaded
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["KNOWN"]


class Library(NamedTuple):
    """What is known of a library."""

    functions: tuple[str, ...]
    """By what a program begins to use it, or asks it for what is the machine's."""

    reason: str


_OWN_CLOCK = "its C code reads the machine's clock and draws from dice of its own"
_OWN_NETWORK = "its C code opens real sockets, which wait by the machine's clock"
_OWN_DICE = "its compiled code draws from the machine's entropy and reads its clock"

KNOWN: dict[str, Library] = {
    "duckdb": Library(("connect", "execute", "query", "sql"), _OWN_CLOCK),
    "uuid_utils": Library(("uuid1", "uuid4", "uuid6", "uuid7", "uuid8"), _OWN_DICE),
    "uuid_utils.compat": Library(("uuid1", "uuid4", "uuid6", "uuid7", "uuid8"), _OWN_DICE),
    "psycopg2": Library(("connect",), _OWN_NETWORK),
    "MySQLdb": Library(("connect", "Connect"), _OWN_NETWORK),
    "pymssql": Library(("connect",), _OWN_NETWORK),
    "grpc": Library(("insecure_channel", "secure_channel", "server"), _OWN_NETWORK),
    "grpc.aio": Library(("insecure_channel", "secure_channel", "server"), _OWN_NETWORK),
    "torch": Library(("rand", "randint", "randn", "randperm", "seed"), _OWN_DICE),
}


def _guard(module: ModuleType, name: str, reason: str) -> None:
    real = getattr(module, name, None)
    if not callable(real) or isinstance(real, type):
        return  # Not in this version.

    def guarded(*args: Any, **kwargs: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is not None and run.strict and not is_allowed("libraries"):
            raise escape(f"{module.__name__}.{name}()", reason, "libraries")
        return real(*args, **kwargs)

    guarded.__name__ = guarded.__qualname__ = name
    entry(module, name, guarded)


def _register(module: ModuleType) -> None:
    functions, reason = KNOWN[module.__name__]
    for name in functions:
        _guard(module, name, reason)


for _name in KNOWN:
    when_loaded(_name, _register)
