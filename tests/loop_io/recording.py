"""A record of what calls gave, in a form in which two loops can be compared.

A body makes its calls through a ``Record``. What comes out is a list of labels and outcomes: a
value, or the type and errno of an error, and whether it came from the call itself, from awaiting
what it returned, or to the loop's exception handler. Numbers that no two runs share (ephemeral
ports, descriptors) are compared by the order of their appearance.
"""

from __future__ import annotations

import asyncio
import inspect
import socket

LOW_PORTS = 1024


def kind_of(error):
    """Return what is compared of an error: type, errno, and the words that asyncio chose."""
    if isinstance(error, ExceptionGroup):
        return (type(error).__name__, [kind_of(each) for each in error.exceptions])
    return (type(error).__name__, error.errno if isinstance(error, OSError) else None)


class Record:
    """What the calls of one body gave on one loop."""

    def __init__(self, root):
        self.root = str(root)
        self.entries = []
        self.seen = {}
        self.texts = []
        self.patience = 2  # Seconds for one call.

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
        try:
            result = call(*args, **kwargs)
            if inspect.isawaitable(result):
                moment = "awaited"
                result = await asyncio.wait_for(result, self.patience)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is
            self.fail(label, moment, error)
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
