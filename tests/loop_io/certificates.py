"""TLS contexts from certificates that are good for a hundred years, for tests only."""

from __future__ import annotations

import ssl
from pathlib import Path

HERE = Path(__file__).parent / "certs"


def server_context(*, asks_for_certificate=False, alpn=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "localhost.pem")
    if asks_for_certificate:
        context.load_verify_locations(HERE / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def client_context(*, certificate=False, alpn=()):
    context = ssl.create_default_context(cafile=HERE / "ca.pem")
    if certificate:
        context.load_cert_chain(HERE / "client.pem")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
