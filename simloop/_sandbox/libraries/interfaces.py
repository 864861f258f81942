"""Interfaces of the machine, for libraries that ask the C library for them: those of the host.

Owns: what psutil and ifaddr (zeroconf stands on it) tell in a run, each in its own form. Left to
the machine, they would name addresses to a program that it can't bind, others on each machine.

Must not know: which interfaces a host has; see ``socket.if_nameindex``.

Invariant: under ``allow("machine")`` and ``allow("sockets")`` the real machine answers.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import entry, rewrite, when_loaded
from simloop._sandbox.permissions import is_allowed
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

    Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

__all__: list[str] = []

_AF_PACKET: int = getattr(socket, "AF_PACKET", 17)
"""The family of the hardware's own address: packet(7)."""


def _interfaces() -> dict[str, list[Interface]] | None:
    """Return the addresses of each interface of the host; None where the real ones are meant."""
    run = by_thread.get(get_ident())
    if run is None or run.sockets is None or is_allowed("machine") or is_allowed("sockets"):
        return None
    found: dict[str, list[Interface]] = {}
    for name, address in run.sockets.interface_addresses():
        found.setdefault(name, []).append(ipaddress.ip_interface(address))
    return found


def _hardware_address(addresses: list[Interface]) -> str:
    """Make one of an address, as virtual machines have it; the loopback has none."""
    raw = b"" if addresses[0].is_loopback else addresses[0].packed[-4:]
    return ":".join(f"{each:02x}" for each in (b"\2\0" + raw if raw else bytes(6)))


def _psutil_rows(name: str, addresses: list[Interface]) -> list[tuple[Any, ...]]:
    """Spell an interface as psutil's part in C does."""
    rows: list[tuple[Any, ...]] = []
    for each in addresses:
        family = socket.AF_INET if each.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
        has_broadcast = family == socket.AF_INET and not each.is_loopback
        broadcast = str(each.network.broadcast_address) if has_broadcast else None
        rows.append((name, int(family), str(each.ip), str(each.netmask), broadcast, None))
    rows.append((name, int(_AF_PACKET), _hardware_address(addresses), None, None, None))
    return rows


def _register_psutil(module: ModuleType) -> None:
    def net_if_addrs() -> Any:
        found = _interfaces()
        if found is None:
            return real()
        return [row for name, each in found.items() for row in _psutil_rows(name, each)]

    real = module.net_if_addrs
    entry(module, "net_if_addrs", net_if_addrs)


def _register_ifaddr(module: ModuleType) -> None:
    shared: Any = module.shared

    def adapter(index: int, name: str, addresses: list[Interface]) -> Any:
        ips = [
            shared.IP(
                str(each.ip) if each.version == 4 else (str(each.ip), 0, 0),  # noqa: PLR2004 - IPv4
                each.network.prefixlen,
                name,
            )
            for each in addresses
        ]
        return shared.Adapter(name, name, ips, index=index)

    def get_adapters(include_unconfigured: bool = False) -> Any:  # noqa: FBT001, FBT002 - ifaddr's
        found = _interfaces()
        if found is None:
            return real(include_unconfigured)
        return [adapter(index, *each) for index, each in enumerate(found.items(), 1)]

    real = rewrite(module.get_adapters, get_adapters)


for _name in ("_pslinux", "_psosx", "_psbsd", "_pswindows"):
    when_loaded(f"psutil.{_name}", _register_psutil)
for _name in ("_posix", "_win32"):
    when_loaded(f"ifaddr.{_name}", _register_ifaddr)
