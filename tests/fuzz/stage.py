"""What all programs of loop-level calls share: calls that wait, the quiet after each, the record.

Owns: carrying out a program of calls ``(name, end, number)``, and writing down of each what it
gave, which of the calls that waited have come to their end since, and how both ends are then.

Must not know the arm, nor what the ends are: a heir makes them, and has a method for each call. A
method that gives something to await is made a task of, and the program goes on: so nothing waits
for ever, and what waits on one arm must wait on the other. A call has come to all that it will come
to when the loop is quiet: ``settle`` of the arm waits for that, by turns and not by a clock.
"""

from __future__ import annotations

import asyncio
import inspect
import zlib
from typing import NamedTuple

from hypothesis import strategies as st

LENGTH = 25
LONG = 40
SIZES = (1, 10, 0, 100, 1000, 5000, 70000)
TURNS_MAX = 20_000
"""Turns of a real loop that never is quiet: a fault of the test."""


def programs_of(kinds, calls):
    """Return the strategy of programs: a kind of ends, and calls on them."""
    call = st.tuples(st.sampled_from(calls), st.integers(0, 1), st.integers(0, 60))
    listed = st.lists(st.none() | call, min_size=LENGTH, max_size=LENGTH)
    return st.tuples(st.sampled_from(kinds), listed.map(lambda drawn: [*filter(None, drawn)]))


class Answer(NamedTuple):
    """What one call gave."""

    call: tuple[str, int, int]
    kind: str
    said: object
    ended: list
    """The calls that waited and have ended since, with what they gave."""
    states: list
    """How both ends are."""


def told(error):
    """Return what is compared of an error."""
    if isinstance(error, OSError):
        return type(error).__name__, error.errno
    if isinstance(error, asyncio.IncompleteReadError):
        return type(error).__name__, shown(error.partial)
    if isinstance(
        error, AttributeError
    ):  # asyncio's own slips on what is closed: no words to keep.
        return (type(error).__name__,)
    return type(error).__name__, str(error)[:60]


def shown(value):
    """Return long bytes as their length and checksum."""
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value)
        return value if len(value) <= LONG else (len(value), zlib.crc32(value))
    if isinstance(value, tuple | list):
        return [shown(part) for part in value]
    return value


async def be_quiet(is_idle):
    """Let a real loop turn until nothing is ready, and no descriptor that it watches is.

    Args:
        is_idle: What must be so besides.
    """
    loop = asyncio.get_running_loop()
    quiet = 0
    for _ in range(TURNS_MAX):
        await asyncio.sleep(0)
        is_busy = loop._ready or loop._selector.select(0) or not is_idle()
        quiet = 0 if is_busy else quiet + 1
        if quiet == 3:
            return
    raise AssertionError("the loop is never quiet")


class Stage:
    """Two ends of something, and a program on them."""

    def __init__(self, kind, settle, folder):
        self.kind = kind
        self.settle = settle
        """Waits until the arm's loop is quiet."""
        self.folder = folder
        self.record = []
        self.waiting = []
        """The tasks that did not end yet, each under the number of its call."""
        self.reports = []
        """What the loop's exception handler was told."""
        self.known = {}
        self.count = 0

    async def run(self, program):
        """Make the ends, carry the program out, end all, and return the record."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.hear)
        await self.begin()
        await self.settle()
        try:
            for call in program:
                await self.do(call)
            await self.do(("close_all", 0, 0))
        finally:
            for _, task in self.waiting:
                task.cancel()
            await asyncio.gather(*[task for _, task in self.waiting], return_exceptions=True)
            await self.finish()
            await self.settle()
        self.record.append(self.reports)
        return self.record

    @staticmethod
    def register(programs):
        """Let a world know the programs that the calls start."""

    def is_idle(self):
        """Whether all is done that is done outside of the loop."""
        return True

    async def begin(self):
        """Make the ends."""
        raise NotImplementedError

    async def finish(self):
        """Close what is open."""
        raise NotImplementedError

    def states(self):
        """Return how the ends are, to compare."""
        raise NotImplementedError

    def close_all(self, end, what):
        """Make the last call."""
        raise NotImplementedError

    def hear(self, loop, context):
        error = context.get("exception")
        self.reports.append((context["message"][:40], error and told(error)))

    async def do(self, call):
        """Make one call, wait for quiet, and write down what came of it and of those before."""
        name, end, what = call
        self.count += 1
        try:
            said = getattr(self, name)(end % 2, what)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other arm must give it too.
            said = told(error)
        if inspect.iscoroutine(said):
            self.waiting.append((self.count, asyncio.ensure_future(said)))
            said = "awaited"
        await self.settle()
        ended = [(number, self.outcome(task)) for number, task in self.waiting if task.done()]
        self.waiting = [each for each in self.waiting if not each[1].done()]
        self.record.append(Answer(call, self.kind, shown(said), ended, self.states()))

    def outcome(self, task):
        if task.cancelled():
            return "cancelled"
        error = task.exception()
        return shown(task.result()) if error is None else told(error)

    def data(self, what):
        """Return bytes that no other call sends, with the end of a line."""
        size = SIZES[what % len(SIZES)]
        line = bytes((self.count * 31 + index * 7) % 250 for index in range(min(size, 250)))
        return (line * (size // 250 + 1))[:size] + (b"\n" if what % 3 else b"")

    def place(self, address):
        """Replace the port of an address by the order of its appearance."""
        match address:
            case [str(ip), int(port), *rest] if port:
                return ip, ("port", self.known.setdefault(port, len(self.known))), *rest
        return address

    def cancel(self, end, what):
        """Cancel one of the calls that wait."""
        if not self.waiting:
            return None
        return self.waiting[what % len(self.waiting)][1].cancel()
