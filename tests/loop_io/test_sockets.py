"""``sock_*``, add_reader and add_writer, on both loops."""

from __future__ import annotations

import asyncio
import gc
import selectors
import socket
import warnings
from unittest import mock

import pytest

import simloop


def listener():
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


def test_bare_sockets_connect_accept_send_and_receive(arm):
    """The sock_* calls do all that a TCP connection needs."""

    async def main():
        loop = asyncio.get_running_loop()
        server = listener()
        client = socket.socket()
        client.setblocking(False)
        accepting = asyncio.ensure_future(loop.sock_accept(server))
        await asyncio.sleep(0)
        await loop.sock_connect(client, server.getsockname())
        peer, address = await accepting
        assert address == client.getsockname()
        assert peer.getblocking() is False
        reading = asyncio.ensure_future(loop.sock_recv(peer, 100))
        await asyncio.sleep(0)
        await loop.sock_sendall(client, b"hello")
        assert await reading == b"hello"
        buffer = bytearray(10)
        await loop.sock_sendall(peer, memoryview(b"ok"))
        assert await loop.sock_recv_into(client, buffer) == 2
        assert buffer[:2] == b"ok"
        client.close()
        assert await loop.sock_recv(peer, 10) == b""
        peer.close()
        server.close()

    arm.run(main)


def test_sendall_waits_for_room(arm):
    """sock_sendall of megabytes goes on as the peer reads."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        sending = asyncio.ensure_future(loop.sock_sendall(ours, bytes(5_000_000)))
        await asyncio.sleep(0.01)
        assert not sending.done()
        total = 0
        while total < 5_000_000:
            total += len(await loop.sock_recv(theirs, 1 << 16))
        await sending
        ours.close()
        theirs.close()

    arm.run(main)


def test_a_method_that_changes_on_the_way_is_seen(arm):
    """A test's socket that would block until its method is replaced is served afterwards."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
            blocked = mock.Mock(sock)
            blocked.gettimeout, blocked.fileno = sock.gettimeout, sock.fileno
            blocked.sendto.side_effect = BlockingIOError
            loop.call_soon(setattr, blocked, "sendto", sock.sendto)
            assert await loop.sock_sendto(blocked, b"hello", sock.getsockname()) == 5
            assert await loop.sock_recv(sock, 100) == b"hello"

    arm.run(main)


def test_datagrams_of_bare_sockets(arm):
    """sock_sendto, sock_recvfrom and sock_recvfrom_into carry addresses."""

    async def main():
        loop = asyncio.get_running_loop()
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for sock in (first, second):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        receiving = asyncio.ensure_future(loop.sock_recvfrom(second, 100))
        await asyncio.sleep(0)
        assert await loop.sock_sendto(first, b"hello", second.getsockname()) == 5
        assert await receiving == (b"hello", first.getsockname())
        await loop.sock_sendto(second, b"again", first.getsockname())
        buffer = bytearray(20)
        assert await loop.sock_recvfrom_into(first, buffer) == (5, second.getsockname())
        first.close()
        second.close()

    arm.run(main)


def test_connecting_by_name_and_to_nobody(arm):
    """sock_connect resolves names, and tells who refused."""

    async def main():
        loop = asyncio.get_running_loop()
        server = listener()
        port = server.getsockname()[1]
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("localhost", port))
        server.close()
        with socket.socket() as client:
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError, match="Connect call failed"):
                await loop.sock_connect(client, ("127.0.0.1", port))

    arm.run(main)


class Counting(socket.socket):
    """A socket whose class has its own way with three calls."""

    def connect(self, address):
        self.calls.append("connect")
        return super().connect(address)

    def getsockopt(self, *args):
        self.calls.append("getsockopt")
        return super().getsockopt(*args)

    def accept(self):
        self.calls.append("accept")
        return super().accept()


def test_what_a_class_of_sockets_overrides_is_called(arm):
    """A loop has no short way around the methods of a subclass."""

    async def main():
        loop = asyncio.get_running_loop()
        listening = Counting()
        listening.calls = []
        listening.bind(("127.0.0.1", 0))
        server = await loop.create_server(asyncio.Protocol, sock=listening)
        client = Counting()
        client.calls = []
        client.setblocking(False)
        await loop.sock_connect(client, listening.getsockname())
        while "accept" not in listening.calls:
            await asyncio.sleep(0)
        assert client.calls == ["connect", "getsockopt"]
        client.close()
        server.close()
        await asyncio.sleep(0.01)

    arm.run(main)


def test_a_cancelled_call_gives_the_descriptor_back(arm):
    """After a cancelled sock_recv the descriptor is not watched any more."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await loop.sock_recv(ours, 1)
        assert not loop.remove_reader(ours)
        ours.close()
        theirs.close()

    arm.run(main)


def test_blocking_sockets_are_refused_in_debug_mode(arm):
    """In debug mode the sock_* calls insist on non-blocking sockets."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            for call in (
                loop.sock_recv(sock, 1),
                loop.sock_recv_into(sock, bytearray(1)),
                loop.sock_sendall(sock, b"x"),
                loop.sock_connect(sock, ("127.0.0.1", 1)),
                loop.sock_accept(sock),
            ):
                with pytest.raises(ValueError, match="the socket must be non-blocking"):
                    await call

    arm.run(main, debug=True)


def test_readers_are_called_while_there_is_something(arm):
    """add_reader's callback runs each turn until the data is taken, and no more when removed."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        calls = []
        done = loop.create_future()

        def readable(word):
            calls.append(word)
            if len(calls) == 3:
                assert ours.recv(10) == b"hello"
                done.set_result(None)

        loop.add_reader(ours, readable, "word")
        await asyncio.sleep(0.01)
        assert not calls
        theirs.send(b"hello")
        await done
        await asyncio.sleep(0.01)
        assert calls == ["word"] * 3
        theirs.send(b"again")
        assert loop.remove_reader(ours.fileno())
        assert not loop.remove_reader(ours.fileno())
        await asyncio.sleep(0.01)
        assert len(calls) == 3
        ours.close()
        theirs.close()

    arm.run(main)


def test_writers_and_readers_share_a_descriptor(arm):
    """A descriptor has a reader and a writer; adding one again replaces it."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        seen = []
        wrote = loop.create_future()
        read = loop.create_future()

        def writable():
            seen.append("write")
            loop.remove_writer(ours)
            wrote.set_result(None)

        def readable():
            seen.append("read")
            loop.remove_reader(ours)
            read.set_result(None)

        loop.add_reader(ours, seen.append, "wrong")
        loop.add_reader(ours, readable)
        loop.add_writer(ours, writable)
        await wrote
        theirs.send(b"x")
        await read
        assert seen == ["write", "read"]
        ours.close()
        theirs.close()

    arm.run(main)


@pytest.mark.parametrize("thing", [-1, "text", None, object()])
def test_what_is_no_descriptor_is_refused(arm, thing):
    """add_reader of anything but a descriptor is a ValueError."""

    async def main():
        with pytest.raises(ValueError, match="Invalid file"):
            asyncio.get_running_loop().add_reader(thing, print)

    arm.run(main)


def test_real_descriptors_are_refused_with_the_way_out(virtual):
    """A descriptor of the real process is an UnsupportedError that says what to do."""

    async def main():
        with pytest.raises(simloop.UnsupportedError, match="virtual sockets"):
            asyncio.get_running_loop().add_reader(0, print)

    virtual.run(main)


def test_a_quiet_descriptor_costs_no_steps():
    """Watching a descriptor that is quiet for a day takes no more steps than a day's sleep."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        loop.add_reader(ours, print)
        before = loop._kernel.steps
        await asyncio.sleep(86_400)
        assert loop._kernel.steps - before < 10
        loop._own_selector.check()
        loop.remove_reader(ours)
        ours.close()
        theirs.close()

    simloop.run(main())


def test_the_selector_is_one(virtual):
    """loop._selector offers what selectors.BaseSelector offers, over virtual descriptors."""

    async def main():
        loop = asyncio.get_running_loop()
        selector = loop._selector
        assert isinstance(selector, selectors.BaseSelector)
        ours, theirs = socket.socketpair()
        key = selector.register(ours, selectors.EVENT_WRITE, (None, None))
        assert selector.get_map()[ours.fileno()] == key == selector.get_key(ours)
        assert selector.select(0) == [(key, selectors.EVENT_WRITE)]
        key = selector.modify(ours, selectors.EVENT_READ, (None, None))
        assert selector.select() == []
        theirs.send(b"x")
        selector.check()
        assert selector.select(5) == [(key, selectors.EVENT_READ)]
        with pytest.raises(KeyError):
            selector.register(ours, selectors.EVENT_READ)
        with pytest.raises(ValueError, match="Invalid events"):
            selector.register(theirs, 8)
        with pytest.raises(OSError, match="Bad file descriptor"):
            selector.register(ours.fileno() + 1000, selectors.EVENT_READ)
        ours.close()
        assert selector.select() == []
        selector.unregister(ours)
        assert len(selector.get_map()) == 0
        with pytest.raises(KeyError):
            selector.unregister(theirs)
        theirs.close()

    virtual.run(main)


class Wrapper(selectors._BaseSelectorImpl):
    """A selector of a test around the loop's own, as asynctest has it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def register(self, fileobj, events, data=None):
        key = super().register(fileobj, events, data)
        self.inner.register(fileobj, events, data)
        return key

    def unregister(self, fileobj):
        self.inner.unregister(fileobj)
        return super().unregister(fileobj)

    def modify(self, fileobj, events, data=None):
        super().modify(fileobj, events, data)
        return self.get_key(fileobj)

    def select(self, timeout=None):
        return self.inner.select(timeout)

    def close(self):
        self.inner.close()
        super().close()


def test_a_wrapped_selector_sees_every_descriptor(virtual):
    """With a selector of a test in place, transports and servers are registered in it."""

    async def main():
        loop = asyncio.get_running_loop()
        loop._selector = wrapper = Wrapper(loop._selector)
        assert loop._selector is wrapper

        async def echo(reader, writer):
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        assert len(wrapper.get_map()) == 1
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x" * 200)
        assert await reader.readexactly(200) == b"x" * 200
        assert len(wrapper.get_map()) == 3
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(1)
        assert len(wrapper.get_map()) == 0

    virtual.run(main)


class FakeNumber(int):
    """A descriptor of a mock: it equals its number but does not hash like it."""

    def __hash__(self):
        return hash((type(self), int(self)))

    def __eq__(self, other):
        return isinstance(other, FakeNumber) and int(self) == int(other)


class FakeSocket:
    """As much of a socket as asyncio's transports ask for, fed by hand."""

    type = socket.SOCK_STREAM
    family = socket.AF_INET
    proto = 0

    def __init__(self):
        self.number = FakeNumber(7)
        self.incoming = []
        self.sent = bytearray()
        self.is_closed = False

    def fileno(self):
        return self.number

    def setblocking(self, flag):
        assert flag is False

    def getsockname(self):
        return ("fake", 1)

    def getpeername(self):
        return ("fake", 2)

    def recv(self, size):
        if not self.incoming:
            raise BlockingIOError
        return self.incoming.pop(0)

    def send(self, data):
        self.sent += data
        return len(data)

    def close(self):
        self.is_closed = True


class FakeSelector(selectors._BaseSelectorImpl):
    """A selector of a test that knows fakes."""

    def select(self, timeout=None):
        return []


def test_a_mock_of_a_socket_is_served_through_the_selector(virtual):
    """What is no virtual socket but behaves like one becomes a connection, fed by hand."""

    async def main():
        loop = asyncio.get_running_loop()
        loop._selector = selector = FakeSelector()
        fake = FakeSocket()

        def feed(data):
            fake.incoming.append(data)
            key = selector.get_key(fake.number)
            loop.call_soon(loop._process_events, [(key, selectors.EVENT_READ)])

        reader, writer = await asyncio.open_connection(sock=fake)
        assert writer.get_extra_info("peername") == ("fake", 2)
        writer.write(b"out")
        assert fake.sent == b"out"
        feed(b"in")
        assert await reader.read(10) == b"in"
        feed(b"")
        assert await reader.read(10) == b""
        writer.close()
        await writer.wait_closed()
        assert fake.is_closed
        assert len(selector.get_map()) == 0
        again = FakeSocket()
        receiving = asyncio.ensure_future(loop.sock_recv(again, 10))
        await asyncio.sleep(0)
        again.incoming.append(b"late")
        key = selector.get_key(again.number)
        loop._process_events([(key, selectors.EVENT_READ)])
        assert await receiving == b"late"

    virtual.run(main)


def test_a_loop_closes_over_connections_that_are_left(virtual):
    """Closing a loop leaves files unwatched, those of mocks and of virtual sockets."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        return loop, writer, server

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop, writer, server = virtual.run(main)
        file = loop.host.file(writer.get_extra_info("socket").fileno())
        assert file.on_readable is None
        assert loop.remove_reader(5) is False
        assert loop._selector is None
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            loop.add_reader(5, print)
        del loop, writer, server, file
        gc.collect()
