"""Hosts of a world: adding them, their names and addresses, and the driver as one of them."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import sys

import pytest

import simloop
from simloop.errors import UsageError
from simloop.trace import Recorder


async def serve(port=80, answer=b"hello"):
    async def greet(reader, writer):
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(greet, port=port)
    await server.serve_forever()


async def ask(host, port=80):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return await reader.read()
    finally:
        writer.close()


def world():
    return simloop.current_world()


def test_a_server_on_one_host_is_reached_from_others():
    """The name of a host, and each of its addresses, lead to its programs from every host."""
    answers = []

    async def client():
        answers.append(await ask("db"))

    async def main():
        world().add_host("db", serve, addresses=("10.0.0.5", "fd00::5"))
        await asyncio.sleep(1)
        world().add_host("web", client)
        await asyncio.sleep(1)
        return [await ask(each) for each in ("db", "10.0.0.5", "fd00::5")]

    assert simloop.run(main()) == [b"hello"] * 2 + [b"hello"]
    assert answers == [b"hello"]


def test_the_driver_is_a_machine_that_hosts_reach():
    """A server of the test itself is reached from a host by the name of the driver."""
    answers = []

    async def client():
        answers.append(await ask("driver"))

    async def main():
        server = asyncio.create_task(serve())
        await asyncio.sleep(0)
        (process,) = world().add_host("web", client).processes
        await process.exited()
        server.cancel()
        return world().driver.name, world().driver.addresses

    assert simloop.run(main()) == ("driver", ("10.255.255.254",))
    assert answers == [b"hello"]


def test_loopback_is_each_host_s_own():
    """A server on localhost of one host is not there on another one."""

    async def main():
        world().add_host("db", serve)
        await asyncio.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            await ask("127.0.0.1")

    simloop.run(main())


def test_hosts_without_addresses_get_the_next_ones():
    """Addresses come from 10.0.0.0/8 in the order of adding; one that is taken is passed over."""

    async def main():
        world().add_host("a", addresses=["10.0.0.2"])
        for name in "bc":
            world().add_host(name)
        return [(name, host.addresses) for name, host in world().hosts.items()]

    assert simloop.run(main()) == [
        ("a", ("10.0.0.2",)),
        ("b", ("10.0.0.1",)),
        ("c", ("10.0.0.3",)),
    ]


def test_a_process_knows_its_machine_and_its_own_number():
    """Host name, number, parent and arguments are the process's."""
    seen = []

    async def tell(*args):
        seen.append((socket.gethostname(), os.getpid(), os.getppid(), sys.argv[1:], args))

    async def main():
        argv = list(sys.argv)
        world().add_host("db", tell, args=(5, "six"))
        world().add_host("web", tell)
        await asyncio.sleep(1)
        return sys.argv == argv, os.getpid()

    assert simloop.run(main()) == (True, 1000)
    assert seen == [
        ("db", 1001, 1, ["5", "six"], (5, "six")),
        ("web", 1002, 1, [], ()),
    ]


def test_hosts_may_be_added_before_the_run():
    """A world that is made outside of a run may have its hosts before that begins."""
    made = simloop.World(seed=3)
    host = made.add_host("db", serve)
    assert [host.state, host.boots, len(host.processes)] == ["up", 0, 1]
    assert simloop.run(ask("db"), world=made) == b"hello"
    assert host.processes == ()


def test_several_processes_run_on_one_host():
    """Each has its own number and descriptors; they share ports, and are listed oldest first."""

    async def main():
        db = world().add_host("db", serve)
        second = db.start(serve, args=(81, b"second"))
        third = db.start(serve)
        assert await third.exited() == 1
        assert isinstance(third.error, OSError)
        assert [each.pid for each in db.processes] == [1001, 1002]
        answers = [await ask("db"), await ask("db", 81)]
        second.kill()
        answers.append(await ask("db"))
        return answers

    assert simloop.run(main()) == [b"hello", b"second", b"hello"]


def test_a_run_with_hosts_is_the_same_each_time():
    """The digest of a run with hosts follows from its seed."""

    async def main():
        world().add_host("db", serve)
        await asyncio.sleep(1)
        await ask("db")

    first, second = (simloop.simulate(main, seed=4) for _ in range(2))
    assert first.error is None
    assert first.digest == second.digest


def test_steps_of_hosts_are_told_apart():
    """Runs whose steps differ only in the host that runs them have different digests."""

    async def nap(seconds):
        asyncio.current_task().set_name("napper")
        await asyncio.sleep(seconds)

    def outcome(first, second):
        async def main():
            world().add_host("a", nap, args=(first,))
            world().add_host("b", nap, args=(second,))
            await asyncio.sleep(5)

        return simloop.simulate(main)

    assert outcome(1, 2).digest == outcome(1, 2).digest != outcome(2, 1).digest


def test_labels_name_the_host():
    """Names of tasks and of steps begin with the name of their host; the driver's do not."""

    async def nap():
        task = asyncio.create_task(asyncio.sleep(1), name="named")
        asyncio.get_running_loop().call_later(1, print)
        await asyncio.sleep(2)
        return task.done()

    async def main():
        world().add_host("db", nap)
        await nap()

    recorder = Recorder()
    simloop.simulate(main, recorder=recorder)
    labels = [step.label for step in recorder.steps if not step.is_within]
    for name in ("db/Task-1: ", "db/named: ", "db/builtins.print", "Task-1: ", "named: "):
        assert any(each.startswith(name) for each in labels), name


# Bad input -------------------------------------------------------------------------------------


BAD = {
    "a name that is taken": (("db",), {}, "'db' already"),
    "the driver's name": (("driver",), {}, "'driver' already"),
    "localhost": (("localhost",), {}, "'localhost' already"),
    "no name": (("",), {}, "no name of a host"),
    "a name with a blank": (("a b",), {}, "no name of a host"),
    "a name that is no text": ((5,), {}, "no name of a host"),
    "an address that is taken": (("x",), {"addresses": ["10.0.0.5"]}, "of the host 'db' already"),
    "an address given twice": (("x",), {"addresses": ["10.1.0.1"] * 2}, "twice already"),
    "loopback": (("x",), {"addresses": ["127.0.0.1"]}, "cannot belong to one host"),
    "no address": (("x",), {"addresses": ["nowhere"]}, "no address"),
    "one address": (("x",), {"addresses": "10.0.0.9"}, "give \\('10.0.0.9',\\)"),
    "a policy": (("x",), {"restart": "sometimes"}, "'never', 'on-failure', 'always'"),
    "a skew": (("x",), {"skew": math.nan}, "no finite number of seconds"),
    "a drift": (("x",), {"drift": -1}, "no rate error"),
    "fresh as a text": (("x",), {"fresh": "json"}, "give a tuple"),
    "a script that is not there": (("x", "nowhere/server.py"), {}, "no script"),
    "a module that is not there": (("x", "nowhere_at_all"), {}, "no program"),
    "a function that is not there": (("x", "json:nowhere"), {}, "no program"),
    "what is no function": (("x", "json:__name__"), {}, "no program"),
    "a package that does nothing": (("x", "email"), {}, "no program"),
    "what is no program": (("x", 5), {}, "no program"),
    "arguments as a text": (("x", serve), {"args": "80"}, "no sequence"),
    "more arguments than it takes": (("x", serve), {"args": (1, 2, 3)}, "too many positional"),
    "the same by its name": (("x", "json:loads"), {"args": ()}, "missing a required argument"),
    "arguments without a program": (("x",), {"args": (80,)}, "without a program"),
    "an environment of numbers": (("x", serve), {"env": {"PORT": 80}}, "env has 'PORT': 80"),
    "a name of a variable": (("x", serve), {"env": {"A=B": "c"}}, "without '='"),
    "an environment that is none": (("x",), {"env": 5}, "no mapping"),
    "fresh as a number": (("x",), {"fresh": 5}, "give a tuple"),
    "fresh of what is not there": (
        ("x",),
        {"fresh": ("nowhere_at_all",)},
        "no package of that name",
    ),
    "fresh of the standard library": (
        ("x",),
        {"fresh": ("asyncio",)},
        "stand on this one",
    ),
    "a skew of ages": (("x",), {"skew": 1e300}, "at most 1e\\+10"),
    "an empty label": (("a..b",), {}, "no name of a host"),
    "a label that is too long": (("a" * 64,), {}, "no name of a host"),
    "a name that is too long": ((".".join(["a" * 60] * 5),), {}, "no name of a host"),
    "a dot at the end": (("a.",), {}, "no name of a host"),
    "an address": (("10.0.0.9",), {}, "no name of a host"),
    "a number": (("1",), {}, "no name of a host"),
    "letters that no name server knows": (("d\N{LATIN SMALL LETTER B WITH HOOK}b",), {}, "no name"),
    "a name taken but for its case": (("DB",), {}, "a host 'db' already"),
    "an address as a number": (("x",), {"addresses": [5]}, "give a text"),
    "addresses as a number": (("x",), {"addresses": 5}, "no sequence"),
    "the broadcast": (("x",), {"addresses": ["255.255.255.255"]}, "cannot belong to one host"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_at_the_call(case):
    """What means nothing is a UsageError that names the thing, and adds no host."""
    args, options, message = BAD[case]

    async def main():
        world().add_host("db", addresses=["10.0.0.5"])
        with pytest.raises(UsageError, match=message):
            world().add_host(*args, **options)
        return list(world().hosts)

    assert simloop.run(main()) == ["db"]


def test_arguments_are_not_lost():
    """Arguments for a program that is not given are refused, and what ran goes on."""

    async def main():
        db = world().add_host("db", serve)
        with pytest.raises(UsageError, match="without a program"):
            db.start(args=(81,))
        with pytest.raises(UsageError, match="without a program"):
            db.restart(args=(81,))
        with pytest.raises(UsageError, match="no mapping"):
            db.start(serve, env=[])
        with pytest.raises(UsageError, match="too many positional"):
            db.restart(serve, args=(1, 2, 3))
        return db.boots, len(db.processes)

    assert simloop.run(main()) == (0, 1)


def test_a_coroutine_is_no_program():
    """A coroutine in the place of its function is refused, and no warning comes of it."""

    async def main():
        with pytest.raises(UsageError, match=r"serve, args=\(\.\.\.\)"):
            world().add_host("db", serve())

    simloop.run(main())


def test_no_host_is_added_when_the_run_has_ended():
    """A world whose run has ended takes no more hosts, and its hosts start nothing."""
    made = simloop.World()
    host = made.add_host("db")
    simloop.run(asyncio.sleep(1), world=made)
    with pytest.raises(UsageError, match="has ended; add hosts before"):
        made.add_host("web")
    with pytest.raises(UsageError, match="has ended; start it in the run"):
        host.start(serve)
    with pytest.raises(UsageError, match="has ended; restart it in the run"):
        host.restart()


def test_a_host_that_is_off_starts_nothing():
    """Starting a process on a host without power is refused, with the way out."""

    async def main():
        db = world().add_host("db")
        db.crash()
        with pytest.raises(UsageError, match=r"host\.restart\(\)"):
            db.start(serve)
        db.restart()
        with pytest.raises(UsageError, match="no program of its own"):
            db.start()

    simloop.run(main())


def test_the_driver_has_no_power_switch():
    """The machine on which the test runs can neither crash nor boot; it can start processes."""

    async def main():
        driver = world().driver
        with pytest.raises(UsageError, match="cannot crash"):
            driver.crash()
        with pytest.raises(UsageError, match="cannot restart"):
            driver.restart()
        driver.start(serve)
        await asyncio.sleep(1)
        return await ask("localhost"), await ask("driver")

    assert simloop.run(main()) == (b"hello", b"hello")
