"""The digest: what it adds for a step is the step's label, however it gets there."""

from __future__ import annotations

import asyncio
import functools
import sys
from array import array

import simloop
from simloop.trace import Digest
from simloop.trace.digest import _line_in, _Records
from simloop.trace.labels import label, position_of

TEXT, BYTES, SENT, SLEPT = -1, -2, -3, -4
TIMES = -(1 << 40)


class Tape:
    """In the place of the hash: keeps what is hashed."""

    def __init__(self):
        self.pieces = []

    def update(self, data):
        self.pieces.append(bytes(data))


class Reader:
    """Reads what was hashed back as texts, knowing nothing but the form of the records."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)
        self.now = None
        self.told = []
        self.defined = []
        self.labels = {}
        self.names = {}
        self.flows = {}
        for piece in self.pieces:
            self.read(array("q", piece).tolist())

    def read(self, integers):
        """Read a batch of integers, the texts that follow it, and the bytes that follow these."""
        place = 0
        text = next(self.pieces).decode(errors="surrogatepass") if TEXT in integers else ""
        numbers = iter(integers)
        for number in numbers:
            if number <= TIMES:
                self.now = TIMES - number
            elif number == TEXT:
                size = next(numbers)
                self.defined.append(text[place : place + size])
                place += size
            elif number == BYTES:
                next(numbers)
                self.told.append((*self.take_texts(), next(self.pieces)))
            elif number == SENT:
                flow, size = next(numbers), next(numbers)
                self.flows.setdefault(flow, *self.defined or [None])
                self.defined.clear()
                self.told.append((self.flows[flow], next(self.pieces)))
                assert len(self.told[-1][1]) == size
            elif number >= 0:
                self.told.append(f"timer {number}")
            else:
                self.told.append(f"{self.now} {self.step(number)}")
        assert place == len(text)

    def take_texts(self):
        """Return the texts that no number was given to."""
        texts = self.defined[:]
        self.defined.clear()
        return texts

    def step(self, number):
        """Return the label that a number stands for."""
        if number == SLEPT:
            return "asyncio.futures._set_result_unless_cancelled"
        name, label = divmod(-number, 1 << 20)
        if name and name not in self.names:
            self.names[name] = self.defined.pop()
        if label not in self.labels:
            self.labels[label] = self.defined.pop()
        self.told.extend(self.take_texts())
        return f"{self.names[name]}: {self.labels[label]}" if name else self.labels[label]


class Listener:
    """An observer that writes down each label."""

    def __init__(self):
        self.told = []

    def step(self, now_ns, handle):
        line = position_of(handle)
        self.told.append(
            f"{now_ns} {label(handle)} {line}" if line else f"{now_ns} {label(handle)}"
        )

    def timed(self, when_ns):
        self.told.append(f"timer {when_ns}")


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


def watched(main):
    """Run a program; return what its digest hashed, read back, and what an observer wrote down."""
    world = simloop.World()
    digest, listener = Digest(), Listener()
    digest._records.hash = Tape()
    world.watch(digest)
    world.watch(listener)
    simloop.run(main(), world=world)
    digest._records.flush()
    return Reader(digest._records.hash.pieces).told, listener.told


def test_every_kind_of_step_adds_its_label():
    """The numbers that are hashed say the label of each step, and each timer, in their order."""
    told, written = watched(every_kind)
    steps = [each for each in told if each in written or each[0].isdigit()]
    assert steps == written


def test_more_names_than_keep_their_numbers():
    """Where there are more names than are kept, numbers are given anew, and say the same."""

    async def many():
        for number in range(5000):
            await asyncio.create_task(asyncio.sleep(0), name=f"name {number}")

    digests = [simloop.simulate(many).digest for _ in range(2)]
    assert digests[0] == digests[1]


def test_names_tell_apart():
    """Runs that differ in the name of one task, or in which of two tasks goes on, differ."""

    def named(*names):
        async def main():
            tasks = [asyncio.create_task(asyncio.sleep(1), name=name) for name in names]
            await asyncio.gather(*tasks)

        return simloop.simulate(main).digest

    digests = [named("a", "b"), named("b", "a"), named("a", "c"), named("a", "a"), named("a")]
    assert len({*digests}) == len(digests)
    assert named("a", "b") == digests[0]


def test_the_place_tells_apart():
    """Steps of one function that stand at two of its lines differ."""

    def standing(is_first):
        async def main():
            if is_first:
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(0)

        return simloop.simulate(main).digest

    assert standing(True) != standing(False)
    assert standing(True) == standing(True)


def test_two_codes_of_one_name_are_told_apart():
    """A function that is made anew, at the same line or another one, is not taken for the old."""

    def digest(first_line):
        async def main():
            for line in (1, first_line):
                scope = {"asyncio": asyncio}
                text = "\n" * line + "async def f():\n await asyncio.sleep(0)"
                exec(compile(text, "made", "exec"), scope)  # noqa: S102 - our own text
                await asyncio.create_task(scope["f"]())

        return simloop.simulate(main).digest

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_what_was_noted_and_sent_is_told():
    """Texts, bytes and what was sent are hashed as they are, in their order, however batched."""
    digest = Digest()
    digest._records.hash = Tape()
    told = []
    for number in range(3000):
        flow = ("tcp", ("10.0.0.1", number % 5000), ("10.0.0.2", 80))
        digest.sent(*flow, bytes(number % 7))
        told.append((f"tcp ('10.0.0.1', {number}) ('10.0.0.2', 80)", bytes(number % 7)))
        digest.happened("file x", b"y" * (number % 3))
        told.append(("file x", b"y" * (number % 3)))
    assert Reader(digest._records.hash.pieces).told == told


def test_a_note_tells_where_it_ends():
    """Texts that read alike when they are put together are told apart."""
    digests = []
    for notes in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", "")):
        digest = Digest()
        for note in notes:
            digest.note(note)
        assert digest.hexdigest() == digest.hexdigest()
        digests.append(digest.hexdigest())
    assert len({*digests}) == len(digests)


def test_times_beyond_a_word():
    """A sleep of a thousand years has a digest, and another one another."""

    def digest(seconds):
        return simloop.simulate(lambda: asyncio.sleep(seconds)).digest

    assert digest(4e10) == digest(4e10)
    assert digest(4e10) != digest(4e10 + 1)


def test_what_is_common_goes_the_short_way(monkeypatch):
    """Labels are made once for each place, name and function, not once for each step."""
    made = []
    real = _Records.token

    def token(self, callback):
        made.append(callback)
        return real(self, callback)

    monkeypatch.setattr(_Records, "token", token)

    async def yielding():
        for _ in range(100):
            await asyncio.sleep(0)
            await asyncio.sleep(1)
            asyncio.get_running_loop().call_soon(nameless)

    async def main():
        await asyncio.gather(*[yielding() for _ in range(10)])

    assert simloop.simulate(main).steps > 3000
    made[:] = [each for each in made if each is not nameless]  # It has no module.
    assert len(made) < 50


def test_a_place_in_the_engine_is_told_by_its_line_in_the_function():
    """An edit elsewhere in a file of ours moves no digest; of the program all lines count."""

    async def own():
        """Stand at a line of this file."""

    loop = simloop.SimLoop()
    ours, theirs = loop.shutdown_asyncgens(), own()
    assert _line_in(ours.cr_frame) == 1
    assert _line_in(theirs.cr_frame) == own.__code__.co_firstlineno
    ours.close()
    theirs.close()
    loop.close()
