"""``socket.socket`` and the names of hosts, as a run sees them.

Owns: which class ``socket.socket(...)`` makes, and who answers for names.

How. While runs are on, ``socket.socket`` has a ``__new__`` that makes an instance of the world's
subclass where its own class was asked for; Python then calls the subclass's ``__init__`` with the
caller's arguments. The class object itself stays, so ``from socket import socket``, ``isinstance``,
annotations and subclasses mean what they meant. A program's own subclass is joined with the
world's by a class made on the spot, which comes before the real one in the order of inheritance.
What ``socket`` does through C (``socketpair``, ``dup``, names) is redirected where C is called, so
``create_server``, ``create_connection``, ``fromfd`` and ``getfqdn`` are the library's own.

A method in C may be called past the world's subclass: unbound, ``socket.socket.recv(sock, 5)``, or
because a test that saved it has put it back on ``socket.socket``. So those are redirected too, and
go to what stands below ``socket.socket`` in the world's subclass. Those that Python does not
announce to audit hooks are refused here for a real socket.

Must not know: what a virtual socket does.

Invariants: without virtual sockets the real functions are called, and the guard against escapes
hears of it; a foreign thread always gets real sockets.
"""

from __future__ import annotations

import _socket
import socket
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds
from simloop._sandbox.patching.registry import entry, method, redirect, redirect_present, rewrite
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.net.linux import socket_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._sandbox.contracts import Clock, Sockets

__all__: list[str] = []


_joined: dict[tuple[type, type], type[socket.socket]] = {}


def _virtual_class(cls: type[socket.socket], virtual: type[socket.socket]) -> type[socket.socket]:
    """Return the virtual class that stands in for ``cls``."""
    if cls is socket.socket:
        return virtual
    joined = _joined.get((cls, virtual))
    if joined is None:
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        joined = _joined[cls, virtual] = type(cls.__name__, (cls, virtual), names)
    return joined


def _new(cls: type[socket.socket], *_args: Any, **_kwargs: Any) -> socket.socket:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None:
        virtual = run.sockets.socket_class
        if not issubclass(cls, virtual) and not is_allowed("sockets"):
            cls = _virtual_class(cls, virtual)
    return _real_new(cls)


_real_new: Callable[[type[socket.socket]], socket.socket] = _socket.socket.__new__
entry(socket.socket, "__new__", staticmethod(_new))


def _redirect_method(name: str, *, refuse: bool) -> None:
    """Send a method in C to the world's one for its sockets; maybe refuse it for real ones."""

    def called(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is None or not isinstance(self, _socket.socket):
            return real(self, *args, **kwargs)
        if run.sockets is not None and isinstance(self, run.sockets.socket_class):
            return getattr(super(socket.socket, self), name)(*args, **kwargs)
        if refuse and not is_allowed("sockets") and not _is_private_pair(self):
            shown = name.removeprefix("_")
            raise escape(f"socket.{shown}()", f"{self!r} is real", "sockets")
        return real(self, *args, **kwargs)

    called.__name__, called.__qualname__ = name, f"socket.{name}"
    real = method(_socket.socket, name, called)


def _is_private_pair(sock: _socket.socket) -> bool:
    """Tell whether this is an end of a ``socketpair``, such as a real loop wakes itself with."""
    try:
        return not sock.getsockname() and not sock.getpeername()
    except OSError:
        return False


for _name in (
    *("send", "sendall", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg"),
    *("recvmsg_into", "_accept", "listen"),
):
    _redirect_method(_name, refuse=True)
for _name in (
    *("connect", "connect_ex", "bind", "shutdown", "close", "detach", "fileno"),
    *("sendto", "sendmsg", "getsockname", "getpeername", "getsockopt", "setsockopt"),
    *("gettimeout", "settimeout", "getblocking", "setblocking"),
):
    _redirect_method(_name, refuse=False)


def _redirect_name(name: str) -> None:
    """Send a function that looks something up to the run's method of that name."""
    target = getattr(_socket, name, None)
    if target is None:
        return

    def look_up(*args: Any, **kwargs: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is not None and run.sockets is not None and not is_allowed("names"):
            if name in _SLOW and args:
                _wait(run.sockets, run.clock, args[0])
            return getattr(run.sockets, name)(*args, **kwargs)
        return real(*args, **kwargs)

    real = redirect(target, look_up)


_SLOW = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


def _wait(sockets: Sockets, clock: Clock, host: Any) -> None:
    """Sleep for as long as the world says that a lookup takes."""
    if delay := sockets.delay_of(host):
        clock.block(nanoseconds(delay))


for _name in (
    "getaddrinfo",
    "getnameinfo",
    "gethostname",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostbyaddr",
    "if_nameindex",
    "if_nametoindex",
    "if_indextoname",
    "getservbyname",
    "getservbyport",
    "getprotobyname",
):
    _redirect_name(_name)


def _socketpair(family: int | None = None, type: int = socket.SOCK_STREAM, proto: int = 0) -> Any:  # noqa: A002
    if family is None:
        family = socket_names.AF_UNIX
    run = by_thread.get(get_ident())
    if run is None or run.sockets is None or is_allowed("sockets"):
        return _real_socketpair(family, type, proto)
    return run.sockets.socketpair(family, type, proto)


def _dup(fd: int, /) -> int:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None and run.sockets.owns(fd):
        return run.sockets.dup(fd)
    duplicate: int = _real_dup(fd)
    return duplicate


_real_socketpair = redirect_present(_socket, "socketpair", _socketpair)


def _pair(*args: Any, **kwargs: Any) -> Any:
    """Stand for the function in Python that connects a pair by a listener, where C has none."""
    run = by_thread.get(get_ident())
    if run is None or run.sockets is None or is_allowed("sockets"):
        return _real_pair(*args, **kwargs)
    return run.sockets.socketpair(socket_names.AF_UNIX, socket.SOCK_STREAM, 0)


if _real_socketpair is None:  # Windows.
    _real_pair = rewrite(socket.socketpair, _pair)


def _close(fd: int, /) -> None:
    run = by_thread.get(get_ident())
    if run is not None and run.sockets is not None and run.sockets.owns(fd):
        run.sockets.close(fd)
    else:
        _real_close(fd)


_real_dup = redirect(_socket.dup, _dup)
_real_close = redirect(_socket.close, _close)
