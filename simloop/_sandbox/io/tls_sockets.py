"""``ssl.SSLSocket`` over a virtual socket.

Owns: what stands in for OpenSSL's own reading and writing of a descriptor. ``SSLContext`` makes,
instead of an object bound to a descriptor, one over two buffers, and moves what is in them by the
socket's own methods. So blocking TLS clients and servers work in the threads of a run, and
libraries that handshake by themselves on a non-blocking socket (tornado) work on the loop.

Must not know: virtual sockets, beyond that they have the methods of sockets.

Invariants:

- What a call raises is what it raises over a descriptor: ``SSLWantReadError`` and
  ``SSLWantWriteError`` where a non-blocking socket has nothing or no room, else what the socket
  raises, and ``TimeoutError`` with the words of :mod:`ssl`.
- Once OpenSSL has taken data to write, a repeated call writes the rest of that and nothing new.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import method, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__: list[str] = []

_BLOCK_SIZE = 65_536


class MemoryTLS:
    """What ``SSLSocket`` keeps as its ``_sslobj``: a TLS object and its way to the socket."""

    def __init__(self, ssl: Any, context: Any, sock: Any, *args: Any, **options: Any) -> None:
        self._ssl = ssl
        self._sock = weakref.ref(sock)  # It holds us.
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._unsent = bytearray()
        self._is_flushing = False
        self._taken: int | None = None
        self._object = context._wrap_bio(self._incoming, self._outgoing, *args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._object, name)

    @property
    def context(self) -> Any:
        """The context, which a server may exchange when it hears the client's name."""
        return self._object.context

    @context.setter
    def context(self, context: Any) -> None:
        self._object.context = context

    @property
    def session(self) -> Any:
        """The session, which a client may set before its handshake."""
        return self._object.session

    @session.setter
    def session(self, session: Any) -> None:
        self._object.session = session

    def do_handshake(self) -> None:
        """Shake hands."""
        self._until_done("handshake", self._object.do_handshake)
        self._flush("handshake")

    def read(self, size: int = 1024, *buffer: Any) -> Any:
        """Return what was deciphered, or how much of it is in the buffer."""
        return self._until_done("read", self._object.read, size, *buffer)

    def write(self, data: Any) -> int:
        """Cipher data and send it; return how much was taken."""
        taken, self._taken = self._taken, None
        if taken is None:
            taken = self._until_done("write", self._object.write, data)
        try:
            self._flush("write")
        except self._ssl.SSLWantWriteError:
            self._taken = taken
            raise
        return taken

    def shutdown(self) -> Any:
        """Say that nothing more comes, hear the same from the peer, and return the socket."""
        self._until_done("shutdown", self._object.shutdown)
        self._flush("shutdown")
        return self._sock()

    def _until_done(self, what: str, call: Callable[..., Any], *args: Any) -> Any:
        """Make a call of the TLS object, with as much input and output as it takes."""
        while True:
            try:
                result = call(*args)
            except self._ssl.SSLWantReadError:
                pass
            except self._ssl.SSLError:
                self._flush_if_possible()  # The alert that tells the peer why.
                raise
            else:
                self._flush_if_possible()
                return result
            if what == "read":  # Whoever reads does not wait for what was written before.
                self._flush_if_possible()
            else:
                self._flush(what)
            self._receive(what)

    def _receive(self, what: str) -> None:
        told: OSError
        try:
            data = self._below().recv(_BLOCK_SIZE)
        except BlockingIOError:
            told = self._ssl.SSLWantReadError(
                self._ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)"
            )
        except TimeoutError:
            told = TimeoutError(f"The {what} operation timed out")
        else:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
            return
        raise told  # Not in the handler: in OpenSSL there is no error before it.

    def _flush(self, what: str) -> None:
        """Send what OpenSSL has written, unless another thread is about it."""
        if self._is_flushing:
            return
        self._is_flushing = True
        told: OSError
        try:
            self._send_all(self._below())
        except BlockingIOError:
            told = self._ssl.SSLWantWriteError(
                self._ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)"
            )
        except TimeoutError:
            told = TimeoutError(f"The {what} operation timed out")
        else:
            return
        finally:
            self._is_flushing = False
        raise told

    def _send_all(self, below: Any) -> None:
        unsent = self._unsent
        while unsent or self._outgoing.pending:
            unsent += self._outgoing.read()
            del unsent[: below.send(unsent)]

    def _flush_if_possible(self) -> None:
        """Send what can be sent now: the call has ended well, or failed for a better reason."""
        try:
            self._flush("write")
        except OSError:
            return

    def _below(self) -> Any:
        """Return the socket as it is below ``SSLSocket``, whose own methods cipher."""
        return super(self._ssl.SSLSocket, self._sock())


def _register(ssl: ModuleType) -> None:
    def _wrap_socket(self: Any, sock: Any, *args: Any, **options: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is not None and run.sockets is not None and run.sockets.owns(sock.fileno()):
            return MemoryTLS(ssl, self, sock, *args, **options)
        return real(self, sock, *args, **options)

    real = method(ssl._ssl._SSLContext, "_wrap_socket", _wrap_socket)


when_loaded("ssl", _register)
