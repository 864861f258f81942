"""Addresses: from what a program passes to what the network compares, and back.

Owns: the checks that CPython's socket module makes on an address (types, ranges, arity), the one
canonical form in which the network keeps it, and the shapes that getsockname and its kin return.
Must not know sockets or hosts; a name that is no number is resolved by a function that is passed
in.

The canonical form is an ``Endpoint``: ``(address text, port)`` for both internet families. An IPv4
address reached through an IPv6 socket is the IPv4 address (``::ffff:`` is only how it is shown),
and a link-local one carries its interface (``fe80::1%2``). UNIX names are ``(name, 0)``: a path, an
abstract name with its leading NUL, or "" for none.
"""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.fabric import Endpoint

    # resolve(host, family) -> address text of that family; raises socket.gaierror.
    Resolve: TypeAlias = Callable[[str, int], str]

__all__ = [
    "ANY",
    "ANY6",
    "BROADCAST",
    "LOOPBACK",
    "LOOPBACK6",
    "Membership",
    "SocketAddress",
    "canonical",
    "host_text",
    "is_ipv6",
    "is_limited_broadcast",
    "is_loopback",
    "is_multicast",
    "is_plain",
    "is_wildcard",
    "parse_inet",
    "parse_unix",
    "scope_of",
    "show_inet",
    "show_unix",
    "without_scope",
]

# Of a multicast group: its address, and the number of the interface.
Membership: TypeAlias = tuple[str, int]

ANY = "0.0.0.0"  # noqa: S104  # The text of the wildcard, not a bind to every interface.
ANY6 = "::"
LOOPBACK = "127.0.0.1"
LOOPBACK6 = "::1"
BROADCAST = "255.255.255.255"

AF_INET = int(socket.AF_INET)
AF_INET6 = int(socket.AF_INET6)

_FLOWINFO_MAX = 0xFFFFF
_PORT_MAX = 0xFFFF
_SUN_PATH_SIZE = 108
_MAPPED = "::ffff:"

# What getsockname, getpeername, accept and recvfrom return, by family.
SocketAddress: TypeAlias = "tuple[str, int] | tuple[str, int, int, int] | str | bytes | None"


def is_ipv6(ip: str) -> bool:
    """Whether an address text is of IPv6."""
    return ":" in ip


def is_wildcard(ip: str) -> bool:
    """Whether it stands for every address of a family."""
    return ip in (ANY, ANY6)


def is_loopback(ip: str) -> bool:
    """Whether it never leaves its host."""
    return ip.startswith("127.") or ip == LOOPBACK6


def is_multicast(ip: str) -> bool:
    """Whether it names a group."""
    if ":" in ip:
        return ip.startswith("ff")
    # 224.0.0.0/4
    return ip.startswith("2") and 224 <= int(ip.partition(".")[0]) <= 239  # noqa: PLR2004


def is_limited_broadcast(ip: str) -> bool:
    """Whether it is the broadcast of the own link."""
    return ip == BROADCAST


def scope_of(ip: str) -> int:
    """Return the interface number that a link-local address carries, or 0.

    >>> scope_of("fe80::1%2"), scope_of("::1")
    (2, 0)
    """
    return int(ip.partition("%")[2] or 0)


def without_scope(ip: str) -> str:
    """Drop the interface from an address text."""
    return ip.partition("%")[0]


def canonical(ip: str) -> str:
    """Write a numeric address in the network's one form; ValueError if it is none.

    >>> canonical("0:0::1"), canonical("::FFFF:10.0.0.1"), canonical("10.0.0.1")
    ('::1', '10.0.0.1', '10.0.0.1')
    """
    text, percent, scope = ip.partition("%")
    try:
        if ":" not in text:
            return socket.inet_ntop(AF_INET, socket.inet_pton(AF_INET, text))
        text = socket.inet_ntop(AF_INET6, socket.inet_pton(AF_INET6, text))
    except (OSError, ValueError):
        raise ValueError(
            f"{ip!r} is no numeric address: pass one such as '10.0.0.5' or '::1'"
        ) from None
    if text.startswith(_MAPPED) and "." in text:
        return text[len(_MAPPED) :]
    return f"{text}%{scope}" if percent and scope != "0" else text


@lru_cache(maxsize=1024)
def _is_canonical_ipv4(text: str) -> bool:
    try:
        return ":" not in text and canonical(text) == text
    except ValueError:
        return False


def is_plain(address: object) -> TypeGuard[Endpoint]:
    """Whether an AF_INET address needs neither checks nor a look-up: it is canonical as it stands.

    >>> is_plain(("10.0.0.1", 80)), is_plain(("10.0.0.1", 80_000)), is_plain(("localhost", 80))
    (True, False, False)
    """
    if type(address) is not tuple or len(address) != 2:  # noqa: PLR2004
        return False
    text, port = address
    return (
        type(text) is str
        and type(port) is int
        and not port >> 16  # Two bytes; negative ones have bits of any height.
        and _is_canonical_ipv4(text)
    )


# -- internet ------------------------------------------------------------------------------------


def host_text(host: object) -> str:
    """Read the host part of an address as CPython does: str, bytes or bytearray, without NUL."""
    if isinstance(host, str):
        text = host if host.isascii() else _idna(host)
    elif isinstance(host, bytes | bytearray):
        text = bytes(host).decode("latin-1")
    else:
        name = type(host).__name__
        raise TypeError(f"str, bytes or bytearray expected, not {name}")
    if "\0" in text:
        raise TypeError("host name must not contain null character")
    return text


def _idna(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise TypeError(f"encoding of hostname failed: {host!r}") from error


def parse_inet(family: int, address: object, what: str, resolve: Resolve) -> Endpoint:
    """Check an AF_INET or AF_INET6 address as CPython does and make it canonical.

    ``what`` is the name of the call, for the messages. Raises TypeError, OverflowError (port,
    flow information) or socket.gaierror.
    """
    if family == AF_INET and is_plain(address):
        return address
    wanted = "AF_INET" if family == AF_INET else "AF_INET6"
    if not isinstance(address, tuple):
        name = type(address).__name__
        raise TypeError(f"{what}(): {wanted} address must be tuple, not {name}")
    if family == AF_INET:
        if len(address) != 2:  # noqa: PLR2004
            raise TypeError("AF_INET address must be a pair (host, port)")
    elif not 2 <= len(address) <= 4:  # noqa: PLR2004
        raise TypeError("AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])")
    text = host_text(address[0])
    numbers = [_integer(number) for number in address[1:]]
    ip = _lookup(family, text, resolve)
    if not 0 <= numbers[0] <= _PORT_MAX:
        raise OverflowError(f"{what}(): port must be 0-65535.")
    if len(numbers) > 1 and not 0 <= numbers[1] <= _FLOWINFO_MAX:
        raise OverflowError(f"{what}(): flowinfo must be 0-1048575.")
    if len(numbers) > 2 and numbers[2] and _has_scope(ip):  # noqa: PLR2004
        ip = f"{without_scope(ip)}%{numbers[2]}"
    return ip, numbers[0]


def _lookup(family: int, text: str, resolve: Resolve) -> str:
    if not text:
        return ANY if family == AF_INET else ANY6
    if family == AF_INET and text in ("<broadcast>", BROADCAST):
        return BROADCAST
    return resolve(text, family)


def _has_scope(ip: str) -> bool:
    return ip.startswith(("fe8", "fe9", "fea", "feb", "ff02", "ff01"))


def _integer(number: object) -> int:
    """Read an index as CPython's "i" format does."""
    if isinstance(number, int):
        return number
    index = getattr(type(number), "__index__", None)
    if index is None:
        name = type(number).__name__
        raise TypeError(f"'{name}' object cannot be interpreted as an integer")
    return int(index(number))


def show_inet(family: int, endpoint: Endpoint) -> SocketAddress:
    """Shape an endpoint as a socket of that family shows it.

    >>> show_inet(socket.AF_INET6, ("127.0.0.1", 80)), show_inet(socket.AF_INET, ("127.0.0.1", 80))
    (('::ffff:127.0.0.1', 80, 0, 0), ('127.0.0.1', 80))
    """
    ip, port = endpoint
    if family == AF_INET:
        return endpoint
    if ":" not in ip:
        return (_MAPPED + ip, port, 0, 0)
    text, _, scope = ip.partition("%")
    return (text, port, 0, int(scope or 0))


# -- UNIX ----------------------------------------------------------------------------------------


def parse_unix(address: object) -> Endpoint:
    """Check an AF_UNIX address as CPython does: str or bytes-like, short enough."""
    if isinstance(address, str):
        raw = os.fsencode(address)
    elif isinstance(address, bytes | bytearray | memoryview):
        raw = bytes(address)
    else:
        raise TypeError(f"a bytes-like object is required, not '{type(address).__name__}'")
    is_abstract = raw.startswith(b"\0")
    if len(raw) > _SUN_PATH_SIZE - (not is_abstract):
        raise OSError("AF_UNIX path too long")
    if not is_abstract:
        raw = raw.partition(b"\0")[0]  # The kernel reads a path up to its NUL.
    return os.fsdecode(raw), 0


def show_unix(endpoint: Endpoint) -> str | bytes:
    """Shape a UNIX name as CPython returns it: abstract ones are bytes, the others text."""
    name = endpoint[0]
    return os.fsencode(name) if name.startswith("\0") else name
