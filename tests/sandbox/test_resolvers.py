"""Names are not asked of real servers behind the world's back."""

from __future__ import annotations

import asyncio
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
    resolvers._refuse_channels(types.SimpleNamespace(Channel=Channel))
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
