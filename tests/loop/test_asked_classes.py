"""Loops that a program makes by asyncio's class, or by an heir of it, are of the class it asked."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref

import pytest

import simloop


@pytest.fixture(params=["simulated", "real"])
def run(request):
    """Run a plain function inside a run, or outside of any."""

    def run_inside(function):
        async def main():
            return await asyncio.to_thread(function)

        return simloop.run(main())

    return run_inside if request.param == "simulated" else lambda function: function()


class Own(asyncio.SelectorEventLoop):
    """What programs have: a loop with something around asyncio's calls."""

    def __init__(self, *args, **options):
        self.calls = []
        super().__init__(*args, **options)

    def create_task(self, coro, **options):
        self.calls.append("create_task")
        return super().create_task(coro, **options)

    def call_later(self, delay, callback, *args, **options):
        self.calls.append("call_later")
        return super().call_later(delay, callback, *args, **options)


def run_on(factory):
    """Nap on a loop of that kind."""
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(nap())


async def nap():
    await asyncio.sleep(0.01)
    return asyncio.get_running_loop()


def test_asyncios_class_makes_an_instance_of_itself(run) -> None:
    """A loop that asyncio makes is one of its class for the program, by name as well."""

    def function():
        loop = asyncio.SelectorEventLoop()
        try:
            assert isinstance(loop, asyncio.SelectorEventLoop)
            assert isinstance(loop, asyncio.BaseEventLoop)
            assert loop.run_until_complete(nap()) is loop
            return type(loop).__module__, type(loop).__qualname__, repr(loop)[:40]
        finally:
            loop.close()

    cls = asyncio.SelectorEventLoop
    name = cls.__qualname__
    assert run(function) == (cls.__module__, name, f"<{name} running=False closed=False"[:40])


def test_asyncio_run_makes_one_too(run) -> None:
    """``asyncio.run`` and ``new_event_loop`` give such loops, on a thread of the run as well."""
    loop = run(lambda: asyncio.run(nap()))
    assert isinstance(loop, asyncio.SelectorEventLoop)


def test_an_heir_makes_an_instance_of_itself(run) -> None:
    """A program's own class of loop has its methods called, around those of the world's loop."""

    def function():
        return run_on(Own)

    loop = run(function)
    assert loop.is_closed()
    assert isinstance(loop, Own)
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert loop.calls[:2] == ["create_task", "call_later"]
    assert type(loop).__qualname__ == "Own"
    assert type(loop).__module__ == __name__


def test_an_heir_lives_in_the_world() -> None:
    """Its time is the world's, and its sockets are."""

    async def main() -> float:
        first = asyncio.get_running_loop()

        def function() -> None:
            with asyncio.Runner(loop_factory=Own) as runner:
                runner.run(asyncio.sleep(3600))
                assert runner.get_loop().world is first.world

        await asyncio.to_thread(function)
        return first.time()

    assert simloop.run(main()) == 3600.0


def test_heirs_of_heirs_and_of_others() -> None:
    """More than one class of the program's may stand before asyncio's."""

    class Counting:
        def call_soon(self, *args, **options):
            seen.append(type(self).__name__)
            return super().call_soon(*args, **options)

    class Both(Counting, Own):
        pass

    seen: list[str] = []

    async def main() -> None:
        await asyncio.to_thread(run_on, Both)

    simloop.run(main())
    assert dict.fromkeys(seen) == {"Both": None}


@pytest.mark.parametrize("name", ["time", "_run_once", "_add_callback", "_process_events"])
def test_an_heir_that_changes_what_a_world_does_by_itself_is_refused(name) -> None:
    """What its timers would not go by, or what no simulated loop calls, is named."""
    heir = type("Changed", (asyncio.SelectorEventLoop,), {name: lambda self: 0})

    async def main() -> None:
        with pytest.raises(simloop.UnsupportedError, match=rf"Changed\(\) inside a run.*{name}"):
            heir()

    simloop.run(main())
    gc.collect()


def test_an_heir_that_takes_no_heirs_is_refused() -> None:
    """A class of which no other can be made by itself is named, with Python's words."""

    class Closed(asyncio.SelectorEventLoop):
        def __init_subclass__(cls, *, key: str) -> None:
            pass

    async def main() -> None:
        with pytest.raises(simloop.UnsupportedError, match=r"Closed\(\) inside a run.*'key'"):
            Closed()

    simloop.run(main())
    gc.collect()


def test_no_class_stays_behind() -> None:
    """A class of loops that was made within a run is collected after it."""

    def once() -> weakref.ref:
        class Mine(asyncio.SelectorEventLoop):
            pass

        async def main() -> None:
            first, second = Mine(), Mine()
            assert type(first) is type(second)
            first.close()
            second.close()

        simloop.run(main())
        return weakref.ref(Mine)

    left = once()
    gc.collect()
    assert left() is None


def test_an_explored_run_asks_around_it() -> None:
    """In an explored run such a loop is disturbed as others are, and a plain one in a thread."""

    async def main() -> None:
        loop = Own()
        loop.close()
        assert isinstance(loop, Own)
        await asyncio.to_thread(run_on, Own)

    found = simloop.explore(main, schedules=5)
    assert (found.ran, found.failures) == (5, [])


class Slotted(Own):
    """An heir whose objects have another shape in memory."""

    __slots__ = ("more",)


@pytest.mark.skipif(sys.platform != "linux", reason="hosts have disks, which want Linux")
@pytest.mark.parametrize("heir", [Own, Slotted])
def test_on_a_host(heir) -> None:
    """A host's program may have a loop of its own class, killed and with a clock of its own."""
    seen = []

    async def on_host() -> None:
        loop = asyncio.get_running_loop()
        seen.append((isinstance(loop, heir), asyncio.current_task().get_name()))
        await asyncio.sleep(10)
        seen.append(loop.time())
        await asyncio.sleep(1000)

    def program() -> None:
        asyncio.Runner(loop_factory=heir).run(on_host())

    async def main() -> None:
        world = simloop.current_world()
        host = world.add_host("db", program)
        await asyncio.sleep(1)
        host.clock.drift = 0.5
        await asyncio.sleep(20)
        host.crash()
        await asyncio.sleep(1)

    simloop.run(main())
    assert seen[0] == (True, "db/Task-1")
    assert len(seen) == 2
