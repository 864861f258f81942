"""``socket`` inside a run that has virtual sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from socket import AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM
from socket import getaddrinfo as held_getaddrinfo
from socket import socket as held_socket
from unittest import mock

import pytest

import simloop
from simloop._sandbox import allow


class Traced(socket.socket):
    """A program's own subclass."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.traced = True


@pytest.fixture
def inside(make, fake_sockets, request):
    """Run the test inside a world with virtual sockets, and return these."""
    request.node.sandbox = make(sockets=fake_sockets)
    return fake_sockets


def test_socket_is_virtual(inside):
    """``socket.socket`` makes a virtual one with the caller's arguments, however it is held."""
    for made in (
        socket.socket(AF_INET, SOCK_DGRAM, 17),
        held_socket(AF_INET, SOCK_DGRAM, proto=17),
    ):
        assert type(made) is inside.socket_class
        assert isinstance(made, socket.socket)
        assert made.made_with == (AF_INET, SOCK_DGRAM, 17, None)
    assert socket.socket(fileno=1_000_003).made_with == (-1, -1, -1, 1_000_003)


def test_subclasses_are_virtual(inside):
    """A program's subclass of ``socket.socket`` is itself, above a virtual socket."""
    made = Traced(AF_INET)
    assert isinstance(made, Traced)
    assert isinstance(made, inside.socket_class)
    assert type(made).__name__ == "Traced"
    assert (made.traced, made.made_with[0]) == (True, AF_INET)
    assert type(Traced()) is type(made)


def test_the_library_s_helpers_are_virtual(inside):
    """``socketpair`` and ``fromfd`` give virtual sockets over virtual descriptors."""
    first, second = socket.socketpair()
    assert type(first) is type(second) is inside.socket_class
    assert first.made_with == (AF_UNIX, SOCK_STREAM, 0, 1_000_007)
    copy = socket.fromfd(1_000_000, AF_INET, SOCK_STREAM)
    assert copy.made_with[3] == "dup"
    assert inside.calls == [("dup", 1_000_000)]


def test_names_are_the_world_s(inside):
    """Functions of names ask the world, however they are held."""
    assert inside.owns(1_000_000)
    address = ("10.0.0.5", 80)
    assert socket.getaddrinfo("db", 80) == held_getaddrinfo("db", 80)
    assert socket.getaddrinfo("db", 80)[0] == (AF_INET, SOCK_STREAM, 6, "", address)
    assert isinstance(socket.getaddrinfo("db", 80)[0][0], socket.AddressFamily)
    assert socket.gethostbyname("db") == "10.0.0.5"
    assert socket.gethostname() == "world"
    assert socket.getfqdn() == "world.example"
    assert socket.getnameinfo(address, 0) == ("db.internal", "80")


def test_allowed_sockets_are_real(inside):
    """In a block that allows sockets, they are real."""
    with allow("sockets", "names"), socket.socket() as made:
        assert type(made) is socket.socket
        first, second = socket.socketpair()
        with first, second:
            assert type(first) is socket.socket
            first.send(b"x")
            assert second.recv(1) == b"x"
        assert socket.getaddrinfo("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
    assert type(socket.socket()) is inside.socket_class


def test_outside_sockets_are_real(make, fake_sockets):
    """After a run ``socket.socket`` makes real ones, subclasses included."""
    with make(sockets=fake_sockets):
        pass
    assert "__new__" not in vars(socket.socket)
    with socket.socket(AF_INET, SOCK_DGRAM) as made, Traced(AF_INET) as traced:
        assert type(made) is socket.socket
        assert type(traced) is Traced
        assert made.fileno() >= 0


@pytest.mark.parametrize("sealed", [False, True])
def test_a_mock_made_by_the_class_of_sockets_takes_its_calls(sealed) -> None:
    """``create_autospec`` looks at methods in C, which are others while a run is on."""

    async def main() -> None:
        mocked = mock.create_autospec(socket.socket, spec_set=True, instance=True)
        mocked.connect(("127.0.0.1", 80))
        mocked.getpeername()
        mocked.setblocking(False)
        mocked.recv(10, 2)
        mocked.recv.assert_called_once_with(10, 2)
        lock = mock.create_autospec(threading.Lock(), instance=True)
        lock.acquire(blocking=False)

    simloop.run(main()) if sealed else asyncio.run(main())
