"""Remote calls: grpclib over HTTP/2, aioquic over QUIC."""

from __future__ import annotations

import asyncio

import pytest

from ..loop_io.certificates import HERE as CERTIFICATES  # noqa: TID252 - shared by two folders
from ..loop_io.certificates import client_context, server_context  # noqa: TID252 - the same
from .bodies import BIG, HERE

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def make_service():
    """A service of three methods, and how a client calls each."""
    from google.protobuf.wrappers_pb2 import BytesValue
    from grpclib.client import StreamStreamMethod, UnaryUnaryMethod
    from grpclib.const import Cardinality, Handler

    class Service:
        async def reverse(self, stream):
            message = await stream.recv_message()
            await stream.send_message(BytesValue(value=message.value[::-1]))

        async def dawdle(self, stream):
            await stream.recv_message()
            await asyncio.sleep(1000)

        async def echo(self, stream):
            async for message in stream:
                await stream.send_message(message)

        def __mapping__(self):
            kinds = {"reverse": "UNARY_UNARY", "dawdle": "UNARY_UNARY", "echo": "STREAM_STREAM"}
            return {
                f"/Service/{name}": Handler(
                    getattr(self, name), getattr(Cardinality, kind), BytesValue, BytesValue
                )
                for name, kind in kinds.items()
            }

    def call(channel, name):
        kind = StreamStreamMethod if name == "echo" else UnaryUnaryMethod
        return kind(channel, f"/Service/{name}", BytesValue, BytesValue)

    return Service(), call, BytesValue


async def call_everything(channel, call, message):
    """A burst, five megabytes, a deadline of minutes, a stream of a hundred messages."""
    reverse, dawdle, echo = (call(channel, name) for name in ("reverse", "dawdle", "echo"))
    answers = await asyncio.gather(*[reverse(message(value=b"%3d" % n)) for n in range(50)])
    assert [answer.value for answer in answers] == [(b"%3d" % n)[::-1] for n in range(50)]
    assert (await reverse(message(value=BIG))).value == BIG[::-1]
    with pytest.raises(TimeoutError):
        await dawdle(message(value=b"x"), timeout=300)
    async with echo.open() as stream:
        for number in range(100):
            await stream.send_message(message(value=b"%d" % number), end=number == 99)
            assert (await stream.recv_message()).value == b"%d" % number


@pytest.mark.parametrize("kind", ["tcp", "tls", "unix"])
def test_grpclib(live, kind):
    """A burst of calls, a large message, a deadline of minutes, streams; then the server ends."""
    pytest.importorskip("grpclib")
    pytest.importorskip("google.protobuf")
    from grpclib.client import Channel
    from grpclib.server import Server

    async def main():
        service, call, message = make_service()
        server = Server([service])
        if kind == "unix":
            await server.start(path="/run/grpc.sock")
            channel = Channel(path="/run/grpc.sock")
        elif kind == "tcp":
            await server.start(HERE, 50051)
            channel = Channel(HERE, 50051)
        else:
            ours, theirs = server_context(), client_context()
            for context in (ours, theirs):
                context.set_alpn_protocols(["h2"])
            await server.start(HERE, 50051, ssl=ours)
            channel = Channel("localhost", 50051, ssl=theirs)
        async with channel:
            await call_everything(channel, call, message)
        server.close()
        await server.wait_closed()

    assert live(main).time >= 300


@pytest.mark.slow
def test_aioquic(live):
    """QUIC over UDP: fifty streams at once, five megabytes there and back, an idle timeout."""
    pytest.importorskip("aioquic")
    from aioquic.asyncio import connect, serve
    from aioquic.quic.configuration import QuicConfiguration

    def handle(reader, writer):
        async def answer():
            writer.write((await reader.read())[::-1])
            writer.write_eof()

        tasks.append(asyncio.ensure_future(answer()))

    tasks = []

    async def ask(connection, data):
        reader, writer = await connection.create_stream()
        writer.write(data)
        writer.write_eof()
        return await reader.read()

    async def main():
        certificate = CERTIFICATES / "localhost.pem"
        ours = QuicConfiguration(is_client=False, alpn_protocols=["x"], idle_timeout=300)
        ours.load_cert_chain(certificate, certificate)
        theirs = QuicConfiguration(
            is_client=True, alpn_protocols=["x"], server_name="localhost", idle_timeout=300
        )
        theirs.load_verify_locations(str(CERTIFICATES / "ca.pem"))
        server = await serve(HERE, 4433, configuration=ours, stream_handler=handle)
        async with connect(HERE, 4433, configuration=theirs) as connection:
            answers = await asyncio.gather(*[ask(connection, b"%3d" % n) for n in range(50)])
            assert answers == [(b"%3d" % n)[::-1] for n in range(50)]
            assert await ask(connection, BIG) == BIG[::-1]
            await connection.wait_closed()  # Nobody says anything for five minutes.
        server.close()
        tasks.clear()

    assert live(main).time >= 300


def test_aiocoap(live):
    """CoAP over UDP, by ``recvmsg``: a burst, a big one in blocks, a peer that is gone."""
    aiocoap = pytest.importorskip("aiocoap")
    resource = pytest.importorskip("aiocoap.resource")

    class Reverse(resource.Resource):
        async def render_post(self, request):
            return aiocoap.Message(payload=request.payload[::-1])

    async def main():
        site = resource.Site()
        site.add_resource(["reverse"], Reverse())
        server = await aiocoap.Context.create_server_context(site, bind=(HERE, 5683))
        client = await aiocoap.Context.create_client_context()

        async def post(data):
            uri = f"coap://{HERE}/reverse"
            message = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=data)
            return (await client.request(message).response).payload

        answers = await asyncio.gather(*[post(b"%3d" % number) for number in range(20)])
        assert answers == [(b"%3d" % number)[::-1] for number in range(20)]
        assert await post(BIG[:100_000]) == BIG[:100_000][::-1]
        await server.shutdown()
        with pytest.raises(aiocoap.error.NetworkError):
            await post(b"nobody")
        await client.shutdown()

    live(main)
