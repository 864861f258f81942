"""A program that uses simloop from outside, annotated: runs, checks, explorations, histories."""

from __future__ import annotations

import asyncio
import signal
import socket

import simloop


async def main(rounds: int = 3) -> float:
    loop = simloop.current_loop()
    world = simloop.current_world()
    world.names.add("db.internal", "10.0.0.5", "10.0.0.6")
    world.names.fail("lost.internal", socket.EAI_AGAIN)
    world.names.delay("slow.internal", 3)
    world.programs.missing("git")
    for _ in range(rounds):
        await asyncio.sleep(simloop.choose([0.5, 1.0], "pause"))
    simloop.always(lambda: loop.time() < 60, "it is quick")
    if simloop.buggify("slow disk", p=0.1):
        await simloop.cut_short(asyncio.sleep(1))
    return loop.time()


async def interrupted() -> None:
    loop = simloop.current_loop()
    loop.add_signal_handler(signal.SIGTERM, print, "terminated")
    loop.deliver_signal(signal.SIGTERM)


@simloop.hash_by_number
class Connection:
    """Kept in a set."""


class Stack(simloop.Model):
    """A model of one's own."""

    def initial(self) -> tuple[str, ...]:
        return ()

    def step(
        self, items: tuple[str, ...], call: simloop.Call
    ) -> tuple[tuple[str, ...], str | None]:
        if call.op == "push":
            return (*items, call.args[0]), None
        return items[:-1], items[-1]


def judge() -> bool:
    history = simloop.History()
    history.invoke("alice", "push", "a").ok()
    history.invoke("bob", "pop").ok("a")
    verdict: simloop.Verdict = history.check(Stack())
    return verdict.holds


def drive() -> float:
    loop = simloop.SimLoop(seed=1, autojump=False)
    task: asyncio.Task[str] = loop.create_task(asyncio.sleep(5, "slept"))
    loop.run_until(loop.peek(), inclusive=True)
    loop.inject(loop.time(), print, "from outside")
    loop.run_until_idle()
    loop.run_until_complete(task)
    loop.close()
    return loop.time()


def everything() -> None:
    result: float = simloop.run(main(), seed=7)
    outcome: simloop.Outcome[float] = simloop.simulate(main, seed="a word")
    simloop.check(main, seeds=range(3))
    found = simloop.explore(main, schedules=20, delays=simloop.Delays(sleeps=0.5))
    for failure in found.failures:
        schedule: simloop.Schedule = failure.schedule
        print(failure.explain(), schedule.token)
        again: simloop.Outcome[float] = simloop.replay(main, schedule)
        print(again.digest, outcome.value, result)
    swept: simloop.Swept = simloop.sweep(main, seeds=range(10))
    print(swept)
    with asyncio.Runner(loop_factory=simloop.SimLoop) as runner:
        print(runner.run(main()))
    world = simloop.World(seed=3)
    try:
        simloop.run(main(), world=world)
    except simloop.DeadlockError as error:
        print(error)
