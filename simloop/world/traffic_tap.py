"""What a world's watchers hear of its network.

Owns: passing each accepted send to the listeners, and the one exception to telling what was
sent. What is ciphered may differ from run to run although the programs at both ends do the same:
the ``cryptography`` package, which SSH and QUIC are built on, carries an OpenSSL of its own whose
randomness no world can replace, and a TLS server stamps the tickets that it hands out with the
real time. Of such a conversation the watchers hear that something was sent, and not what, nor how
much: a signature's length is random too.

Must not know: what watchers do with it.

Invariant: once a conversation is known to be ciphered, both directions stay so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simloop.net import Endpoint

__all__ = ["TrafficTap"]

_SSH_GREETING = b"SSH-"
_TLS_HANDSHAKE = b"\x16\x03"
_TLS_CLIENT_HELLO = b"\x01"
_QUIC_LONG_HEADER = 0x80
_QUIC_VERSIONS = (b"\x00\x00\x00\x01", b"\x6b\x33\x43\xcf")
_QUIC_FIRST_SIZE_MIN = 1200  # A client's first datagram is padded to this size.


class TrafficTap:
    """The tap of a network, with many listeners."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []
        self._ciphered: dict[tuple[Endpoint, Endpoint], str] = {}

    def sent(self, kind: str, source: Endpoint, destination: Endpoint, data: bytes) -> None:
        """Tell every listener that bytes were sent."""
        cipher = self._ciphered.get((source, destination))
        if cipher is None:
            cipher = _cipher_of(kind, data)
            if cipher:
                self._ciphered[source, destination] = self._ciphered[destination, source] = cipher
        if cipher:
            kind, data = f"{kind} ciphered by {cipher}", b""
        for listener in self.listeners:
            listener.sent(kind, source, destination, data)


def _cipher_of(kind: str, data: bytes) -> str:
    """Return which protocol begins with these bytes, if it ciphers in a way of its own.

    Example:
        >>> _cipher_of("tcp", b"SSH-2.0-AsyncSSH"), _cipher_of("tcp", b"GET / HTTP/1.1")
        ('ssh', '')
    """
    if kind in ("tcp", "unix"):
        if data.startswith(_TLS_HANDSHAKE) and data[5:6] == _TLS_CLIENT_HELLO:
            return "tls"
        return "ssh" if data.startswith(_SSH_GREETING) else ""
    if kind == "udp" and len(data) >= _QUIC_FIRST_SIZE_MIN and data[0] & _QUIC_LONG_HEADER:
        return "quic" if data[1:5] in _QUIC_VERSIONS else ""
    return ""
