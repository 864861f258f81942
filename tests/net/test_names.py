"""Names: glibc's answers for numbers and services, the table's answers for the rest."""

from __future__ import annotations

import errno
import socket

import pytest

from simloop.errors import UsageError
from simloop.net import NamesTable, make_socket

STREAM, DGRAM, RAW = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW
V4, V6 = socket.AF_INET, socket.AF_INET6


def outcome(call, *args, **kwargs):
    try:
        return call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  # Whatever it is, both must give it.
        return type(error), error.errno if isinstance(error, OSError) else None


LOOKUPS = [
    ("127.0.0.1", 80),
    ("127.0.0.1", "80"),
    ("127.0.0.1", b"80"),
    (b"127.0.0.1", 80),
    ("::1", 80),
    (None, 80),
    (None, 0),
    (None, None),
    ("", 80),
    ("", None),
    ("127.0.0.1", None),
    ("127.0.0.1", ""),
    ("1.2.3", 80),
    ("127.1", 80),
    ("0x7f.1", 80),
    ("0", 1),
    ("127.0.0.1\0", 1),
    ("127.0.0.1", 70000),
    ("127.0.0.1", "99999"),
    ("127.0.0.1", -1),
    ("127.0.0.1", "-1"),
    ("127.0.0.1", "nosuchservice"),
    ("127.0.0.1", 1.5),
    (1, 80),
    ("a..b", 80),
    ("x" * 300, 80),
    ("fe80::1%lo", 80),
    ("fe80::1%7", 80),
    ("::1%1", 80),
    ("::1%99", 80),
    ("::1%lo", 80),
    ("::1%", 80),
    ("127.0.0.1%1", 80),
    ("::ffff:1.2.3.4", 80),
    ("255.255.255.255", 80),
    ("127.0.0.1", "http"),
    ("127.0.0.1", "https"),
    ("127.0.0.1", "domain"),
]


@pytest.mark.parametrize("args", LOOKUPS, ids=lambda args: repr(args)[:40])
def test_numbers_and_services_are_looked_up_as_by_glibc(args):
    """getaddrinfo() gives the entries, in the order, or the error that the real one gives."""
    assert outcome(NamesTable().getaddrinfo, *args) == outcome(socket.getaddrinfo, *args)


FILTERS = [
    {"type": STREAM},
    {"type": DGRAM},
    {"type": RAW},
    {"type": STREAM, "proto": 17},
    {"proto": 6},
    {"proto": 17},
    {"proto": 1},
    {"family": V4},
    {"family": V6},
    {"family": socket.AF_UNIX},
    {"family": 99},
    {"type": 99},
    {"flags": 99999},
    {"flags": socket.AI_PASSIVE},
    {"flags": socket.AI_PASSIVE, "family": V4, "type": STREAM},
    {"flags": socket.AI_NUMERICHOST},
    {"flags": socket.AI_NUMERICSERV},
    {"flags": socket.AI_CANONNAME, "type": STREAM},
    {"flags": socket.AI_V4MAPPED, "family": V6, "type": STREAM},
    {"flags": socket.AI_PASSIVE | socket.AI_NUMERICHOST, "type": STREAM},
]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", None])
@pytest.mark.parametrize("port", [80, "domain", None])
@pytest.mark.parametrize("filters", FILTERS, ids=repr)
def test_lookups_are_filtered_as_by_glibc(host, port, filters):
    """Family, type, protocol and flags leave the entries that the real getaddrinfo leaves."""
    mine = outcome(NamesTable().getaddrinfo, host, port, **filters)
    assert mine == outcome(socket.getaddrinfo, host, port, **filters)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.1", "::FFFF:10.0.0.5"])
def test_the_canonical_name_is_glibcs(host):
    """A name is told as the table has it, a number as it was asked for."""
    asked = (host, 80, 0 if ":" in host else V4, STREAM, 0, socket.AI_CANONNAME)
    assert outcome(NamesTable().getaddrinfo, *asked) == outcome(socket.getaddrinfo, *asked)


REVERSE = [
    *((("::1", 80, 0, 1), flags) for flags in (1, 3, 11)),
    *((("fe80::1", 80, 0, 1), flags) for flags in (1, 3)),
    *((("::1", 80, 7, 0), flags) for flags in (1, 17, 33, 65, 129, 257, (1 << 20) + 1)),
    *(((host, 80), 3) for host in ("::1%1", "::1%99", "fe80::1%1", "fe80::1%lo")),
    (("127.0.0.1", 80), 1),
    (("127.0.0.1", 80), 3),
    (("127.0.0.1", 53), 17),
    (("127.0.0.1", 54321), 1),
    (("127.0.0.1", 70000), 3),
    (("127.0.0.1",), 0),
    ("x", 0),
    (("127.0.0.1", 80, 0, 0), 3),
    (("::1", 80, 0, 0), 1),
    (("::1", 80, 1 << 20, 0), 0),
    (("fe80::1", 80, 0, 1), 3),
    (("fe80::1", 80, 0, 7), 3),
    (("127.0.0.1", "80"), 0),
    ((1, 2), 0),
    (("localhost", 80), 3),
]


@pytest.mark.parametrize(("sockaddr", "flags"), REVERSE, ids=repr)
def test_addresses_are_looked_up_as_by_glibc(sockaddr, flags):
    """getnameinfo() of numbers gives what the real one gives."""
    mine = outcome(NamesTable().getnameinfo, sockaddr, flags)
    assert mine == outcome(socket.getnameinfo, sockaddr, flags)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "", "10.1"])
def test_one_address_of_a_number(host):
    """gethostbyname() of a number is that number, and an error for IPv6."""
    assert outcome(NamesTable().gethostbyname, host) == outcome(socket.gethostbyname, host)


def hosts(found):
    return [entry[4][0] for entry in found]


def test_localhost_always_works():
    """Localhost is ::1 and 127.0.0.1, in the order in which Linux sorts them, in any case."""
    names = NamesTable()
    assert hosts(names.getaddrinfo("LocalHost", 80, type=STREAM)) == ["::1", "127.0.0.1"]
    assert hosts(names.getaddrinfo("localhost", 80, V4, STREAM)) == ["127.0.0.1"]
    assert names.gethostbyname("localhost") == "127.0.0.1"
    assert names.gethostbyaddr("127.0.0.1") == ("localhost", [], ["127.0.0.1"])
    assert names.getnameinfo(("::1", 80), 0) == ("localhost", "http")


def test_added_names_answer():
    """A name has its addresses in the order in which they were added, in every lookup."""
    names = NamesTable()
    names.add("db.internal", "10.0.0.5", "fd00::5")
    names.add("DB.internal", "10.0.0.6")
    found = names.getaddrinfo("db.internal", "postgresql", type=STREAM)
    assert [entry[4] for entry in found] == [
        ("10.0.0.5", 5432),
        ("fd00::5", 5432, 0, 0),
        ("10.0.0.6", 5432),
    ]
    assert names.gethostbyname_ex("db.internal") == ("db.internal", [], ["10.0.0.5", "10.0.0.6"])
    assert names.getnameinfo(("10.0.0.6", 1), 0) == ("DB.internal", "1")
    assert names.getfqdn("10.0.0.5") == "db.internal"
    canon = names.getaddrinfo("db.internal", 1, type=STREAM, flags=socket.AI_CANONNAME)
    assert [entry[3] for entry in canon] == ["db.internal", "", ""]
    names.check()


def test_unknown_names():
    """A name that nobody added is EAI_NONAME, and an address without a name has none."""
    names = NamesTable()
    with pytest.raises(socket.gaierror, match="Name or service not known") as caught:
        names.getaddrinfo("nobody.example", 80)
    assert caught.value.errno == socket.EAI_NONAME
    assert names.getnameinfo(("10.0.0.9", 80), 0) == ("10.0.0.9", "http")
    with pytest.raises(socket.gaierror):
        names.getnameinfo(("10.0.0.9", 80), socket.NI_NAMEREQD)
    with pytest.raises(socket.herror):
        names.gethostbyaddr("10.0.0.9")
    assert names.getfqdn("10.0.0.9") == "10.0.0.9"


def test_failures_and_delays():
    """A name fails with the code that it was told to, until it is added or removed."""
    names = NamesTable()
    names.add("flaky", "10.0.0.5")
    names.fail("flaky", socket.EAI_AGAIN)
    names.delay("flaky", 2.5)
    with pytest.raises(socket.gaierror, match="Temporary failure"):
        names.getaddrinfo("flaky", 80)
    names.fail("flaky", errno.ENETDOWN)
    with pytest.raises(OSError, match="Network is down"):
        names.gethostbyname("FLAKY")
    assert [names.delay_of(name) for name in ("flaky", b"flaky", "other", None)] == [2.5, 2.5, 0, 0]
    names.add("flaky", "10.0.0.6")
    assert names.gethostbyname_ex("flaky")[2] == ["10.0.0.5", "10.0.0.6"]
    names.remove("flaky")
    with pytest.raises(socket.gaierror):
        names.gethostbyname("flaky")
    assert names.delay_of("flaky") == 0


@pytest.mark.parametrize(
    ("method", "args", "message"),
    [
        ("add", ("x",), "without an address"),
        ("add", ("x", "y"), "'y' is no numeric address"),
        ("add", ("x", "1.2.3"), "'1.2.3' is no numeric address"),
        ("fail", ("x", 0), "0 is no error"),
        ("delay", ("x", -1), "-1"),
        ("delay", ("x", float("nan")), "nan"),
    ],
)
def test_misuse_of_the_table_is_named(method, args, message):
    """A senseless entry is refused with the value and the way out."""
    with pytest.raises(UsageError, match=message):
        getattr(NamesTable(), method)(*args)


def test_sockets_look_names_up(network):
    """bind() and connect() take names, and fail as the table says."""
    host = network.add_host("db", "10.0.0.5")
    network.names.add("db.internal", "10.0.0.5")
    sock = make_socket(host)
    sock.bind(("db.internal", 5432))
    assert sock.getsockname() == ("10.0.0.5", 5432)
    with pytest.raises(socket.gaierror), make_socket(host) as other:
        other.connect(("nobody.example", 80))
    sock.close()


@pytest.mark.parametrize(
    ("call", "args", "message"),
    [
        ("add", ("db", 5), "5"),
        ("add", ("db", ["10.0.0.1"]), "10.0.0.1"),
        ("add", (5, "10.0.0.1"), "names.add.5"),
        ("remove", (5,), "names.remove.5"),
        ("fail", (5, errno.ETIMEDOUT), "names.fail.5"),
        ("fail", ("db", "never"), "pass an errno"),
        ("fail", ("db", True), "pass an errno"),
        ("delay", (5, 1.0), "names.delay.5"),
        ("delay", ("db", "long"), "pass seconds"),
        ("delay", ("db", float("inf")), "pass seconds"),
    ],
)
def test_what_is_no_entry_of_the_table_is_refused(call, args, message):
    """A name, an address, a code or a time of another kind is told at the call."""
    names = NamesTable()
    with pytest.raises(UsageError, match=message):
        getattr(names, call)(*args)
    with pytest.raises(socket.gaierror):
        names.addresses_of("db")
