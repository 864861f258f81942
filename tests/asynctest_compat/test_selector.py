"""Mocks of files and sockets, and the selector that serves them beside real ones."""

from __future__ import annotations

import asyncio
import selectors
import socket
import ssl

import pytest

import asynctest_compat as asynctest

REAL = [
    selectors.DefaultSelector,
    selectors.SelectSelector,
    selectors.PollSelector,
    selectors.EpollSelector,
]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@pytest.fixture
def sockets():
    """A pair of real sockets that are connected."""
    pair = socket.socketpair()
    yield pair
    for one in pair:
        one.close()


@pytest.fixture(params=REAL)
def real(request):
    selector = request.param()
    yield selector
    selector.close()


def test_descriptors_count_up() -> None:
    """Without a value a descriptor is the next one; a value moves the next one on."""
    first = asynctest.FileDescriptor()
    assert asynctest.FileDescriptor() == first + 1
    high = asynctest.FileDescriptor(first + 100)
    assert asynctest.FileDescriptor.next_fd == high + 1
    asynctest.FileDescriptor(first)
    assert asynctest.FileDescriptor() == high + 1
    assert isinstance(high, int)


def test_a_descriptor_equals_its_number_but_does_not_hash_like_it() -> None:
    """A dict can hold both a mock's descriptor and a real one of the same number."""
    mocked = asynctest.FileDescriptor(7)
    assert mocked == 7
    assert hash(mocked) != hash(7)
    assert hash(mocked) == hash(asynctest.FileDescriptor(7))
    assert asynctest.fd(mocked) is mocked


def test_fd_takes_what_has_a_descriptor(sockets) -> None:
    """A mock, a descriptor of one, and a real file; nothing else, by its value."""
    mock = asynctest.FileMock()
    assert asynctest.fd(mock) is mock.fileno()
    assert asynctest.fd(sockets[0]) == sockets[0].fileno()
    for wrong in (5, "file", object()):
        with pytest.raises(ValueError, match="no file descriptor in") as caught:
            asynctest.fd(wrong)
        assert repr(wrong) in str(caught.value)


def test_isfilemock_knows_mocks_and_their_descriptors(sockets) -> None:
    """Only what carries a virtual descriptor is one."""
    mock = asynctest.SocketMock()
    assert asynctest.isfilemock(mock)
    assert asynctest.isfilemock(mock.fileno())
    assert not any(map(asynctest.isfilemock, (sockets[0], 5, "file", object())))


def test_mocks_of_files_have_descriptors_of_their_own() -> None:
    """Each mock has one; what is got from it is a plain Mock, no file."""
    first, second = asynctest.FileMock(), asynctest.FileMock()
    assert isinstance(first.fileno(), asynctest.FileDescriptor)
    assert first.fileno() != second.fileno()
    assert not isinstance(first.read, asynctest.FileMock)
    assert isinstance(first.read, asynctest.Mock)
    assert isinstance(first, asynctest.Mock)


@pytest.mark.parametrize(
    ("kind", "mocked"),
    [(asynctest.SocketMock, socket.socket), (asynctest.SSLSocketMock, ssl.SSLSocket)],
)
def test_mocks_of_sockets_have_a_socket_s_methods(kind, mocked) -> None:
    """The spec is the class of socket; arguments have asynctest's order."""
    mock = kind(None, 5, None, "its_name")
    assert isinstance(mock, mocked)
    assert isinstance(mock, asynctest.FileMock)
    assert isinstance(mock, asynctest.SocketMock)
    assert "its_name" in repr(mock)
    assert not isinstance(mock.recv, asynctest.FileMock)
    assert hasattr(mock, "getpeercert") == (mocked is ssl.SSLSocket)
    with pytest.raises(AttributeError):
        mock.no_method_of_sockets  # noqa: B018 - asking is the test
    limited = kind(spec_set=["fileno", "recv"])
    with pytest.raises(AttributeError):
        limited.send = 1


def test_a_selector_alone_serves_mocks() -> None:
    """Without a selector inside, everything is kept here, and nothing is ever ready."""
    selector, mock = asynctest.TestSelector(), asynctest.FileMock()
    key = selector.register(mock, READ, "data")
    assert key == (mock, mock.fileno(), READ, "data")
    assert selector.get_key(mock) == key
    assert selector.get_map()[mock] == selector.get_map()[mock.fileno()] == key
    assert list(selector.get_map()) == [mock.fileno()]
    changed = selector.modify(mock, READ | WRITE, "other")
    assert changed == (mock, mock.fileno(), READ | WRITE, "other")
    assert selector.select() == selector.select(10) == []
    assert selector.unregister(mock) == changed
    assert len(selector.get_map()) == 0
    selector.register(mock, READ)
    selector.close()
    assert len(selector.get_map()) == 0


def test_a_file_that_was_closed_is_found() -> None:
    """As with other selectors, a file can be removed after it was closed."""
    selector, sock = asynctest.TestSelector(), socket.socket()
    key = selector.register(sock, READ, "data")
    sock.close()
    assert selector.unregister(sock) is key
    with pytest.raises(KeyError, match="is not registered"):
        selector.unregister(sock)
    assert "TestSelector" in repr(selector)


def test_a_selector_refuses_what_makes_no_sense() -> None:
    """Twice, never, or for no event: the errors are those of selectors, and name the file."""
    selector, mock = asynctest.TestSelector(), asynctest.FileMock(name="the_file")
    for events in (0, 64):
        with pytest.raises(ValueError, match=f"Invalid events: {events}"):
            selector.register(mock, events)
    for ask in (selector.unregister, selector.get_key, lambda m: selector.modify(m, READ)):
        with pytest.raises(KeyError, match=r"the_file.* is not registered"):
            ask(mock)
    with pytest.raises(KeyError, match=r"FileDescriptor|is not registered"):
        selector.unregister(asynctest.FileDescriptor())
    selector.register(mock, READ)
    with pytest.raises(KeyError, match=rf"the_file.*FD {int(mock.fileno())}\) is already"):
        selector.register(mock, WRITE)


def test_what_is_no_mock_is_forwarded() -> None:
    """The selector inside does the work for real files, and its key is what is kept."""
    inside = asynctest.Mock(selectors.SelectSelector)
    key = selectors.SelectorKey("file", 1, READ, None)
    inside.register.return_value = inside.modify.return_value = key
    inside.unregister.return_value = key
    inside.select.return_value = [(key, READ)]
    selector = asynctest.TestSelector(inside)
    assert selector.register(1, READ, "data") is key
    inside.register.assert_called_once_with(1, READ, "data")
    assert selector.get_map()[1] is key
    assert selector.modify(1, WRITE) is key
    inside.modify.assert_called_once_with(1, WRITE, None)
    assert selector.select(5) == [(key, READ)]
    inside.select.assert_called_once_with(5)
    assert selector.unregister(1) is key
    inside.unregister.assert_called_once_with(1)
    assert len(selector.get_map()) == 0
    selector.close()
    inside.close.assert_called_once_with()


def test_a_mock_never_reaches_the_selector_inside() -> None:
    """Mocks are kept outside: the selector inside is only asked for what is ready."""
    inside = asynctest.Mock(selectors.SelectSelector)
    selector, mock = asynctest.TestSelector(inside), asynctest.SocketMock()
    selector.register(mock, READ)
    selector.modify(mock, WRITE)
    selector.unregister(mock)
    assert not inside.register.called
    assert not inside.modify.called
    assert not inside.unregister.called


def test_a_modify_that_fails_drops_the_key() -> None:
    """When the selector inside fails to change a file, it is not taken for watched."""
    inside = asynctest.Mock(selectors.SelectSelector)
    inside.register.return_value = selectors.SelectorKey(1, 1, READ, None)
    inside.modify.side_effect = OSError("broken")
    selector = asynctest.TestSelector(inside)
    selector.register(1, READ)
    with pytest.raises(OSError, match="broken"):
        selector.modify(1, WRITE)
    assert 1 not in selector.get_map()


def test_real_files_and_mocks_live_in_one_selector(real, sockets) -> None:
    """A real socket becomes ready by itself, whatever is mocked beside it."""
    selector, mock = asynctest.TestSelector(real), asynctest.SocketMock()
    selector.register(mock, READ)
    selector.register(sockets[0], READ, "real")
    assert selector.select(0) == []
    sockets[1].send(b"x")
    ((key, events),) = selector.select(0)
    assert (key.data, events) == ("real", READ)
    assert asynctest.get_registered_events(selector) == {
        selector.get_key(mock),
        selector.get_key(sockets[0]),
    }
    sockets[0].close()
    assert selector.unregister(sockets[0]).data == "real"  # as selectors have it


def test_issue_128_what_was_registered_before_is_seen(real, sockets) -> None:
    """A selector that is wrapped late shows, changes and removes what it held already."""
    real.register(sockets[0], READ, "early")
    selector = asynctest.TestSelector(real)
    assert selector.get_key(sockets[0]).data == "early"
    assert selector.modify(sockets[0], READ, "changed").data == "changed"
    assert selector.unregister(sockets[0]).data == "changed"
    assert len(selector.get_map()) == len(real.get_map()) == 0


def test_issue_128_a_reader_of_set_up_class_is_no_failure(run_case, factory, sockets) -> None:
    """A reader registered on the class's loop before any test belongs to no test."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        @classmethod
        async def setUpClass(cls):
            cls.mock = asynctest.FileMock()
            cls.shared = asyncio.get_running_loop()
            cls.shared._selector = asynctest.TestSelector(cls.shared._selector)
            cls.shared.add_reader(cls.mock, print)

        async def test_nothing_new(self):
            assert self.mock in self.loop._selector.get_map()

        async def test_another(self):
            self.loop.add_reader(asynctest.FileMock(), print)

        @classmethod
        async def tearDownClass(cls):
            assert cls.shared.remove_reader(cls.mock)

    result = run_case(Case)
    assert not result.errors, result.errors
    assert [case._testMethodName for case, _ in result.failures] == ["test_another"]


def test_callbacks_run_when_a_mock_is_made_ready(run_case, factory) -> None:
    """Not registered is fine; registered in the same iteration is in time; ways are told apart."""
    log = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            mock = asynctest.FileMock()
            asynctest.set_read_ready(mock, self.loop)
            await asynctest.exhaust_callbacks(self.loop)
            asynctest.set_read_ready(mock, self.loop)
            self.loop.add_reader(mock, log.append, "read")
            self.loop.add_writer(mock, log.append, "write")
            await asynctest.exhaust_callbacks(self.loop)
            assert log == ["read"]
            asynctest.set_write_ready(mock.fileno(), self.loop)
            await asynctest.exhaust_callbacks(self.loop)
            assert log == ["read", "write"]
            self.loop.remove_reader(mock)
            self.loop.remove_writer(mock)

    result = run_case(Case)
    assert result.wasSuccessful(), result.errors


def test_a_real_file_is_made_ready(run_case, sockets) -> None:
    """On a stock loop a real file can be told to be ready, too."""
    log = []

    class Case(asynctest.TestCase):
        loop_factory = asyncio.SelectorEventLoop

        async def test_it(self):
            self.loop.add_reader(sockets[0], log.append, "read")
            asynctest.set_read_ready(sockets[0], self.loop)
            await asynctest.exhaust_callbacks(self.loop)
            self.loop.remove_reader(sockets[0])

    result = run_case(Case)
    assert result.wasSuccessful(), result.errors
    assert log == ["read"]


def test_a_stream_talks_to_a_mock(run_case, factory) -> None:
    """open_connection(sock=SocketMock()) writes by send and reads by recv, answer by answer."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            mock = asynctest.SocketMock()
            answers = []

            def send(data):
                answers.append(b"echo " + data)
                asynctest.set_read_ready(mock, self.loop)
                return len(data)

            mock.send.side_effect = send
            mock.recv.side_effect = lambda _size: answers.pop(0)
            reader, writer = await asyncio.open_connection(sock=mock)
            for line in (b"one\n", b"two\n"):
                writer.write(line)
                assert await reader.readline() == b"echo " + line
            assert mock.recv.call_count == 2
            writer.close()
            await writer.wait_closed()
            mock.close.assert_called_once_with()

    result = run_case(Case)
    assert result.wasSuccessful(), (result.errors, result.failures)


def test_a_datagram_endpoint_talks_to_a_mock(run_case, factory) -> None:
    """The type of the mock decides; since it has a peer, datagrams go out by send."""
    received = []

    class Protocol(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            received.append((data, addr))

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            mock = asynctest.SocketMock()
            mock.type = socket.SOCK_DGRAM
            mock.recvfrom.side_effect = [(b"ping", ("peer", 1)), BlockingIOError]
            transport, _ = await self.loop.create_datagram_endpoint(Protocol, sock=mock)
            transport.sendto(b"out")
            mock.send.assert_called_once_with(b"out")
            assert not mock.sendto.called
            asynctest.set_read_ready(mock, self.loop)
            await asynctest.exhaust_callbacks(self.loop)
            transport.close()
            await asynctest.exhaust_callbacks(self.loop)

    result = run_case(Case)
    assert result.wasSuccessful(), (result.errors, result.failures)
    assert received == [(b"ping", ("peer", 1))]


def test_callbacks_are_exhausted(run_case, factory) -> None:
    """What callbacks schedule at once runs as well; what is set for later does not."""
    log = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            def again(number):
                log.append(number)
                if number:
                    self.loop.call_soon(again, number - 1)

            later = self.loop.call_later(10, log.append, "later")
            self.loop.call_soon(again, 3)
            await asynctest.helpers.exhaust_callbacks(self.loop)
            later.cancel()

    result = run_case(Case)
    assert result.wasSuccessful(), result.errors
    assert log == [3, 2, 1, 0]


class Echo(asyncio.BufferedProtocol):
    """Sends back what comes into its own buffer."""

    def __init__(self) -> None:
        self.buffer = bytearray(64)

    def connection_made(self, transport) -> None:
        self.transport = transport

    def get_buffer(self, _sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.transport.write(bytes(self.buffer[:count]))


class Switch(asyncio.Protocol):
    """Sends back the first piece, and leaves the rest to a protocol with a buffer."""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        echo = Echo()
        echo.connection_made(self.transport)
        self.transport.set_protocol(echo)
        self.transport.write(data)


@pytest.mark.parametrize("protocol", [Echo, Switch])
def test_a_buffered_protocol_is_served_through_a_selector_of_the_test(
    run_case, factory, protocol
) -> None:
    """Under a TestCase transports read through its selector, each by the step of its protocol."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_echo(self) -> None:
            server = await self.loop.create_server(protocol, "127.0.0.1", 0)
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            for word in (b"one", b"two"):
                writer.write(word)
                assert await asyncio.wait_for(reader.readexactly(3), 5) == word
            writer.close()
            server.close()
            await asyncio.sleep(0.01)

    result = run_case(Case)
    assert result.wasSuccessful(), result.failures + result.errors
