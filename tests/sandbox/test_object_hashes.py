"""Objects hash by number in runs, by address outside, and never change it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import copy
import dataclasses
import importlib
import io
import itertools
import multiprocessing
import queue
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import weakref

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simloop
from simloop._sandbox.hashing import object_hashes as hashes
from simloop._sandbox.hashing.standard_classes import LATE, PREFIXES
from simloop._sandbox.patching import registry


class OwnProtocol(asyncio.Protocol):
    """A protocol as programs have them."""


class OwnTransport(asyncio.Transport):
    """A transport as libraries have them."""


class SlottedProtocol(asyncio.DatagramProtocol):
    """One whose instances keep neither attributes nor weak references."""

    __slots__ = ("name",)


class OwnThread(threading.Thread):
    """A thread as programs have them."""


class OwnSocket(socket.socket):
    """A socket as libraries have them."""


class OwnData(threading.local):
    """Data of a thread, whose attributes are another thread's others."""


class Guarded(asyncio.Event):
    """A class that watches what is set on it."""

    def __setattr__(self, name, value):
        assert not name.startswith("_simloop")
        super().__setattr__(name, value)


class Shifted(asyncio.Protocol):
    """A protocol whose own hash builds on what its base says."""

    def __hash__(self):
        return super().__hash__() + 1000


class Meta(type):
    """A metaclass whose classes are equal to all, and cannot be hashed."""

    def __eq__(cls, other):
        return True

    __hash__ = None


class Strange(asyncio.Protocol, metaclass=Meta):
    """A protocol of such a class."""


def tls_object():
    context = ssl.create_default_context()
    return context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="here")


def pair():
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


def handle():
    return asyncio.get_running_loop().call_soon(int)


KINDS = {
    "asyncio.Barrier": lambda: asyncio.Barrier(2),
    "asyncio.BoundedSemaphore": asyncio.BoundedSemaphore,
    "asyncio.Condition": asyncio.Condition,
    "asyncio.Event": asyncio.Event,
    "asyncio.Handle": handle,
    "asyncio.Lock": asyncio.Lock,
    "asyncio.PriorityQueue": asyncio.PriorityQueue,
    "asyncio.Queue": asyncio.Queue,
    "asyncio.Runner": asyncio.Runner,
    "asyncio.StreamReader": asyncio.StreamReader,
    "asyncio.TaskGroup": asyncio.TaskGroup,
    "asyncio.Timeout": lambda: asyncio.timeout(1),
    "asyncio.PyFuture": asyncio.futures._PyFuture,  # type: ignore[attr-defined]
    "futures.Future": concurrent.futures.Future,
    "futures.ThreadPoolExecutor": lambda: concurrent.futures.ThreadPoolExecutor(1),
    "multiprocessing.Process": multiprocessing.Process,
    "own data": OwnData,
    "own protocol": OwnProtocol,
    "own socket": OwnSocket,
    "own thread": OwnThread,
    "guarded": Guarded,
    "queue.LifoQueue": queue.LifoQueue,
    "queue.Queue": queue.Queue,
    "queue.SimpleQueue": queue.SimpleQueue,
    "selectors": selectors.SelectSelector,
    "socket": socket.socket,
    "socketpair": pair,
    "ssl context": ssl.create_default_context,
    "ssl object": tls_object,
    "threading.Barrier": lambda: threading.Barrier(2),
    "threading.Condition": threading.Condition,
    "threading.Event": threading.Event,
    "threading.Lock": threading.Lock,
    "threading.RLock": threading.RLock,
    "threading.Semaphore": threading.Semaphore,
    "threading.Thread": threading.Thread,
    "threading.Timer": lambda: threading.Timer(1, int),
    "threading.local": threading.local,
    "file": io.BytesIO,
    "own transport": OwnTransport,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_standard_librarys_objects_hash_by_number(kind):
    """Each instance has one number more than the one before, the same in every run of a world."""

    async def main() -> list[int]:
        made = [KINDS[kind]() for _ in range(5)]
        numbers = [hash(each) for each in made]
        assert numbers == [hash(each) for each in made]
        assert [made.index(each) for each in dict.fromkeys(made)] == [0, 1, 2, 3, 4]
        for each in made:
            if hasattr(type(each), "close"):
                with contextlib.suppress(NotImplementedError):
                    each.close()
        return numbers

    first = simloop.run(main())
    steps = {after - before for before, after in itertools.pairwise(first)}
    assert len(steps) == 1  # Making one may have hashed something else.
    assert 0 < first[0] < 100
    assert simloop.run(main()) == first


def test_what_a_loop_makes_hashes_by_number():
    """Servers, transports, streams, protocols and processes of the loop do."""

    async def child(process) -> int:
        await process.stdin.read()
        return 0

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        loop.world.programs.register("child", child)
        found = []

        async def serve(reader, writer) -> None:
            found.extend([reader, writer, writer.transport, writer.transport.get_protocol()])
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 80)
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        found += [server, reader, writer, writer.transport, writer.transport.get_protocol()]
        datagrams, protocol = await loop.create_datagram_endpoint(
            OwnProtocol, local_addr=("127.0.0.1", 0)
        )
        found += [datagrams, protocol]
        process = await asyncio.create_subprocess_exec("child", stdin=subprocess.PIPE)
        found += [process, process.stdin, process._transport]
        numbers = [hash(each) for each in found]
        writer.close()
        datagrams.close()
        process.stdin.close()
        await process.wait()
        await asyncio.sleep(1)
        server.close()
        return numbers

    numbers = simloop.run(main())
    assert len(numbers) == 14
    assert all(0 < number < 100 for number in numbers)
    assert len(dict.fromkeys(numbers)) == len(numbers)
    assert simloop.run(main()) == numbers


def test_every_class_of_these_modules_is_seen_to():
    """No class of theirs hashes by address, but for loops; a new Python brings no holes."""
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    simloop.run(asyncio.sleep(0))
    left = [
        found
        for name, module in tuple(sys.modules.items())
        if name.startswith(tuple(f"{prefix}." for prefix in PREFIXES)) or name in PREFIXES
        for found in tuple(vars(module).values())
        if isinstance(found, type)
        and not issubclass(found, (BaseException, asyncio.AbstractEventLoop))
        and found.__module__.partition(".")[0] in PREFIXES
        and hashes.hashes_by_address(found)
    ]
    assert left == []


def test_outside_of_runs_nothing_is_different():
    """There an object hashes by its address, and nothing is written into it."""
    lock, own = asyncio.Lock(), OwnProtocol()
    before = dict(vars(lock)), dict(vars(own))
    assert hash(lock) == object.__hash__(lock)
    assert hash(own) == object.__hash__(own)
    assert (vars(lock), vars(own)) == before


@pytest.mark.parametrize("kind", ["asyncio.Lock", "threading.Lock", "own data", "guarded"])
def test_what_was_hashed_before_a_run_keeps_its_hash(kind):
    """A dictionary from before finds its key in the run and after it."""
    known = KINDS[kind]()
    table = {known: "known"}

    async def main() -> bool:
        return table[known] == "known" and hash(known) == object.__hash__(known)

    assert simloop.run(main())
    assert table[known] == "known"


def test_slotted_objects_keep_their_hash_too():
    """Those that can keep nothing have one hash for all in a run, and keep what they had."""
    before = SlottedProtocol()
    table = {before: 1}

    async def main() -> set:
        assert table[before] == 1
        made = [SlottedProtocol() for _ in range(20)]
        orders.append([made.index(each) for each in set(made)])
        assert sorted(orders[-1]) == list(range(20))
        return set(made)

    orders: list = []
    simloop.run(main())
    made = simloop.run(main())
    assert orders[0] == orders[1]
    assert all(each in made for each in list(made))
    assert table[before] == 1


@pytest.mark.parametrize("kind", ["asyncio.Lock", "threading.Lock", "own data", "socket"])
def test_what_a_run_returns_keeps_its_number(kind):
    """A set that a run returned holds its elements."""

    async def main() -> set:
        return {KINDS[kind]() for _ in range(5)}

    made = simloop.run(main())
    assert [each in made for each in list(made)] == [True] * 5
    assert all(hash(each) != object.__hash__(each) for each in made)
    for each in made:
        if kind == "socket":
            each.detach()


@pytest.mark.parametrize("kind", ["asyncio.Lock", "threading.Lock", "own protocol", "own data"])
def test_nothing_is_kept_alive(kind):
    """An object that was hashed goes when nothing else holds it, and its note with it."""

    def use() -> int:
        made = KINDS[kind]()
        assert made in {made: None}
        gone, place = weakref.ref(made), object.__hash__(made)
        is_noted.append(place in hashes._notes)
        del made
        assert gone() is None
        return place

    async def main() -> bool:
        return use() in hashes._notes

    is_noted: list[bool] = []
    assert not simloop.run(main())
    assert use() not in hashes._notes
    assert is_noted == [kind in ("threading.Lock", "own data"), True]


def test_a_copy_is_another_object():
    """A copy of a numbered object can stand beside it in a set."""

    async def main() -> int:
        event = OwnProtocol()
        return len({event, copy.copy(event)} | {event})

    assert simloop.run(main()) == 2


class Point:
    """A class that says itself how it hashes."""

    def __init__(self, x: int = 0) -> None:
        self.x = x

    def __eq__(self, other):
        return isinstance(other, Point) and self.x == other.x

    def __hash__(self):
        return hash(("point", self.x))


class Unhashable:
    """A class whose instances are equal and do not hash."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other):
        return True


class PointProtocol(asyncio.Protocol, Point):
    """Gets its hash from the second of its bases, which the first used to leave alone."""


class UnhashableProtocol(asyncio.Protocol, Unhashable):
    """The same, of one that has none."""


def test_a_class_that_says_how_it_hashes_is_left_alone():
    """Wherever among the bases that is said; equal instances are one key, in runs and outside."""

    async def main() -> tuple:
        with pytest.raises(TypeError, match="unhashable type: 'UnhashableProtocol'"):
            hash(UnhashableProtocol())
        return hash(PointProtocol(3)), len({PointProtocol(3), PointProtocol(3)})

    assert simloop.run(main()) == (hash(("point", 3)), 1)
    assert hash(PointProtocol(4)) == hash(("point", 4))
    with pytest.raises(TypeError, match="unhashable type"):
        hash(UnhashableProtocol())


def test_a_foreign_thread_hashes_by_address():
    """What a thread outside of the run makes while one is on hashes as ever."""
    found = []

    def work() -> None:
        lock = threading.Lock()
        found.append(hash(lock) == object.__hash__(lock))

    async def main() -> None:
        with asyncio.get_running_loop().world.sandbox.outside():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    simloop.run(main())
    assert found == [True]


def test_threads_of_a_run_count_together():
    """A number that one thread gave is none that another one gives."""

    async def main() -> list[int]:
        events = [asyncio.Event() for _ in range(4)]
        jobs = [asyncio.to_thread(hash, each) for each in events]
        return [*(await asyncio.gather(*jobs)), *map(hash, events)]

    numbers = simloop.run(main())
    assert numbers[:4] == numbers[4:]
    assert len(dict.fromkeys(numbers)) == 4


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["make", "hash", "drop", "enter", "leave", "copy"]), st.integers(0, 9)
        ),
        max_size=40,
    )
)
def test_a_hash_never_changes(calls):  # noqa: C901 - a table of calls
    """Whatever is made, hashed, dropped and copied in runs and outside: each keeps its hash."""
    kinds = [asyncio.Lock, threading.Lock, OwnProtocol, SlottedProtocol, OwnData, Guarded, object]
    living: list = []
    world = simloop.World()
    inside = None
    for call, number in calls:
        if call == "make":
            living.append([kinds[number % len(kinds)](), None])
        elif call == "enter" and inside is None:
            inside = world.inside()
            inside.__enter__()
        elif call == "leave" and inside is not None:
            inside.__exit__(None, None, None)
            inside = None
        elif call == "drop" and living:
            del living[number % len(living)]
        elif call == "hash" and living:
            entry = living[number % len(living)]
            if entry[1] is None:
                entry[1] = hash(entry[0])
        elif call == "copy" and living and type(living[number % len(living)][0]) is OwnProtocol:
            living.append([copy.copy(living[number % len(living)][0]), None])
        for thing, known in living:
            assert known is None or hash(thing) == known
    if inside is not None:
        inside.__exit__(None, None, None)
    assert all(hash(thing) == known for thing, known in living if known is not None)


# Classes of users


def test_a_users_class_hashes_by_number():
    """Decorated, its instances and those of classes derived from it do; it is the same class."""

    class Peer:
        pass

    assert simloop.hash_by_number(Peer) is Peer
    assert simloop.hash_by_number(Peer) is Peer

    class Later(Peer):
        __slots__ = ()

    async def main() -> list[int]:
        return [hash(each) for each in (Peer(), Later(), Peer())]

    assert simloop.run(main()) == [1, 2, 3]
    outside = Peer()
    assert hash(outside) == object.__hash__(outside)


def test_instances_from_before_keep_their_hash():
    """What lives when its class is named hashes by its address for good: a set may hold it."""

    class Peer:
        pass

    peer = Peer()
    peers = {peer}
    simloop.hash_by_number(Peer)

    async def main() -> bool:
        return peer in peers

    assert simloop.run(main())
    assert peer in peers


def test_a_class_may_be_named_in_a_run():
    """Then what the run has made by now keeps its hash, and what comes has numbers."""

    async def main() -> list[int]:
        class Peer:
            pass

        early = Peer()
        peers = {early}
        simloop.hash_by_number(Peer)
        assert early in peers
        assert hash(early) == object.__hash__(early)
        return [hash(Peer()), hash(Peer())]

    assert simloop.run(main()) == [1, 2]


def test_classes_with_numbers_already_are_fine():
    """Naming asyncio's own, or what is derived from it, changes nothing."""
    for cls in (asyncio.Future, asyncio.Task, asyncio.Lock, OwnProtocol, threading.Thread):
        assert simloop.hash_by_number(cls) is cls


@dataclasses.dataclass
class Record:
    """Equal by its fields."""

    x: int = 0


@attrs.frozen
class Frozen:
    """Equal by its fields, and hashed by them."""

    x: int = 0


class Slotted:
    """Has no room for anything."""

    __slots__ = ("x",)


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Record, r"hash_by_number\(Record\): Record defines __eq__.*eq=False.*dict"),
        (Frozen, r"Frozen defines __eq__"),
        (PointProtocol, r"Point defines __eq__"),
        (UnhashableProtocol, r"Unhashable defines __eq__"),
        (type("Name", (str,), {}), r"str defines __eq__"),
        (type("Pair", (tuple,), {}), r"tuple defines __eq__"),
        (int, r"hash_by_number\(int\): it is built in.*derive a class"),
        (object, r"it is built in"),
        (type(len), r"it is built in"),
        (Slotted, r"__slots__ leave no room.*add '__weakref__'"),
    ],
)
def test_classes_that_cannot(cls, words):
    """What is built in, has an equality of its own or no room is refused, with a way out."""
    with pytest.raises(simloop.UsageError, match=words):
        simloop.hash_by_number(cls)


@pytest.mark.parametrize("thing", [3, "Peer", None, len, Point(), list[int], asyncio])
def test_what_is_no_class(thing):
    """Something that is no class is a TypeError that shows it."""
    with pytest.raises(TypeError, match=r"hash_by_number\(\) takes a class, not "):
        simloop.hash_by_number(thing)


def test_a_decorator_that_comes_after_is_told_of():
    """A dataclass with an equality, made of a named class, says so when it is hashed."""

    @dataclasses.dataclass
    @simloop.hash_by_number
    class Peer:
        x: int = 0

    with pytest.raises(TypeError, match=r"__eq__ was set after simloop.hash_by_number.*eq=False"):
        hash(Peer())

    @simloop.hash_by_number
    @dataclasses.dataclass(eq=False)
    class Other:
        x: int = 0

    async def main() -> int:
        return hash(Other())

    assert simloop.run(main()) == 1


def test_a_slotted_class_with_room_can():
    """A class with __weakref__ among its slots is enough."""

    @simloop.hash_by_number
    class Peer:
        __slots__ = ("__weakref__", "x")

    async def main() -> list[int]:
        return [hash(Peer()), hash(Peer())]

    peers = simloop.run(main())
    assert len(dict.fromkeys(peers)) == 2


# Modules that come late


def test_a_module_may_have_several_that_wait_for_it(tmp_path, monkeypatch):
    """All that was registered for a module is done when a run loads it."""
    (tmp_path / "late_module_of_test.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list = []
    registry.when_loaded("late_module_of_test", lambda module: seen.append(module.__name__))
    registry.when_loaded("late_module_of_test", lambda module: hashes.name_class(module.Thing))

    async def main() -> list[int]:
        from late_module_of_test import Thing

        return [hash(Thing()), hash(Thing())]

    assert simloop.run(main()) == [1, 2]
    assert seen == ["late_module_of_test"]
    sys.modules.pop("late_module_of_test")


@pytest.mark.parametrize("slots", [None, ("__weakref__",), ()], ids=["dict", "slots", "no room"])
def test_what_told_its_address_in_its_own_way_still_does(slots):
    """As distributed's TaskState, which sets have when its library is noticed: ``id(self)``."""

    def hash_of_state(self) -> int:
        return id(self)

    body: dict = {} if slots is None else {"__slots__": slots}
    cls = type("State", (), {**body, "__hash__": hash_of_state})
    before = cls()
    known = {before}
    hashes.name_class(cls)
    assert before in known
    assert hash(before) == id(before)
    later = cls()
    assert hash(later) == id(later)

    async def main() -> None:
        known.remove(before)
        assert hash(later) == id(later)

    simloop.run(main())


def test_a_hash_that_builds_on_the_base_s():
    """A class whose ``__hash__`` asks ``super()`` gets the number, and no endless recursion."""

    async def main():
        first, second = Shifted(), Shifted()
        return hash(second), hash(first), hash(second)

    one, two, again = simloop.run(main())
    assert two == one + 1
    assert again == one
    assert hash(Shifted()) != one


def test_a_class_that_cannot_be_hashed_itself():
    """Instances hash by number where their class has a metaclass without a hash."""

    async def main():
        return [hash(Strange()) for _ in range(3)]

    one, *others = simloop.run(main())
    assert others == [one + 1, one + 2]
