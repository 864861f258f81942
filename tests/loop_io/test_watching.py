"""What a watcher of a world hears of the network."""

from __future__ import annotations

import asyncio

import simloop
from simloop.trace import Digest, Recorder

from .protocols import connected


async def exchange():
    pair = await connected()
    pair.client.transport.write(b"question")
    await pair.peer.has_received(8)
    pair.peer.transport.writelines([b"ans", b"wer"])
    await pair.client.has_received(6)
    await pair.close()


def test_a_watcher_hears_of_bytes_that_cross_sockets():
    """A recorder keeps who sent how many bytes to whom, in order; two watchers hear the same."""
    world = simloop.World()
    first, second = Recorder(), Recorder()
    world.watch(first)
    world.watch(second)
    simloop.run(exchange(), world=world)
    told = [step.label for step in first.steps if step.label.startswith("tcp ")]
    assert [label.rpartition(": ")[2] for label in told] == [
        "8 bytes 7175657374696f6e",
        "6 bytes 616e73776572",
    ]
    assert first.steps == second.steps
    world.unwatch(first)
    assert world.network.tap is not None
    world.unwatch(second)
    assert world.network.tap is None


def test_a_network_that_comes_later_is_heard_too():
    """Watching before there is a network, or after, makes no difference to the digest."""
    digests = []
    for makes_network_first in (True, False):
        world = simloop.World()
        if makes_network_first:
            world.network  # noqa: B018 - making it is the point
        digest = Digest()
        world.watch(digest)
        simloop.run(exchange(), world=world)
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1]


def test_other_bytes_give_another_digest():
    """Two runs that send different bytes have different digests."""

    def sending(data):
        async def main():
            pair = await connected()
            pair.client.transport.write(data)
            await pair.peer.has_received(len(data))
            await pair.close()

        return main

    one = simloop.simulate(sending(b"aaaa"))
    same = simloop.simulate(sending(b"aaaa"))
    other = simloop.simulate(sending(b"aaab"))
    assert one.error is None
    assert one.digest == same.digest != other.digest


def test_nobody_listening_costs_nothing():
    """Without a watcher the network delivers directly."""

    async def main():
        pair = await connected()
        assert asyncio.get_running_loop().host.network.fabric.direct
        await pair.close()

    simloop.run(main())


def test_a_ciphered_conversation_is_told_without_its_bytes():
    """Of SSH, QUIC and TLS a watcher hears that something was sent, both ways."""
    recorder = Recorder()
    world = simloop.World()
    world.watch(recorder)

    async def main():
        pair = await connected()
        pair.client.transport.write(b"\x16\x03\x01\x02\x00\x01hello")
        await pair.peer.has_received(11)
        pair.peer.transport.write(b"answer")
        await pair.client.has_received(6)
        await pair.close()

    simloop.run(main(), world=world)
    told = [step.label for step in recorder.steps if step.label.startswith("tcp ")]
    assert len(told) == 2
    assert all(label.startswith("tcp ciphered by tls (") for label in told)
    assert all(label.rstrip().endswith("0 bytes") for label in told)


def test_tasks_made_past_the_loop_do_not_change_the_digest():
    """A library that makes asyncio.Task(...) itself gets the same digest in every run."""

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.Task(asyncio.sleep(1), loop=loop)

    assert simloop.simulate(main).digest == simloop.simulate(main).digest
