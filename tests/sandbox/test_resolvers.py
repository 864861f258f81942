"""Names are not asked of real servers behind the world's back."""

from __future__ import annotations

import asyncio
import socket
import sys
import types

import pytest

import simloop
import simloop.world  # The engine, before anything is patched.
from simloop._sandbox.io import c_ares as resolvers
from simloop.errors import EscapeError


class Channel:
    """What pycares has, as far as it matters."""

    def __init__(self, *, timeout=None) -> None:
        self._channel = timeout

    def __del__(self) -> None:
        self._channel = self._channel and None

    def query(self, name, kind, *, callback):
        callback((name, kind), None)


def test_c_ares_is_an_escape(make):
    """In a run a channel is neither made nor asked, unless names are allowed."""
    resolvers._patch_channels(types.SimpleNamespace(Channel=Channel))
    outside, answers = Channel(timeout=1), []
    with make():
        with pytest.raises(EscapeError, match=r"pycares.Channel.__init__\(\) from inside a run"):
            Channel(timeout=1)
        with pytest.raises(EscapeError, match=r"resolver=aiohttp.ThreadedResolver\(\)"):
            outside.query("example.org", 1, callback=print)
        with simloop.allow("names"):
            Channel(timeout=1).query("allowed", 1, callback=lambda *got: answers.append(got))
    outside.query("outside", 1, callback=lambda *got: answers.append(got))
    assert answers == [(("allowed", 1), None), (("outside", 1), None)]


class Answer(types.SimpleNamespace):
    """What the classes of pycares's answers have in common: their words."""


class NewChannel:
    """What pycares has since its answers are classes of Python's."""

    def __init__(self, *, timeout=None) -> None:
        self._channel = timeout
        self.servers = ["192.0.2.1:53"]

    def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0, callback):  # noqa: A002 - its words
        callback((host, port), None)

    def query(self, name, kind, *, callback):
        callback((name, kind), None)

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        self._channel = None

    @property
    def servers(self):
        return self._servers

    @servers.setter
    def servers(self, servers):
        self._servers = servers


def test_a_channel_of_a_run_asks_the_world(make):
    """Addresses come from the world's table, in c-ares's words; questions of other kinds do not."""
    names = Answer(Channel=NewChannel, AddrInfoNode=Answer, AddrInfoResult=Answer)
    resolvers._patch_channels(names)
    outside, heard = NewChannel(timeout=1), []

    def hear(result, errno):
        heard.append(result.nodes if errno is None else errno)

    async def main():
        world = simloop.current_world()
        world.names.add("db.internal", "10.0.0.5")
        world.names.fail("late.internal", socket.EAI_AGAIN)
        channel = NewChannel(timeout=3)
        channel.servers = ["198.51.100.1"]
        assert channel.servers == []
        for name in ("db.internal", "late.internal", "nowhere.internal", b"db.internal", "a" * 70):
            channel.getaddrinfo(name, 80, type=socket.SOCK_STREAM, callback=hear)
        await asyncio.sleep(1)
        world.names.delay("db.internal", 5)
        channel.getaddrinfo("db.internal", 80, callback=hear)
        await asyncio.sleep(1)
        channel.cancel()
        await asyncio.sleep(0)
        channel.getaddrinfo("db.internal", 80, callback=hear)
        await asyncio.sleep(1)
        channel.close()
        await asyncio.sleep(10)
        with pytest.raises(TypeError):
            channel.getaddrinfo("db.internal", 80, callback=None)
        with pytest.raises(EscapeError, match=r"Channel.query\(\) from inside a run"):
            channel.query("db.internal", 1, callback=hear)
        with pytest.raises(EscapeError, match=r"Channel.getaddrinfo\(\) from inside a run"):
            outside.getaddrinfo("db.internal", 80, callback=hear)
        with simloop.allow("names"):
            real = NewChannel(timeout=2)
            real.getaddrinfo("db.internal", 80, callback=lambda *got: heard.append(got))
            real.cancel()
            real.close()
            return real.cancelled, real._channel, real.servers

    assert simloop.run(main()) == (True, None, ["192.0.2.1:53"])
    node = Answer(ttl=0, flags=0, family=2, socktype=1, protocol=0, addr=(b"10.0.0.5", 80))
    assert heard[0] == heard[3] == [node]
    assert heard[1:3] == [12, 4]
    assert heard[4:] == [4, 24, 24, (("db.internal", 80), None)]
    assert outside.servers == ["192.0.2.1:53"]


def test_aiodns_finds_the_worlds_names():
    """The library upon c-ares that aiohttp takes, where it is installed."""
    aiodns = pytest.importorskip("aiodns")

    async def main():
        simloop.current_world().names.add("db.internal", "10.0.0.5")
        resolver = aiodns.DNSResolver()
        found = await resolver.getaddrinfo("db.internal", port=80)
        with pytest.raises(aiodns.error.DNSError):
            await resolver.getaddrinfo("nowhere.internal", port=80)
        await resolver.close()
        return [node.addr for node in found.nodes]

    assert simloop.run(main()) == [(b"10.0.0.5", 80)]


def test_aiohttp_s_default_is_the_loop_s_resolver_in_a_run(make, monkeypatch):
    """Where aiohttp would resolve by aiodns, it asks the loop while a run is on."""
    resolver = types.SimpleNamespace(ThreadedResolver="threaded", AsyncResolver="aiodns")
    connector = types.ModuleType("connector")
    connector.DefaultResolver = resolver.AsyncResolver
    monkeypatch.setitem(sys.modules, "aiohttp.resolver", resolver)
    resolvers._resolve_through_the_loop(connector)
    with make():
        assert connector.DefaultResolver == "threaded"
    assert connector.DefaultResolver == "aiodns"


def test_aiohttp_finds_the_world_s_names():
    """A client asks the world for a name, whatever resolvers are installed."""
    aiohttp = pytest.importorskip("aiohttp")

    async def main() -> tuple[str, float]:
        async def answer(_request):
            return aiohttp.web.Response(text="here")

        app = aiohttp.web.Application()
        app.router.add_get("/", answer)
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        await aiohttp.web.TCPSite(runner, "127.0.0.1", 8080).start()
        world.names.add("shop.example", "127.0.0.1")
        async with aiohttp.ClientSession() as session:
            async with session.get("http://shop.example:8080/") as response:
                text = await response.text()
            with pytest.raises(aiohttp.ClientConnectorDNSError):
                await session.get("http://nowhere.example/")
        await runner.cleanup()
        return text, asyncio.get_running_loop().time()

    pytest.importorskip("aiohttp.web")
    world = simloop.World()
    assert simloop.run(main(), world=world)[0] == "here"
