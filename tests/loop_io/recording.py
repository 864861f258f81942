"""A record of what calls gave, in a form in which two loops can be compared.

A body makes its calls through a ``Record``. What comes out is a list of labels and outcomes: a
value, or the type and errno of an error, and whether it came from the call itself, from awaiting
what it returned, or to the loop's exception handler. Numbers that no two runs share (ephemeral
ports, descriptors) are compared by the order of their appearance.
"""

from __future__ import annotations

import asyncio
import collections
import inspect
import socket

LOW_PORTS = 1024

PATIENCE_S = 10
"""Seconds for one call: virtual ones, or real ones that only a fault uses up."""

TURNS = 20
"""Turns of a real loop after which a call counts as waiting, if it waited in virtual time."""


def kind_of(error):
    """Return what is compared of an error: type, errno, and the words that asyncio chose."""
    if isinstance(error, ExceptionGroup):
        return (type(error).__name__, [kind_of(each) for each in error.exceptions])
    return (type(error).__name__, error.errno if isinstance(error, OSError) else None)


async def _within_turns(awaitable):
    """Do what ``wait_for`` does, by turns of the loop in place of time."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(TURNS):
        if task.done():
            return task.result()
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    raise TimeoutError


class Record:
    """What the calls of one body gave on one loop.

    Args:
        root: The folder that stands for "root" in texts.
        waits: The calls that are expected to wait for ever, from the record of another loop. No
            clock then decides whether a call of a real loop waits, however busy the machine is.
    """

    def __init__(self, root, waits=()):
        self.root = str(root)
        self.entries = []
        self.seen = {}
        self.texts = []
        self.waits = []
        self._expected_waits = waits
        self._calls = collections.Counter()

    def note(self, label, value):
        """Keep a value under a label."""
        self.entries.append((label, self.plain(value)))

    def fail(self, label, moment, error):
        """Keep an error under a label."""
        self.texts.append((label, str(error)))
        self.entries.append((label, moment, kind_of(error)))

    async def do(self, label, call, *args, **kwargs):
        """Make a call, await what it gives if that can be awaited, and keep the outcome."""
        moment = "called"
        self._calls[label] += 1
        call_id = label, self._calls[label]
        try:
            result = call(*args, **kwargs)
            if inspect.isawaitable(result):
                moment = "awaited"
                if call_id in self._expected_waits:
                    result = await _within_turns(result)
                else:
                    result = await asyncio.wait_for(result, PATIENCE_S)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is
            self.fail(label, moment, error)
            if moment == "awaited" and kind_of(error) == ("TimeoutError", None):
                self.waits.append(call_id)
            return None
        self.note(label, result)
        return result

    def listen_to(self, loop):
        """Keep what the loop's exception handler is told."""

        def handle(loop, context):
            error = context.get("exception")
            message = context["message"]
            if message.startswith("Exception in callback"):  # Which is then described.
                message = "Exception in callback"
            self.entries.append(("handler", message, error and kind_of(error)))

        loop.set_exception_handler(handle)

    def plain(self, value):  # noqa: PLR0911 - one for each kind of value
        """Replace what no two runs share."""
        if isinstance(value, socket.socket):
            return "a socket"
        if isinstance(value, asyncio.BaseTransport | asyncio.BaseProtocol | asyncio.Server):
            return "one of asyncio's"
        if isinstance(value, asyncio.Handle):
            return "a handle"
        if isinstance(value, tuple | list):
            return type(value)([self.plain(part) for part in value])
        if isinstance(value, str):
            return value.replace(self.root, "root")
        if isinstance(value, int) and not isinstance(value, bool) and value > LOW_PORTS:
            return "number", self.seen.setdefault(value, len(self.seen))
        return value
