"""Tasks and futures of simulated loops hash by number; all others as ever."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref

import pytest

import simloop
from simloop._sandbox import has_tasks
from simloop._sandbox.asyncio_ import all_tasks as tasks_module
from simloop._sandbox.asyncio_ import future_hashes as hashes


class OwnFuture(asyncio.Future):
    """A subclass as libraries have them."""


async def nothing() -> None:
    pass


def test_futures_hash_in_the_order_of_asking() -> None:
    """The first future that is hashed has the first number, and keeps it after the run."""

    async def main() -> list:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future(), OwnFuture(loop=loop), asyncio.Future()]
        return [*reversed(futures), *map(hash, reversed(futures))]

    *futures, first, second, third = simloop.run(main())
    assert second == first + 1
    assert third == second + 1
    assert [hash(future) for future in futures] == [first, second, third]
    assert futures[1] in set(futures)


def test_tasks_are_asyncios_own() -> None:
    """A task is of exactly asyncio's class, which its C code is fastest with."""

    async def main() -> tuple:
        task = asyncio.create_task(nothing())
        await task
        return type(task), type(asyncio.get_running_loop().create_future())

    assert simloop.run(main()) == (asyncio.Task, asyncio.Future)


def test_futures_of_real_loops_hash_by_address() -> None:
    """A real loop's future hashes as any object, inside of a run, too."""
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    assert hash(future) == object.__hash__(future)

    async def main() -> bool:
        return hash(future) == object.__hash__(future) == hash(weakref.ref(future))

    assert simloop.run(main())
    assert hashes.number_of(future) == 0
    loop.close()


def test_a_future_without_a_loop_hashes_by_address() -> None:
    """Even one that was never initialised hashes."""
    future = asyncio.Future.__new__(asyncio.Future)
    assert hash(future) == object.__hash__(future)


def test_asyncios_classes_refuse_changes_as_before() -> None:
    """Nobody else can change the classes by accident."""
    with pytest.raises(TypeError, match="immutable"):
        asyncio.Future.anything = 1
    with pytest.raises(TypeError, match="immutable"):
        asyncio.Task.anything = 1


def test_who_measures_can_undo_it() -> None:
    """Unsettled, a future of a simulated loop hashes by address, and settled, by number again."""
    loop = simloop.SimLoop()
    hashes.unsettle()
    try:
        future = loop.create_future()
        assert hash(future) == object.__hash__(future)
    finally:
        hashes.settle()
    assert hash(loop.create_future()) == 1
    loop.close()


def test_an_unknown_layout_is_refused(monkeypatch) -> None:
    """Where a class keeps its flags elsewhere, nothing is written."""
    monkeypatch.setattr(hashes, "_FLAGS_AT", 32)
    with pytest.raises(simloop.UnsupportedError, match="not laid out as in CPython"):
        hashes.settle()


def test_a_pending_task_is_known_between_runs() -> None:
    """asyncio.all_tasks(loop) tells of tasks that a run left, and the next run has them, too."""
    loop = simloop.SimLoop()

    async def main() -> None:
        names.extend(asyncio.create_task(asyncio.sleep(9), name=f"left {n}") for n in range(20))

    names: list = []
    loop.run_until_complete(main())
    assert asyncio.all_tasks(loop) == set(names)
    assert list(asyncio.all_tasks(loop)) == list(asyncio.all_tasks(loop))

    async def look() -> set:
        asyncio.create_task(asyncio.sleep(9)).set_name("new")
        return {task.get_name() for task in asyncio.all_tasks()}

    found = loop.run_until_complete(look())
    assert found > {f"left {n}" for n in range(20)} | {"new"}
    loop.run_until_complete(asyncio.sleep(10))
    assert not asyncio.all_tasks(loop)
    loop.close()


def test_tasks_are_let_go() -> None:
    """The list of tasks holds none of them, and does not grow with those that are gone."""

    async def main() -> tuple[int, int]:
        for _ in range(2000):
            await asyncio.create_task(nothing())
        task = asyncio.create_task(nothing())
        gone = weakref.ref(task)
        await task
        del task
        await asyncio.sleep(0)  # The step that it woke us in holds it.
        notes = len(tasks_module._notes._notes) if sys.version_info < (3, 14) else 0
        return gone() is None, notes

    is_gone, notes = simloop.run(main())
    assert is_gone
    assert notes < 600


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there asyncio keeps them otherwise")
def test_who_registers_a_task_by_hand_finds_it() -> None:
    """The hooks of asyncio for libraries with tasks of their own work inside of a run."""

    async def main() -> tuple[bool, bool]:
        loop = asyncio.get_running_loop()

        class Own:
            def done(self) -> bool:
                return False

            def get_loop(self):
                return loop

        own = Own()
        asyncio.tasks._register_task(own)
        before = own in asyncio.all_tasks()
        asyncio.tasks._unregister_task(own)
        return before, own in asyncio.all_tasks()

    assert simloop.run(main()) == (True, False)


def test_threads_outside_of_a_run_keep_their_tasks() -> None:
    """A real loop in another thread finds its own tasks, and only those, while a run is on."""
    found: list = []

    async def real() -> None:
        task = asyncio.create_task(asyncio.sleep(0), name="real")
        found.append({task.get_name() for task in asyncio.all_tasks()})
        await task

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0), name="virtual")
        sandbox = asyncio.get_running_loop().world.sandbox
        with sandbox.outside():
            thread = threading.Thread(target=asyncio.run, args=(real(),))
            thread.start()
            thread.join()
        await task

    simloop.run(main())
    assert len(found[0]) == 2
    assert "real" in found[0]
    assert "virtual" not in found[0]


@pytest.mark.parametrize("others", [False, True])
def test_whether_tasks_are_left_is_known_in_a_run(others) -> None:
    """A loop that was made in a run is known to have tasks, whatever other threads make."""
    world = simloop.World()
    with world.inside():
        loop = simloop.SimLoop(world=world)
        if others:
            with world.sandbox.outside():
                thread = threading.Thread(target=asyncio.run, args=(nothing(),))
                thread.start()
                thread.join()
        assert not has_tasks(loop)
        task = loop.create_task(asyncio.sleep(1))
        assert has_tasks(loop)
        loop.run_until_complete(task)
        assert not has_tasks(loop)
        loop.close()


def test_a_task_in_pure_python_has_no_number() -> None:
    """A task of another class than asyncio's own is among all_tasks() as without us."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.tasks._PyTask(nothing(), loop=loop)  # type: ignore[attr-defined]
        assert hashes.number_of(task) == 0
        assert (task in asyncio.all_tasks()) is (sys.version_info < (3, 14))  # As without us.
        await task

    simloop.run(main())
