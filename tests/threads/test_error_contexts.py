"""An error of a call that waits comes alone: no error of the engine's own is its context."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import re
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest

import simloop

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = 0.05


def chain(call: Callable[[], object]) -> tuple[str, ...]:
    """Return the kind of what a call raises, with its words, and those of what came before it."""
    seen: list[str] = []
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - Whatever it is.
        each: BaseException | None = error
        while each is not None:
            told = each.__suppress_context__
            words = re.sub(r"_ssl.c:[0-9]+: |[0-9]{4,}", "", str(each))  # Ports, and lines in C.
            seen.append(f"{type(each).__name__}({words}){' from' if told else ''}")
            each = each.__cause__ or each.__context__
    return tuple(seen)


def quick(sock: socket.socket) -> socket.socket:
    sock.settimeout(SOON)
    return sock


def until_full(send: Callable[[], object]) -> None:
    while True:
        send()


def socket_calls(stack: contextlib.ExitStack) -> dict[str, Callable[[], object]]:
    server = stack.enter_context(quick(socket.create_server(("127.0.0.1", 0))))
    client = stack.enter_context(quick(socket.create_connection(server.getsockname(), 2)))
    client.settimeout(SOON)
    theirs = stack.enter_context(server.accept()[0])
    datagrams = stack.enter_context(quick(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
    datagrams.bind(("127.0.0.1", 0))
    theirs.settimeout(SOON)
    ours, _ = pair = socket.socketpair()
    for each in pair:
        stack.enter_context(quick(each))
    folder = "/tmp/none"  # noqa: S108 - Nothing is written there.
    much = bytes(1_000_000)
    other, path = (
        stack.enter_context(quick(socket.socket(family)))
        for family in (socket.AF_INET, socket.AF_UNIX)
    )
    return {
        "recv": lambda: client.recv(1),
        "recv_into": lambda: client.recv_into(bytearray(1)),
        "recvfrom": lambda: datagrams.recvfrom(1),
        "recvmsg": lambda: client.recvmsg(1),
        "recv all": lambda: client.recv(9, socket.MSG_WAITALL),
        "unix": lambda: ours.recv(1),
        "accept": server.accept,
        "read": lambda: client.makefile("rb").read(1),
        "send": lambda: until_full(lambda: client.send(much)),
        "sendall": lambda: until_full(lambda: ours.sendall(much)),
        "sendmsg": lambda: until_full(lambda: ours.sendmsg([much])),
        "no wait": lambda: theirs.recv(1, socket.MSG_DONTWAIT),
        "os.read": lambda: os.read(client.fileno(), 1),
        "refused": lambda: other.connect(("127.0.0.1", 1)),
        "no name": lambda: socket.getaddrinfo("nowhere.invalid", 80),
        "create_connection": lambda: socket.create_connection(("127.0.0.1", 1), 1),
        "bound": lambda: socket.create_server(server.getsockname()),
        "no path": lambda: path.connect(folder),
        "closed": lambda: os.read(987, 1),
        "no bytes": lambda: client.send("text"),  # type: ignore[arg-type] # It fails.
        "no buffers": lambda: client.sendmsg(1),  # type: ignore[arg-type] # The same.
        "shake hands": lambda: ssl.create_default_context().wrap_socket(
            theirs, server_hostname="a"
        ),
        "poll": lambda: select.poll().modify(987, 1),
    }


def other_calls(_stack: contextlib.ExitStack) -> dict[str, Callable[[], object]]:
    full: queue.Queue[int] = queue.Queue(1)
    full.put(1)

    def broken() -> None:
        threading.Barrier(2).wait(SOON)

    return {
        "get": lambda: queue.Queue().get(timeout=SOON),
        "get_nowait": lambda: queue.Queue().get_nowait(),
        "simple": lambda: queue.SimpleQueue().get(timeout=SOON),
        "simple_nowait": lambda: queue.SimpleQueue().get_nowait(),
        "put": lambda: full.put(1, timeout=SOON),
        "future": lambda: concurrent.futures.Future().result(SOON),
        "exception": lambda: concurrent.futures.Future().exception(SOON),
        "completed": lambda: list(
            concurrent.futures.as_completed([concurrent.futures.Future()], SOON)
        ),
        "barrier": broken,
        "release": lambda: threading.Lock().release(),
        "release of another's": lambda: threading.RLock().release(),
        "bounded": lambda: threading.BoundedSemaphore(1).release(),
        "condition": lambda: threading.Condition().wait(),
        "join itself": lambda: threading.current_thread().join(),
        "no file": lambda: open("/nowhere/at/all"),  # noqa: PTH123 - It fails.
        "no folder": lambda: os.listdir("/nowhere/at/all"),  # noqa: PTH208 - The same.
        "stat": lambda: os.stat("/nowhere/at/all"),  # noqa: PTH116 - The same.
        "rename": lambda: os.rename("/nowhere/at/all", "/nowhere"),  # noqa: PTH104 - The same.
        "scandir": lambda: os.scandir("/nowhere/at/all"),
        "waitpid": lambda: os.waitpid(os.getpid(), 0),  # Of any child: the process may have some.
    }


def seen(run: Callable[[Any], Any], calls: Any) -> dict[str, tuple[str, ...]]:
    def body() -> dict[str, tuple[str, ...]]:
        with contextlib.ExitStack() as stack:
            return {name: chain(call) for name, call in calls(stack).items()}

    async def main() -> dict[str, tuple[str, ...]]:
        return await asyncio.to_thread(body)

    return run(main())


def run_on_disk(main: Any) -> Any:
    return simloop.run(main, world=simloop.World(disk=True))


@pytest.mark.parametrize("run", [simloop.run, run_on_disk])
@pytest.mark.parametrize("calls", [socket_calls, other_calls])
def test_errors_come_alone(calls, run) -> None:
    """Each call fails with the same error and the same errors before it, as really."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        real = seen(runner.run, calls)
    assert seen(run, calls) == real
