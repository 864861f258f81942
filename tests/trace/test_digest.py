"""The digest: what it adds for a step is the step's label, however it gets there."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import sys

import simloop
from simloop.trace import Digest
from simloop.trace.labels import label, position_of


class Plain(Digest):
    """A digest that asks for each label, and knows no shorter way."""

    def step(self, now_ns, handle):
        line = position_of(handle)
        self.note(f"{now_ns} {label(handle)} {line}" if line else f"{now_ns} {label(handle)}")


class Caller:
    def __call__(self):
        """Do nothing, as an object without a name."""

    def method(self):
        """Do nothing, as a method."""


def nameless():
    """Do nothing, as a function of no module."""


nameless.__module__ = None


async def sleeper(delay):
    await asyncio.sleep(delay)


async def renamed():
    await asyncio.sleep(1)
    asyncio.current_task().set_name(f"late {object()!r}")
    await asyncio.sleep(1)


async def every_kind():
    """Run callbacks and tasks of every kind that labels tell apart."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    calls = [nameless, print, Caller(), Caller().method, functools.partial(nameless)]
    for number, call in enumerate(calls):
        loop.call_later(number // 2, call)
    loop.call_soon(lambda: None)
    loop.call_later(2, future.set_result, None)
    await future
    tasks = [
        asyncio.create_task(sleeper(1)),
        asyncio.create_task(sleeper(1), name=f"at {object()!r}"),
        asyncio.create_task(sleeper(2), name="named"),
        asyncio.create_task(renamed()),
        asyncio.Task(sleeper(1), loop=loop),
        asyncio.Task(sleeper(3), loop=loop, name=f"{object()!r}"),
    ]
    await asyncio.gather(*tasks)
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
        await asyncio.create_task(sleeper(1))
    loop.set_task_factory(lambda loop, coro, **_: asyncio.Task(coro, loop=loop))
    await asyncio.create_task(sleeper(1))
    loop.set_task_factory(
        lambda loop, coro, **_: asyncio.tasks._PyTask(coro, loop=loop, name="slow")
    )
    await asyncio.create_task(sleeper(1))


def digest_of(kind):
    world = simloop.World()
    digest = kind()
    world.watch(digest)
    simloop.run(every_kind(), world=world)
    return digest.hexdigest()


def test_every_kind_of_step_adds_its_label():
    """The short ways to the names of common steps give what a label gives."""
    assert digest_of(Digest) == digest_of(Plain)


def test_records_are_lines_and_what_was_sent_follows_its_own():
    """However records are put together, the hash is that of one text, with the bytes within."""
    digest = Digest()
    text = b""
    for number in range(3000):
        digest.note(f"step {number}")
        text += f"step {number}\n".encode()
        if number % 2:
            digest.sent("tcp", ("10.0.0.1", number), ("10.0.0.2", 80), bytes(number % 7))
            text += f"tcp ('10.0.0.1', {number}) ('10.0.0.2', 80) {number % 7}\n".encode()
            text += bytes(number % 7)
    assert digest.hexdigest() == hashlib.blake2b(text, digest_size=16).hexdigest()
    assert digest.hexdigest() == hashlib.blake2b(text, digest_size=16).hexdigest()
