"""Dates of certificates are checked by the run's clock."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl

import pytest

import simloop

x509 = pytest.importorskip("cryptography.x509")
hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

DAY = dt.timedelta(days=1)
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def certificate(path, begin: dt.datetime):
    """Write a key and a certificate of its own for localhost, valid for a day; return the path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def contexts(path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


async def talk(server_context, client_context) -> bool:
    """Whether a handshake on the loop is done; raises what the client's check says."""

    async def serve(_reader, writer) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "localhost", 0, ssl=server_context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("localhost", port, ssl=client_context)
        writer.close()
    return True


def test_a_certificate_of_the_run_is_valid_in_it(tmp_path) -> None:
    """Made in the run for one day it is valid now, expired two days later, and not valid before."""

    async def main() -> list[object]:
        path = certificate(tmp_path / "now.pem", dt.datetime.now(dt.UTC))
        both = contexts(path)
        seen: list[object] = [await talk(*both)]
        for _ in range(2):
            await asyncio.sleep(2 * DAY.total_seconds())
            with pytest.raises(ssl.SSLCertVerificationError) as caught:
                await talk(*both)
            seen.append(caught.value.verify_code)
        early = certificate(tmp_path / "early.pem", dt.datetime.now(dt.UTC) + DAY)
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await talk(*contexts(early))
        return [*seen, caught.value.verify_code]

    # X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL's x509_vfy.h.
    assert simloop.run(main()) == [True, 10, 10, 9]


def test_the_run_s_date_is_told(tmp_path) -> None:
    """A certificate of today, made outside, is not valid in a run of 2024: the error says why."""
    path = certificate(tmp_path / "later.pem", dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    both = contexts(path)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        simloop.run(talk(*both))
    (note,) = caught.value.__notes__
    assert "the run's date, 2024-01-01 00:00:00 UTC" in note
    assert simloop.run(talk(*both), start_date=dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC))


def test_a_blocking_client_checks_by_the_run_s_date(tmp_path) -> None:
    """``SSLContext.wrap_socket`` in a thread of the run goes by the same date."""

    async def main() -> str:
        path = certificate(tmp_path / "now.pem", dt.datetime.now(dt.UTC))
        server_context, client_context = contexts(path)

        async def serve(_reader, writer) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "localhost", 0, ssl=server_context)
        port = server.sockets[0].getsockname()[1]

        def connect() -> str:
            with socket.create_connection(("localhost", port)) as sock:
                try:
                    client_context.wrap_socket(sock, server_hostname="localhost").close()
                except ssl.SSLCertVerificationError as error:
                    return error.verify_message
                return "valid"

        async with server:
            said = [await asyncio.to_thread(connect)]
            await asyncio.sleep(2 * DAY.total_seconds())
            return [*said, await asyncio.to_thread(connect)]

    assert simloop.run(main()) == ["valid", "certificate has expired"]


def test_a_context_goes_by_the_real_date_outside(tmp_path) -> None:
    """A context that was used in a run keeps nothing of its date."""
    path = certificate(tmp_path / "now.pem", dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    both = contexts(path)
    assert simloop.run(talk(*both))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = both[0].wrap_bio(outgoing, incoming, server_side=True)
    client = both[1].wrap_bio(incoming, outgoing, server_hostname="localhost")
    for side in (client, server):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        client.do_handshake()
