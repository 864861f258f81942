"""The world's table of names, and every lookup that the socket module offers on it.

Owns: which addresses a name has, which names fail and how, how long a lookup is said to take
(only noted: the owner of a clock makes the delay), and glibc's and CPython's way of answering
getaddrinfo and its kin, errors included. Must not know sockets or hosts.

Numeric addresses and localhost always work. Addresses come in the order in which they were added;
localhost is ::1 and then 127.0.0.1, as glibc sorts them.

Invariants: names are kept in lower case and every address in canonical form.
"""

from __future__ import annotations

import math
import os
import socket
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from simloop.errors import UsageError
from simloop.net.syscalls.argument_checks import c_int

from .addresses import (
    ANY,
    ANY6,
    LOOPBACK,
    LOOPBACK6,
    SocketAddress,
    canonical,
    is_ipv6,
    scope_of,
    show_inet,
    without_scope,
)
from .service_names import port_of, service_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    AddressInfo: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, SocketAddress]

__all__ = ["NamesTable"]

AF_INET = int(socket.AF_INET)
AF_INET6 = int(socket.AF_INET6)
AF_UNSPEC = int(socket.AF_UNSPEC)

# gai_strerror(3) of glibc, by code.
_GAI_TEXTS = {
    -1: "Bad value for ai_flags",
    -2: "Name or service not known",
    -3: "Temporary failure in name resolution",
    -4: "Non-recoverable failure in name resolution",
    -5: "No address associated with hostname",
    -6: "ai_family not supported",
    -7: "ai_socktype not supported",
    -8: "Servname not supported for ai_socktype",
    -9: "Address family for hostname not supported",
    -10: "Memory allocation failure",
    -11: "System error",
}
EAI_BADFLAGS, EAI_NONAME, EAI_FAMILY, EAI_SOCKTYPE = -1, -2, -6, -7
EAI_SERVICE, EAI_ADDRFAMILY = -8, -9
_AI_KNOWN = 0x7FF
_NI_KNOWN = 0xFF

# (type, protocol, its name); the raw row takes any protocol and has no services.
_RAW = (int(socket.SOCK_RAW), 0, "raw")
_KINDS = (
    (int(socket.SOCK_STREAM), int(socket.IPPROTO_TCP), "tcp"),
    (int(socket.SOCK_DGRAM), int(socket.IPPROTO_UDP), "udp"),
    _RAW,
)
_INTERFACE_NUMBERS = {"lo": 1, "eth0": 2}
_INTERFACE_NAMES = {1: "lo", 2: "eth0"}
_LINK_LOCAL = ("fe8", "fe9", "fea", "feb", "ff01", "ff02")


def gai_error(code: int) -> socket.gaierror:
    """Make the error that a lookup raises for one of glibc's EAI codes."""
    return socket.gaierror(code, _GAI_TEXTS.get(code, "Unknown error"))


class NamesTable:
    """Answer for names, in place of the resolver; a world's is ``world.names``.

    At first it knows ``localhost``. Numeric addresses need no entry. Names are compared without
    regard to case.

    Example:
        >>> names = NamesTable()
        >>> names.add("db.internal", "10.0.0.5", "10.0.0.6")
        >>> names.gethostbyname("db.internal")
        '10.0.0.5'
        >>> names.fail("gone.internal", socket.EAI_AGAIN)
        >>> names.gethostbyname("gone.internal")
        Traceback (most recent call last):
            ...
        socket.gaierror: [Errno -3] Temporary failure in name resolution
    """

    def __init__(self) -> None:
        self._addresses: dict[str, list[str]] = {"localhost": [LOOPBACK6, LOOPBACK]}
        self._names: dict[str, str] = {LOOPBACK: "localhost", LOOPBACK6: "localhost"}
        self._failures: dict[str, int] = {}
        self._delays: dict[str, float] = {}
        # What is wrong with a name for a while: an error or 0, seconds, and other addresses.
        self._disturbed: dict[str, tuple[int, float, list[str]]] = {}

    # -- the table -----------------------------------------------------------------------------

    def add(self, name: str, *addresses: str) -> None:
        """Let a name have these addresses too, behind those that it has; it fails no more.

        Args:
            name: A host name.
            *addresses: IPv4 or IPv6 addresses, as text.

        Raises:
            UsageError: There is no address, or one of them is none.

        Example:
            >>> names = NamesTable()
            >>> names.add("db.internal", "10.0.0.5")
            >>> names.add("db.internal", "fd00::5")
            >>> names.addresses_of("DB.internal")
            ['10.0.0.5', 'fd00::5']
        """
        _check_name("add", name)
        if not addresses:
            raise UsageError(f"names.add({name!r}) without an address: pass one or more")
        found = [_address(name, each) for each in addresses]
        there = self._addresses.setdefault(name.lower(), [])
        for ip in found:
            if ip not in there:
                there.append(ip)
            self._names.setdefault(ip, name)
        self._failures.pop(name.lower(), None)

    def remove(self, name: str) -> None:
        """Forget a name, its failure and its delay; it is unknown from now on."""
        _check_name("remove", name)
        key = name.lower()
        self._failures.pop(key, None)
        self._delays.pop(key, None)
        for ip in self._addresses.pop(key, ()):
            if self._names.get(ip, "").lower() == key:
                del self._names[ip]

    def fail(self, name: str, code: int) -> None:
        """Let each lookup of a name fail, until an address is added.

        Args:
            name: A host name, known or not.
            code: One of ``socket.EAI_*``, which gives a ``socket.gaierror``, or a positive errno,
                which gives its ``OSError``.

        Raises:
            UsageError: The code is 0, or no number.

        Example:
            >>> names = NamesTable()
            >>> names.fail("db.internal", socket.EAI_NONAME)
            >>> names.addresses_of("db.internal")
            Traceback (most recent call last):
                ...
            socket.gaierror: [Errno -2] Name or service not known
        """
        _check_name("fail", name)
        number: object = code
        if not isinstance(number, int) or isinstance(number, bool) or not number:
            raise UsageError(
                f"names.fail({name!r}, {code!r}): {code!r} is no error; pass an errno or a"
                " socket.EAI_* code"
            )
        self._failures[name.lower()] = code

    def delay(self, name: str, seconds: float) -> None:
        """Let lookups of a name take this long, whether they find it or fail.

        Args:
            name: A host name, known or not.
            seconds: Seconds of virtual time, 0 for none.

        Raises:
            UsageError: It is not 0 or more, or no number.
        """
        _check_name("delay", name)
        given: object = seconds
        if not isinstance(given, int | float) or not 0 <= given < math.inf:
            raise UsageError(f"names.delay({name!r}, {seconds!r}): pass seconds, 0 or more")
        self._delays[name.lower()] = seconds

    def delay_of(self, host: object) -> float:
        """Return the seconds that a lookup of ``host`` takes; numbers and None take none."""
        if isinstance(host, bytes | bytearray):
            host = bytes(host).decode("latin-1")
        if not isinstance(host, str):
            return 0.0
        late_s = self._disturbed[host.lower()][1] if host.lower() in self._disturbed else 0.0
        return self._delays.get(host.lower(), 0.0) + late_s

    def disturb(
        self, name: str, *, code: int = 0, seconds: float = 0.0, addresses: Iterable[str] = ()
    ) -> None:
        """Let lookups of a name go wrong until :meth:`calm`, whatever the table says of it.

        Args:
            name: A host name.
            code: What they fail by, as :meth:`fail` takes it; 0 for nothing.
            seconds: How much longer they take.
            addresses: What they answer in place of the table; nothing for what it says.
        """
        self._disturbed[name.lower()] = code, seconds, list(addresses)

    def calm(self, name: str) -> None:
        """Let lookups of a name be what the table says again."""
        self._disturbed.pop(name.lower(), None)

    def names_of(self, addresses: Iterable[str]) -> list[str]:
        """Return the names that lead to one of these addresses, in the order of adding."""
        own = list(addresses)
        return [name for name, ips in self._addresses.items() if any(ip in own for ip in ips)]

    def addresses_of(self, name: str) -> list[str]:
        """Return all addresses of a name; raises what was asked for by ``fail``, or EAI_NONAME."""
        key = name.lower()
        code = self._failures.get(key, 0)
        addresses = self._addresses.get(key)
        if key in self._disturbed:
            disturbed = self._disturbed[key]
            code, addresses = disturbed[0] or code, disturbed[2] or addresses
        if code:
            raise gai_error(code) if code < 0 else OSError(code, os.strerror(code))
        if addresses is None:
            raise gai_error(EAI_NONAME)
        return list(addresses)

    def name_of(self, ip: str) -> str | None:
        """Return the name that was added first for an address, or None."""
        return self._names.get(ip)

    # -- looking up ----------------------------------------------------------------------------

    def resolve(self, host: str, family: int) -> str:
        """Return one address of a host, as bind and connect look it up.

        An interface in the text is dropped: CPython takes it from the tuple (``getsockaddrarg``).
        """
        return without_scope(self._addresses_for(host, family, 0)[0])

    def _addresses_for(self, host: str, family: int, flags: int) -> list[str]:
        """Return the addresses that a lookup in a family gives; canonical, IPv4 ones unmapped."""
        ip = _numeric(host)
        if ip is not None:
            return [_fit(ip, host, family, flags)]
        if flags & socket.AI_NUMERICHOST:
            raise gai_error(EAI_NONAME)
        there = self.addresses_of(host)
        if family == AF_UNSPEC:
            return there
        fitting = [ip for ip in there if is_ipv6(ip) == (family == AF_INET6)]
        if not fitting and family == AF_INET6 and flags & socket.AI_V4MAPPED:
            fitting = there
        if not fitting:
            raise gai_error(EAI_NONAME)
        return fitting

    def getaddrinfo(
        self,
        host: str | bytes | bytearray | None,
        port: str | bytes | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002  # The socket module's own name.
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Answer as socket.getaddrinfo: types, order and errors are CPython's and glibc's."""
        family, type, proto, flags = map(c_int, (family, type, proto, flags))  # noqa: A001
        text = _host_argument(host)
        service = _service_argument(port)
        if text is None and service is None:
            raise gai_error(EAI_NONAME)
        if flags & ~_AI_KNOWN or (flags & socket.AI_CANONNAME and text is None):
            raise gai_error(EAI_BADFLAGS)
        if family not in (AF_UNSPEC, AF_INET, AF_INET6):
            raise gai_error(EAI_FAMILY)
        kinds = _kinds_for(type, proto, service, flags)
        if text is None:
            addresses = _own(family, flags)
        else:
            addresses = self._addresses_for(text, family, flags)
        canon = _canonical_name(text) if flags & socket.AI_CANONNAME else ""
        found: list[AddressInfo] = []
        for ip in addresses:
            is_six = is_ipv6(ip) or family == AF_INET6 or (family == 0 and _is_mapped(text))
            shown = AF_INET6 if is_six else AF_INET
            for kind, protocol, number in kinds:
                name = canon if not found else ""
                where = show_inet(shown, (ip, number))
                found.append(
                    (socket.AddressFamily(shown), socket.SocketKind(kind), protocol, name, where)
                )
        return found

    def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        """Answer as socket.getnameinfo."""
        flags = c_int(flags)
        ip, port = _name_argument(sockaddr)
        if flags & ~_NI_KNOWN:
            raise gai_error(EAI_BADFLAGS)
        scope = scope_of(ip)
        host = None if flags & socket.NI_NUMERICHOST else self.name_of(without_scope(ip))
        if host is None:
            if flags & socket.NI_NAMEREQD:
                raise gai_error(EAI_NONAME)
            host = without_scope(ip)
            if scope:
                is_local = host.startswith(_LINK_LOCAL)
                host = f"{host}%{_INTERFACE_NAMES.get(scope, scope) if is_local else scope}"
        service = None
        if not flags & socket.NI_NUMERICSERV:
            service = service_of(port, "udp" if flags & socket.NI_DGRAM else "tcp")
        return host, service or str(port)

    def gethostbyname(self, hostname: str) -> str:
        """Answer as socket.gethostbyname: one IPv4 address."""
        if hostname == "":
            return ANY
        return self.resolve(_idna(hostname), AF_INET)

    def gethostbyname_ex(self, hostname: str) -> tuple[str, list[str], list[str]]:
        """Answer as socket.gethostbyname_ex: all IPv4 addresses."""
        return hostname, [], self._addresses_for(_idna(hostname), AF_INET, 0)

    def gethostbyaddr(self, ip_address: str) -> tuple[str, list[str], list[str]]:
        """Answer as socket.gethostbyaddr; socket.herror for an address without a name."""
        ip = self.resolve(_idna(ip_address), AF_UNSPEC)
        name = self.name_of(ip)
        if name is None:
            raise socket.herror(1, "Unknown host")
        return name, [], [ip]

    def getfqdn(self, name: str) -> str:
        """Answer as socket.getfqdn for a name that is not empty."""
        try:
            hostname, aliases, _ = self.gethostbyaddr(name)
        except OSError:
            return name
        for known in (hostname, *aliases):
            if "." in known:
                return known
        return hostname

    def check(self) -> None:
        """Assert the invariants."""
        for name, addresses in self._addresses.items():
            assert name == name.lower(), name
            assert addresses, name
            for ip in addresses:
                assert canonical(ip) == ip, ip


# -- arguments -------------------------------------------------------------------------------------


def _check_name(call: str, name: object) -> None:
    """Refuse what is no name."""
    if not isinstance(name, str):
        raise UsageError(f"names.{call}({name!r}, ...): pass the name of a host, as text")


def _address(name: str, address: object) -> str:
    """Return an address of a name as it is kept."""
    if not isinstance(address, str):
        raise UsageError(
            f"names.add({name!r}, {address!r}): pass addresses as text, one after the other"
        )
    try:
        return canonical(address)
    except ValueError as error:
        raise UsageError(f"names.add({name!r}, ...): {error}") from None


def _idna(host: str) -> str:
    return host.encode("idna").decode("ascii")


def _host_argument(host: object) -> str | None:
    if host is None:
        return None
    if isinstance(host, str):
        return _idna(host).partition("\0")[0]
    if isinstance(host, bytes | bytearray):
        return bytes(host).decode("latin-1").partition("\0")[0]
    raise TypeError("getaddrinfo() argument 1 must be string or None")


def _service_argument(port: object) -> str | None:
    if port is None or isinstance(port, str):
        return port
    if isinstance(port, bytes):
        return port.decode("latin-1")
    if isinstance(port, int):
        return str(int(port))
    raise OSError("Int or String expected")


def _name_argument(sockaddr: object) -> tuple[str, int]:
    """Check getnameinfo's address: (numeric host, port[, flowinfo[, scope]])."""
    if not isinstance(sockaddr, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    if not 2 <= len(sockaddr) <= 4 or not isinstance(sockaddr[0], str):  # noqa: PLR2004
        raise TypeError("getnameinfo(): illegal sockaddr argument")
    for number in sockaddr[1:]:
        if not isinstance(number, int):
            name = type(number).__name__
            raise TypeError(f"'{name}' object cannot be interpreted as an integer")
    if c_int(sockaddr[1]) < 0:
        raise gai_error(EAI_SERVICE)
    if len(sockaddr) > 2 and not 0 <= sockaddr[2] <= 0xFFFFF:  # noqa: PLR2004
        raise OverflowError("getnameinfo(): flowinfo must be 0-1048575.")
    ip = _numeric(sockaddr[0])
    if ip is None:
        raise gai_error(EAI_NONAME)
    if not is_ipv6(ip) and len(sockaddr) != 2 and not _is_mapped(sockaddr[0]):  # noqa: PLR2004
        raise OSError("IPv4 sockaddr must be 2 tuple")
    ip = without_scope(ip)  # As in ``resolve``.
    if len(sockaddr) > 3 and sockaddr[3] and is_ipv6(ip):  # noqa: PLR2004
        ip = f"{ip}%{sockaddr[3]}"
    return ip, sockaddr[1] & 0xFFFF


# -- glibc's rules
# -----------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _numeric(host: str) -> str | None:
    """Return the canonical form of a numeric host, in any of the forms glibc takes, or None."""
    text, percent, scope = host.partition("%")
    if percent:
        is_local = text.lower().startswith(_LINK_LOCAL)
        number = int(scope) if scope.isdecimal() and scope.isascii() else 0
        if is_local:
            number = _INTERFACE_NUMBERS.get(scope, number)
        if ":" not in text or not (number or scope == "0"):
            return None
        if number:
            text = f"{text}%{number}"
    if ":" in text:
        try:
            return canonical(text)
        except ValueError:
            return None
    if not text[:1].isdigit() or not text.isascii() or " " in text:
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        return None


def _canonical_name(host: str | None) -> str:
    """Return a name as the table has it, in lower case, and a number as it was written."""
    if host is None:
        return ""
    return host if _numeric(host) is not None else host.lower()


def _is_mapped(host: str | None) -> bool:
    """Whether a numeric host was written as an IPv6 address: '::ffff:10.0.0.5'."""
    return host is not None and ":" in host


def _fit(ip: str, host: str, family: int, flags: int) -> str:
    """Check that a numeric address can be had in the family that is asked for."""
    was_ipv6 = _is_mapped(host)
    if family == AF_INET and is_ipv6(ip):
        raise gai_error(EAI_ADDRFAMILY)
    if family == AF_INET6 and not was_ipv6 and not flags & socket.AI_V4MAPPED:
        raise gai_error(EAI_ADDRFAMILY)
    return ip


def _own(family: int, flags: int) -> list[str]:
    """Return the addresses of no host: the wildcards to bind to, or loopback to connect to."""
    there = [ANY, ANY6] if flags & socket.AI_PASSIVE else [LOOPBACK6, LOOPBACK]
    return [ip for ip in there if family == AF_UNSPEC or is_ipv6(ip) == (family == AF_INET6)]


def _kinds_for(
    type_: int, proto: int, service: str | None, flags: int
) -> list[tuple[int, int, int]]:
    """Return the (type, protocol, port) triples that a lookup gives, in glibc's order."""
    kinds = list(_KINDS)
    if type_ or proto:
        kinds = [
            kind
            for kind in kinds
            if type_ in (0, kind[0]) and (proto in (0, kind[1]) or kind is _RAW)
        ][:1]
        if not kinds:
            raise gai_error(EAI_SOCKTYPE if type_ else EAI_SERVICE)
        if kinds[0] is _RAW and service is not None:
            raise gai_error(EAI_SERVICE)
    if service is None or service == "":
        return [(kind, proto if protocol == 0 else protocol, 0) for kind, protocol, _ in kinds]
    if service.isdecimal() and service.isascii():
        number = int(service) & 0xFFFF
        return [(kind, proto if protocol == 0 else protocol, number) for kind, protocol, _ in kinds]
    if flags & socket.AI_NUMERICSERV:
        raise gai_error(EAI_NONAME)
    named = []
    for kind, protocol, name in kinds:
        known = port_of(service, name)
        if known is not None:
            named.append((kind, protocol, known))
    if not named:
        raise gai_error(EAI_SERVICE)
    return named
