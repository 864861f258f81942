"""The loop of an explored run: what a plain loop does, asking the gate how long it takes.

Owns: the questions of a loop: when a connection stands, when a name is answered, when a signal
arrives, how much a call on a bare socket reads or writes, and, where sleeps stand for I/O, how long
a sleep takes. A loop of any class becomes one when its world takes it in, so that a loop whose run
nobody explores has no test for any of this.

Must not know: who answers.

Invariants: asked first, waited only where the answer is a delay, so a run without deviations is the
plain run; in labels and messages these methods are the plain ones.
"""

from __future__ import annotations

from asyncio import tasks
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds
from simloop._loop.loop import SimLoop
from simloop._loop.transports.base_transport import wake_waiter
from simloop.net.inet.byte_stream import StreamSocket
from simloop.net.syscalls.virtual_socket import VirtualSocket
from simloop.net.unix.unix_packets import UnixPackets

from .asking_transports import AskingStreamTransport, AskingUnixTransport, piece, stand_for
from .holding_selector import HoldingSelector

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from simloop._kernel.disturbed_kernel import DisturbedKernel

__all__ = ["disturb", "disturbed_class"]


class _Disturbed(SimLoop):
    """A loop that asks the gate."""

    _kernel: DisturbedKernel
    # Hears of each error that nobody handles, if set; the default handler, which logs, does not.
    on_report: Callable[[dict[str, Any]], object] | None = None
    _stream_transport = AskingStreamTransport
    _unix_transport = AskingUnixTransport

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.on_report is not None:
            self.on_report(context)
            if self._exception_handler is None:
                return
        super().call_exception_handler(context)

    def detach_schedule(self) -> None:
        self.__class__ = _PLAIN[type(self)]  # The schedule of a thread is its own, undisturbed.
        self.detach_schedule()

    def take_clock(self) -> None:
        """Go by the machine's clock, and ask as before."""
        plain: Any = self
        plain.__class__ = _PLAIN[type(self)]
        plain.take_clock()
        disturb(plain)

    async def _take(self, kind: str, thing: object) -> None:
        """Wait as long as something takes, if it takes any time."""
        ns = self._kernel.delay_ns(kind, thing)
        if ns:
            waiter = self.create_future()
            self._kernel.call_after(ns, wake_waiter, (waiter,), copy_context(), self)
            await waiter

    def _make_selector(self) -> HoldingSelector:
        return HoldingSelector(self.host, self._ask_for_poll, self)

    # Connections and names -----------------------------------------------------------------

    async def sock_connect(self, sock: Any, address: Any) -> None:
        try:
            await super().sock_connect(sock, address)
        except OSError:
            await self._connects(sock)
            raise
        await self._connects(sock)

    async def _connects(self, sock: Any) -> None:
        if not isinstance(sock, VirtualSocket) or sock.fileno() < 0:
            return
        if not isinstance(sock.file, StreamSocket):
            return
        names: Any = self._kernel.gate.names
        if names is not None:
            names.connects(sock.file)
        await self._take("hold", sock.file)

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        infos = await super().getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )
        await self._take("name", str(host))
        return infos

    # Bare sockets --------------------------------------------------------------------------

    def _read_size(self, sock: Any, size: int) -> int:
        file = _stream_of(sock)
        if file is None or not file.inbox.chunks:
            return size
        inbox = file.inbox
        here = min(inbox.size, size)
        first = min(len(inbox.chunks[0]) - inbox.head, here)
        part = piece(self._kernel.gate, "split", file, here, first)
        return size if part == here else part

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        self._check_socket(sock)
        return await self._when_ready(
            sock,
            self._add_reader,
            self.remove_reader,
            lambda: sock.recv(self._read_size(sock, nbytes)),
        )

    async def sock_recv_into(self, sock: Any, buf: Any) -> int:
        self._check_socket(sock)

        def receive() -> int:
            size = len(memoryview(buf).cast("B"))
            part = self._read_size(sock, size)
            return sock.recv_into(buf) if part == size else sock.recv_into(buf, part)  # type: ignore[no-any-return]

        return await self._when_ready(sock, self._add_reader, self.remove_reader, receive)

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        self._check_socket(sock)
        part = self._write_size(sock, data)
        if part:
            sent = sock.send(memoryview(data).cast("B")[:part])
            data = memoryview(data).cast("B")[sent:]
        await super().sock_sendall(sock, data)

    def _write_size(self, sock: Any, data: Any) -> int:
        """Return how much a write takes where that is not what it could take, or 0."""
        file = _stream_of(sock)
        if file is None or not file.direct:
            return 0
        try:
            size = min(len(memoryview(data).cast("B")), max(file.room(), 0))
        except (OSError, TypeError):
            return 0  # The call itself says what is wrong.
        part = piece(self._kernel.gate, "short", file, size, size)
        return 0 if part == size else part

    # Signals -------------------------------------------------------------------------------

    def _signal_arrived(self, sig: int) -> None:
        if sig not in self._signal_handlers:
            return
        ns = self._kernel.delay_ns("signal", f"signal {int(sig)}")
        if ns:
            self._kernel.call_after(ns, super()._signal_arrived, (sig,), copy_context(), self)
        else:
            super()._signal_arrived(sig)


def _stream_of(sock: Any) -> StreamSocket | None:
    """Return the byte stream of a socket; packets are whole, and others' sockets are others'."""
    if not isinstance(sock, VirtualSocket) or sock.fileno() < 0:
        return None
    file = sock.file
    if isinstance(file, StreamSocket) and not isinstance(file, UnixPackets):
        return file
    return None


class _Sleepy(_Disturbed):
    """A loop whose sleeps stand for I/O, and may take longer by themselves."""

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        if callback is _set_result_unless_cancelled and delay > 0:
            kernel = self._kernel
            most_ns = round(nanoseconds(delay) * kernel.gate.sleeps)
            ns = kernel.delay_ns("sleep", tasks.current_task(self), most_ns)
            if ns:
                when_ns = kernel.now_ns + nanoseconds(delay) + ns
                return self._call_at_ns(when_ns, callback, args, context, "call_later")
        return super().call_later(delay, callback, *args, context=context)


stand_for(_Disturbed, SimLoop)
stand_for(_Sleepy, SimLoop)
_MADE: dict[tuple[type, bool], type] = {
    (SimLoop, False): _Disturbed,
    (SimLoop, True): _Sleepy,
}
_PLAIN: dict[type, type] = {_Disturbed: SimLoop, _Sleepy: SimLoop}


def disturbed_class(*, sleeps: bool) -> type[SimLoop]:
    """Return the class of a loop that asks from its beginning."""
    return _Sleepy if sleeps else _Disturbed


def disturb(loop: Any) -> None:
    """Make a loop ask the gate of its kernel."""
    cls = type(loop)
    if cls in _PLAIN:
        return
    key = cls, loop._kernel.gate.sleeps > 0
    if key not in _MADE:
        _MADE[key] = type(cls.__name__, (_MADE[SimLoop, key[1]], cls), {})
        stand_for(_MADE[key], cls)
        _PLAIN[_MADE[key]] = cls
    loop.__class__ = _MADE[key]
