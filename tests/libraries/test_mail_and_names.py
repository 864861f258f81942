"""Mail, names on the local network, messages: aiosmtpd, zeroconf, aiomqtt."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import time

import pytest

from .bodies import BIG, HERE

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


class Box:
    """Keeps what mails say; one about sleep takes its time."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        if b"sleep" in envelope.content:
            await asyncio.sleep(1000)
        self.mails.append(envelope.content.replace(b"\r\n", b"").strip())
        return "250 OK"


def send_mail(text, timeout=300):
    """Send a mail by the standard library, which blocks its thread."""
    with smtplib.SMTP(HERE, 8025, timeout=timeout) as client:
        client.sendmail("a@here", ["b@there"], text)


def test_aiosmtpd(live):
    """A burst of mails from blocking clients, a big one, a timeout of minutes, the end."""
    smtp = pytest.importorskip("aiosmtpd.smtp")

    async def main():
        loop, box = asyncio.get_running_loop(), Box()

        def make():
            return smtp.SMTP(box, data_size_limit=10**8, loop=loop)

        async with await loop.create_server(make, HERE, 8025) as server:
            await asyncio.gather(*[asyncio.to_thread(send_mail, f"m{n}") for n in range(50)])
            assert sorted(box.mails) == sorted(b"m%d" % n for n in range(50))
            lines = "x" * 70 + "\n"
            await asyncio.to_thread(send_mail, lines * (len(BIG) // len(lines)))
            assert len(box.mails[-1]) > 0.97 * len(BIG)
            with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
                await asyncio.to_thread(send_mail, "sleep")
            server.close()

    assert live(main).time >= 300


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_controllers_of_aiosmtpd(live, kind):
    """A controller runs its server on a loop in a thread of its own, and asks it by a socket."""
    controller = pytest.importorskip("aiosmtpd.controller")

    def work():
        box = Box()
        if kind == "tcp":
            served = controller.Controller(box, hostname=HERE, port=8025)
        else:
            served = controller.UnixSocketController(box, unix_socket="/run/smtp.sock")
        served.start()
        if kind == "tcp":
            send_mail("hello")
        else:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect("/run/smtp.sock")
                assert sock.recv(1000).startswith(b"220 ")
        time.sleep(60)
        served.stop()
        return box.mails

    async def main():
        return await asyncio.to_thread(work)

    outcome = live(main)
    assert outcome.value == ([b"hello"] if kind == "tcp" else [])
    assert outcome.time >= 60


SERVICE = "_printer._tcp.local."


def printer(name, number):
    from zeroconf import ServiceInfo

    address = socket.inet_aton(f"10.0.0.{number}")
    return ServiceInfo(
        SERVICE, f"{name}.{SERVICE}", addresses=[address], port=631, server=f"{name}.local."
    )


def test_zeroconf(live):
    """Two of them in one world: services are registered, seen, resolved, and taken back."""
    pytest.importorskip("zeroconf")
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    async def main():
        seen = []

        def changed(zeroconf, service_type, name, state_change):
            if state_change.name != "Updated":  # As it is when a record is told again.
                seen.append((name.split(".")[0], state_change.name))

        ours, theirs = (AsyncZeroconf(interfaces=[HERE]) for _ in range(2))
        browser = AsyncServiceBrowser(theirs.zeroconf, SERVICE, handlers=[changed])
        infos = [printer(f"p{number}", number) for number in range(20)]
        for announced in await asyncio.gather(*map(ours.async_register_service, infos)):
            await announced
        await asyncio.sleep(10)
        found = AsyncServiceInfo(SERVICE, f"p7.{SERVICE}")
        assert await found.async_request(theirs.zeroconf, 3000)
        assert found.parsed_addresses() == ["10.0.0.7"]
        nothing = AsyncServiceInfo(SERVICE, f"p99.{SERVICE}")
        assert not await nothing.async_request(theirs.zeroconf, 300_000)
        await asyncio.sleep(3600)  # Records expire and are asked for again.
        for goodbye in await asyncio.gather(*map(ours.async_unregister_service, infos)):
            await goodbye
        await asyncio.sleep(10)
        await browser.async_cancel()
        await ours.async_close()
        await theirs.async_close()
        return sorted(seen)

    outcome = live(main)
    names = [f"p{number}" for number in range(20)]
    assert outcome.value == sorted((name, how) for name in names for how in ("Added", "Removed"))
    assert outcome.time >= 3900


def test_zeroconf_in_threads(live):
    """Its blocking face keeps a loop in a thread of its own."""
    zeroconf = pytest.importorskip("zeroconf")

    def work():
        ours = zeroconf.Zeroconf(interfaces=[HERE])
        ours.register_service(printer("p1", 1))
        theirs = zeroconf.Zeroconf(interfaces=[HERE])
        found = theirs.get_service_info(SERVICE, f"p1.{SERVICE}")
        nothing = theirs.get_service_info(SERVICE, f"p2.{SERVICE}", timeout=60_000)
        ours.close()
        theirs.close()
        return found.parsed_addresses(), nothing

    async def main():
        return await asyncio.to_thread(work)

    outcome = live(main)
    assert outcome.value == (["10.0.0.1"], None)
    assert outcome.time >= 60


class Broker:
    """A broker that speaks enough of MQTT 3.1.1, written with streams."""

    def __init__(self):
        self.listeners = []

    async def serve(self, reader, writer):
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                kind = (await reader.readexactly(1))[0]
                size = shift = 0
                while True:
                    (byte,) = await reader.readexactly(1)
                    size |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                self.handle(kind, await reader.readexactly(size), writer)
                await writer.drain()

    def handle(self, kind, body, writer):
        match kind >> 4:
            case 1:
                writer.write(b"\x20\x02\0\0")
            case 3:
                packet = bytes([kind]) + length(len(body)) + body
                for listener in self.listeners:
                    listener.write(packet)
            case 8:
                self.listeners.append(writer)
                writer.write(b"\x90\x03" + body[:2] + b"\0")
            case 12:
                writer.write(b"\xd0\0")


def length(size):
    code = bytearray()
    while True:
        size, byte = divmod(size, 128)
        code.append(byte | (128 if size else 0))
        if not size:
            return bytes(code)


def test_aiomqtt(live):
    """Paho's sockets watched by the loop: a burst, five megabytes, pings, a quiet hour."""
    aiomqtt = pytest.importorskip("aiomqtt")

    async def main():
        async with (
            await asyncio.start_server(Broker().serve, HERE, 1883),
            aiomqtt.Client(HERE, identifier="one", keepalive=60) as one,
            aiomqtt.Client(
                HERE, identifier="two", keepalive=60, max_queued_incoming_messages=0
            ) as two,
        ):
            await two.subscribe("news/#")
            await asyncio.gather(*[one.publish(f"news/{n}", b"%d" % n) for n in range(50)])
            messages = aiter(two.messages)
            got = [await anext(messages) for _ in range(50)]
            assert [str(each.topic) for each in got] == [f"news/{n}" for n in range(50)]
            await one.publish("news/big", BIG, timeout=100)
            assert (await anext(messages)).payload == BIG
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3600):
                    await anext(messages)

    assert live(main).time >= 3600
