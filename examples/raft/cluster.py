"""Three machines that run ``raft.py``, what must hold of them, and a search for mistakes.

    python examples/raft/cluster.py

On each machine there is a server and a user of it, so that a machine that is cut off from the
others has somebody to talk to. Machines lose their power, ways are cut, clocks are wrong; what must
hold is looked at after each step, and what the users were told is checked at the end.
"""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import closing
from functools import partial
from itertools import count, cycle
from typing import Any

from raft import COUNTS_OLD_TERMS, MISTAKES, Entry, Line, Raft

import simloop

NAMES = ("s1", "s2", "s3")
ALL_KINDS = simloop.Faults(until=12)
LONG_CUTS = simloop.Faults(partition=simloop.Often(every=1.2, lasting=2.5), until=15)
"""One server after the other is cut off, each for as long as others take to elect a leader."""


class Cluster:
    """What is known of all machines: what the paper's figure 3 says of them, as properties."""

    def __init__(self) -> None:
        self.servers: dict[str, Raft] = {}  # Those that run, or ran last.
        self.history = simloop.History()
        self.leaders: dict[int, str] = {}  # By term.
        self.chosen: list[tuple[Entry, int]] = []  # Each with the term in which it was committed.
        self.entries: dict[tuple[int, int], tuple[Any, int]] = {}
        self.seen: dict[object, object] = {}

    def state_properties(self) -> None:
        """Let them hold from now on."""
        simloop.always(self.election_safety, "election safety", every="turn")
        simloop.always(self.log_matching, "log matching", every="turn")
        simloop.always(self.state_machine_safety, "state machine safety", every="turn")
        simloop.always(self.leader_completeness, "leader completeness", every="turn")
        simloop.always(self.electability, "electability", every="turn")

    def is_new(self, what: object, state: object) -> bool:
        """Return whether this changed since it was asked for last, so that looking is cheap."""
        is_new = self.seen.get(what) != state
        self.seen[what] = state
        return is_new

    def election_safety(self) -> bool:
        """There is at most one leader in a term."""
        return all(
            self.leaders.setdefault(each.term, each.name) == each.name
            for each in self.servers.values()
            if each.role == "leader"
        )

    def log_matching(self) -> bool:
        """Entries of the same index and term are the same, and so are those before them."""
        for server in self.servers.values():
            log = server.log
            if self.is_new(("log", server), (len(log), log[-1].term)):
                for index, entry in enumerate(log[1:], 1):
                    value = entry.command, log[index - 1].term
                    if self.entries.setdefault((index, entry.term), value) != value:
                        return False
        return True

    def state_machine_safety(self) -> bool:
        """What one server has applied at an index, no server has applied otherwise."""
        for server in self.servers.values():
            if self.is_new(("committed", server), server.committed):
                for index in range(1, server.committed + 1):
                    if index > len(self.chosen):
                        self.chosen.append((server.log[index], server.term))
                    elif server.log[index : index + 1] != [self.chosen[index - 1][0]]:
                        return False
        return True

    def leader_completeness(self) -> bool:
        """A leader has all entries that were committed in earlier terms."""
        return all(
            self.has_all(each.log, each.term)
            for each in self.servers.values()
            if each.role == "leader"
            and self.is_new(("leader", each), (each.term, len(self.chosen)))
        )

    def electability(self) -> bool:
        """A server that a majority would elect has all that is committed."""
        logs = [server.log for server in self.servers.values()]
        ends = [(log[-1].term, len(log)) for log in logs]
        if self.is_new("ends", [len(self.chosen), *ends]):
            for log, end in zip(logs, ends, strict=True):
                if 2 * sum(end >= other for other in ends) > len(NAMES) and not self.has_all(log):
                    return False
        return True

    def has_all(self, log: list[Entry], before: float = math.inf) -> bool:
        """Return whether a log has all that was committed in terms before this one."""
        return all(
            log[index : index + 1] == [entry]
            for index, (entry, term) in enumerate(self.chosen, 1)
            if term < before
        )


def register() -> Any:
    """Return the state machine that the logs are for: one value, which is written and read."""
    value = None

    def apply(command: Any) -> Any:
        nonlocal value
        if command[0] == "write":
            value = command[1]
            return None
        return value

    return apply


async def machine(name: str, cluster: Cluster, mistake: str) -> None:
    """Run a server, and a user of it."""
    server = cluster.servers[name] = Raft(name, NAMES, register(), mistake)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        tasks.create_task(use(name, cluster.history))


async def use(name: str, history: simloop.History) -> None:
    """Write and read now and then, by the server of this machine."""
    client = f"{name} {simloop.current_world().hosts[name].boots}"  # Another one after each boot.
    with closing(Line(name)) as line:
        for number in count():
            await asyncio.sleep(random.uniform(0.5, 2.0))
            if random.random() < 0.5:
                await submit(line, history, client, "write", f"{client} {number}")
            else:
                await submit(line, history, client, "read")


async def submit(line: Line, history: simloop.History, client: str, *command: Any) -> bool:
    """Send a command to a server; record what came of it, and return whether it was done."""
    operation = history.invoke(client, *command)
    answer = await line.ask({"kind": "command", "command": command}, within=1.0)
    if answer is None:
        operation.unknown()
    elif "result" in answer:
        operation.ok(answer["result"])
    else:
        operation.failed()  # It does not lead, and has not taken it.
    return operation.outcome == "ok"


async def read_at_last(history: simloop.History) -> None:
    """Read, from whichever server leads."""
    for name in cycle(NAMES):
        with closing(Line(name)) as line:
            if await submit(line, history, "driver", "read"):
                return
        await asyncio.sleep(0.2)


async def main(mistake: str = "", faults: simloop.Faults = ALL_KINDS) -> None:
    """Let all go wrong for a while, and then all go well."""
    world, cluster = simloop.current_world(), Cluster()
    for name in NAMES:
        world.add_host(name, machine, args=(name, cluster, mistake))
    cluster.state_properties()
    campaign = world.inject(faults)
    await campaign.healed()
    async with asyncio.timeout(30):
        await read_at_last(cluster.history)
    cluster.history.check(simloop.Register())


def search(mistake: str = "", schedules: int = 500, **options: Any) -> Any:
    """Look for a schedule of faults that breaks the servers with this mistake."""
    faults = LONG_CUTS if mistake == COUNTS_OLD_TERMS else ALL_KINDS
    delays = simloop.Delays(each=0.05, total=1.0)  # A step that takes seconds is a pause, a fault.
    program = partial(main, mistake, faults)
    return simloop.explore(program, schedules=schedules, delays=delays, **options)


if __name__ == "__main__":
    for mistake in MISTAKES:
        (failure,) = search(mistake).failures
        print(f"A server that {mistake}, found in schedule {failure.found_at}:")
        print(failure.explain())
    print(search(schedules=100))
