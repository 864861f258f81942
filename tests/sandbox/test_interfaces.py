"""Libraries that ask the machine for its interfaces find those of the host."""

from __future__ import annotations

import asyncio
import socket

import pytest

import simloop

psutil = pytest.importorskip("psutil")
ifaddr = pytest.importorskip("ifaddr")


def by_psutil():
    """Return each interface with its addresses, as psutil tells them."""
    return {
        name: [(each.address, each.netmask, each.broadcast) for each in rows]
        for name, rows in psutil.net_if_addrs().items()
    }


def by_ifaddr():
    """Return the same as ifaddr tells it."""
    return {
        (each.index, each.name): [(ip.ip, ip.network_prefix) for ip in each.ips]
        for each in ifaddr.get_adapters()
    }


def bind_all():
    """Bind a socket to each address that either library tells of."""
    families = (socket.AF_INET, socket.AF_INET6)
    bound = []
    for rows in psutil.net_if_addrs().values():
        for row in rows:
            if row.family in families:
                (info,) = socket.getaddrinfo(row.address, 0, type=socket.SOCK_STREAM)
                with socket.socket(row.family) as it:
                    it.bind(info[4])
                bound.append(row.address.partition("%")[0])
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = (ip.ip, 0) if ip.is_IPv4 else (ip.ip[0], 0, *ip.ip[1:])
            with socket.socket(socket.AF_INET if ip.is_IPv4 else socket.AF_INET6) as it:
                it.bind(address)
            assert address[0] in bound
    return bound


@pytest.mark.parametrize("arm", ["real", "simulated"])
def test_a_socket_can_be_bound_to_each_address(arm):
    """What the libraries tell is the program's own machine, the loopback among it."""

    async def main():
        return bind_all()

    bound = simloop.run(main()) if arm == "simulated" else bind_all()
    assert "127.0.0.1" in bound


def test_the_test_itself_has_the_loopback_alone():
    """A machine without a network has ``lo``, wherever a run is."""

    async def main():
        return by_psutil(), by_ifaddr(), socket.if_nameindex()

    told, adapters, names = simloop.run(main())
    assert names == [(1, "lo")]
    assert told == {
        "lo": [
            ("127.0.0.1", "255.0.0.0", None),
            ("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
            ("00:00:00:00:00:00", None, None),
        ]
    }
    assert adapters == {(1, "lo"): [("127.0.0.1", 8), (("::1", 0, 0), 128)]}


def test_a_host_has_its_own_addresses():
    """They are those of its ``eth0``, in both libraries, and can be bound."""

    async def look():
        told.append((by_psutil()["eth0"], by_ifaddr()[2, "eth0"], bind_all()[2:]))

    async def main():
        world = simloop.current_world()
        for addresses in ((), ("192.168.1.7", "fd00::7")):
            world.add_host(f"host{len(addresses)}", look, addresses=addresses)
        await asyncio.sleep(1)

    told = []
    simloop.run(main())
    assert told == [
        (
            [("10.0.0.1", "255.0.0.0", "10.255.255.255"), ("02:00:0a:00:00:01", None, None)],
            [("10.0.0.1", 8)],
            ["10.0.0.1"],
        ),
        (
            [
                ("192.168.1.7", "255.255.255.0", "192.168.1.255"),
                ("fd00::7", "ffff:ffff:ffff:ffff::", None),
                ("02:00:c0:a8:01:07", None, None),
            ],
            [("192.168.1.7", 24), (("fd00::7", 0, 0), 64)],
            ["192.168.1.7", "fd00::7"],
        ),
    ]


def test_the_real_machine_tells_its_own_where_it_is_meant():
    """Where the machine is allowed, and outside of runs, nothing is changed."""

    def look():
        return by_psutil(), list(by_ifaddr().values())

    async def main():
        with simloop.allow("machine"):
            return look()

    assert simloop.run(main()) == look()
