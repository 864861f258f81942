"""A blocking socket sends everything, and receives everything with MSG_WAITALL: recv(2)."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = socket.MSG_WAITALL
MUCH = 24_000_000  # More than the buffers of both ends ever hold (tcp_rmem, tcp_wmem).


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


PAIRS = {"tcp": tcp_pair, "unix": socket.socketpair}


@pytest.fixture(params=list(PAIRS))
def pair(request) -> Callable[[], tuple[socket.socket, socket.socket]]:
    return PAIRS[request.param]


def in_thread(body: Callable[[], Any]) -> Any:
    """Run a function in a thread beside the loop, after it was said who runs it."""

    async def main() -> Any:
        return await asyncio.to_thread(body)

    return main()


def piecewise(sock: socket.socket, *pieces: bytes, close: bool = False) -> threading.Thread:
    """Send pieces with pauses between, from a thread of its own."""

    def send() -> None:
        for piece in pieces:
            time.sleep(0.03)
            sock.send(piece)
        if close:
            time.sleep(0.03)
            sock.close()

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def received(sock: socket.socket, call: str, size: int, flags: int) -> bytes:
    """Receive by one of the calls that there are."""
    if call in {"recv_into", "recvfrom_into"}:
        buffer = bytearray(size)
        got = getattr(sock, call)(buffer, size, flags)
        return bytes(buffer[: got if call == "recv_into" else got[0]])
    if call == "recvmsg_into":
        parts = [bytearray(1), bytearray(size - 1)]
        count = sock.recvmsg_into(parts, 0, flags)[0]
        return b"".join(parts)[:count]
    if call == "recvmsg":
        return sock.recvmsg(size, 0, flags)[0]
    got = getattr(sock, call)(size, flags)
    return got[0] if call == "recvfrom" else got


CALLS = ["recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into"]


@pytest.mark.parametrize("call", CALLS)
def test_a_blocking_call_waits_for_all(run_either, pair, call) -> None:
    """Each call that receives comes back with the whole of what was asked for."""

    def body() -> list[bytes]:
        ours, theirs = pair()
        with ours, theirs:
            thread = piecewise(theirs, b"123", b"456", b"7890ab")
            seen = [received(ours, call, 10, ALL)]
            thread.join()
            return [*seen, ours.recv(10)]

    assert run_either(in_thread(body)) == [b"1234567890", b"ab"]


@pytest.mark.parametrize("call", CALLS)
def test_with_a_timeout_what_is_there_is_returned(run_either, pair, call) -> None:
    """A timeout makes the descriptor non-blocking, and then the flag means nothing."""

    def body() -> list[bytes]:
        ours, theirs = pair()
        with ours, theirs:
            ours.settimeout(5)
            thread = piecewise(theirs, b"123", b"456")
            seen = [received(ours, call, 10, ALL)]
            thread.join()
            return [*seen, received(ours, call, 10, ALL | socket.MSG_DONTWAIT)]

    assert run_either(in_thread(body)) == [b"123", b"456"]


def test_the_end_of_the_stream_cuts_it_short(run_either, pair) -> None:
    """What came before the end is returned, and then the end."""

    def body() -> list[bytes]:
        ours, theirs = pair()
        with ours:
            thread = piecewise(theirs, b"123", b"456", close=True)
            seen = [ours.recv(10, ALL), ours.recv(10, ALL)]
            thread.join()
            return seen

    assert run_either(in_thread(body)) == [b"123456", b""]


def test_an_error_cuts_it_short(run_either, pair) -> None:
    """What came before a reset is returned; TCP tells the reset to the next call, UNIX drops it."""

    def body() -> list[object]:
        ours, theirs = pair()
        with ours:
            ours.send(b"never read")
            thread = piecewise(theirs, b"123", close=True)
            seen: list[object] = [ours.recv(10, ALL)]
            thread.join()
            try:
                seen.append(ours.recv(10, ALL))
            except ConnectionResetError:
                seen.append("reset")
            return seen

    is_tcp = pair is tcp_pair
    assert run_either(in_thread(body)) == [b"123", "reset" if is_tcp else b""]


def test_more_than_the_buffers_hold(run_either, pair) -> None:
    """The call makes room as it goes, and the sender's blocking call takes everything."""

    def body() -> list[object]:
        ours, theirs = pair()
        data = bytes(range(250)) * (MUCH // 250)
        sent: list[int] = []
        with ours, theirs:
            thread = threading.Thread(target=lambda: sent.append(theirs.send(data)))
            thread.start()
            whole = ours.recv(MUCH, ALL)
            thread.join()
            return [whole == data, sent]

    assert run_either(in_thread(body)) == [True, [MUCH]]


def test_peeking_waits_for_all_on_tcp_alone(run_either, pair) -> None:
    """MSG_PEEK with MSG_WAITALL: tcp_recvmsg counts what it sees, a UNIX socket does not wait."""

    def body() -> list[bytes]:
        ours, theirs = pair()
        with ours, theirs:
            thread = piecewise(theirs, b"123", b"456")
            seen = [ours.recv(6, ALL | socket.MSG_PEEK)]
            thread.join()
            return [*seen, ours.recv(10)]

    expected = b"123456" if pair is tcp_pair else b"123"
    assert run_either(in_thread(body)) == [expected, b"123456"]


def test_files_end_a_receive(run_either) -> None:
    """A UNIX socket gives no more with files than the message that they came with."""

    def body() -> list[object]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]

            def send() -> None:
                theirs.send(b"12")
                time.sleep(0.03)
                theirs.sendmsg([b"34"], rights)
                time.sleep(0.03)
                theirs.send(b"56")

            thread = threading.Thread(target=send)
            thread.start()
            data, items, flags, _ = ours.recvmsg(6, socket.CMSG_SPACE(4), ALL)
            for _, _, raw in items:
                os.close(array.array("i", raw)[0])
            thread.join()
            return [data, len(items), flags, ours.recv(6)]

    assert run_either(in_thread(body)) == [b"1234", 1, 0, b"56"]


def test_datagrams_come_one_by_one(run_either) -> None:
    """The flag means nothing where messages keep their bounds."""

    def body() -> list[bytes]:
        seen = []
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
            with ours, theirs:
                theirs.send(b"12")
                theirs.send(b"34")
                seen.append(ours.recv(4, ALL))
        return seen

    assert run_either(in_thread(body)) == [b"12", b"12"]


@pytest.mark.parametrize("call", ["send", "sendmsg", "file"])
def test_a_blocking_send_takes_everything(run_either, pair, call) -> None:
    """A call that may block returns when the last byte has found room; with a timeout sooner."""

    def count(timeout: float | None) -> tuple[bool, bool]:
        ours, theirs = pair()
        with ours, theirs:
            ours.settimeout(timeout)
            data = memoryview(bytes(MUCH)).cast("I")
            calls: dict[str, Callable[[], int | None]] = {
                "send": lambda: ours.send(data),
                "sendmsg": lambda: ours.sendmsg([b"", data]),
                "file": lambda: socket.SocketIO(ours, "w").write(data),
            }
            sent: list[Any] = []
            thread = threading.Thread(target=lambda: sent.append(calls[call]()))
            thread.start()
            time.sleep(0.1)
            total = 0
            theirs.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                while part := theirs.recv(1 << 20):
                    total += len(part)
            thread.join()
            return sent[0] == MUCH, sent[0] == total

    def body() -> list[object]:
        return [count(None), count(60.0)]

    assert run_either(in_thread(body)) == [(True, True), (False, True)]


def test_a_send_that_an_error_breaks_off_tells_how_much_went(run_either, pair) -> None:
    """The part that was taken is returned, and the next call fails."""

    def body() -> list[object]:
        ours, theirs = pair()
        with ours:
            sent: list[int] = []
            thread = threading.Thread(target=lambda: sent.append(ours.send(bytes(MUCH))))
            thread.start()
            time.sleep(0.1)
            theirs.close()
            thread.join()
            seen: list[object] = [0 < sent[0] < MUCH]
            try:
                ours.send(b"x")
            except OSError as error:
                seen.append(type(error).__name__)
            return seen

    is_tcp = pair is tcp_pair
    expected = [True, "ConnectionResetError" if is_tcp else "BrokenPipeError"]
    assert run_either(in_thread(body)) == expected
