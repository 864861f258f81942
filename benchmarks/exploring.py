"""How many schedules a second explorations run, ours and the peers', on the peers' quick starts.

Beside them, how many runs a second a sweep over seeds makes of a tiny program, and how a schedule
of it compares with a run by `simulate`.

    python benchmarks/exploring.py [--peers FOLDER] [--rounds 5] [--schedules 500] [--json FILE]

The programs are those that the peers show first, written anew: two writes of an order service
(detangle), a counter that three workers raise (simloom), a counter behind a server (simloop of the
public index), a client that sends again when no answer comes (seedloop). What they assert is left
out, so that no search ends early. Each runs in every tool that can run it, by the tool's own
`explore` with its own settings, but without a file of findings.

`sleeps` is twenty sleeps in ten tasks, 63 steps, run with one seed after the other: by
`simloop.sweep`, `seedloop.check`, `simloom.run`, `detangle.execute`. The last line is ours, in one
process by turns: a schedule of `sleeps` under the strategy timing, by a `simulate` of it.

A measurement is a process of its own that explores once to get warm and then once more, and tells
the CPU time of that. Rounds take turns among tools, and the least time counts. Peers live in
environments of their own, folders of one folder; `corpus.py` says how to make them. A dash is a
program that a tool can't run. seedloop keeps the order of what is ready and its quick start has a
network of its own: elsewhere its runs do not differ.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

ROOT = Path(__file__).resolve().parents[1]
LATENCY = (0.001, 0.05)  # Seconds; the quick start with a server sets it.


class Here:
    """Where a program runs: everything on one machine, which it reaches as 127.0.0.1."""

    address = "127.0.0.1"  # Of the server.
    mine = "127.0.0.1"

    def start(self, machine: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task on a machine."""
        del machine
        return asyncio.create_task(work)

    async def bind(self, number: int) -> Any:
        """Return a mailbox with the number of an address."""
        mailbox = Mailbox(self.mine)
        loop = asyncio.get_running_loop()
        address = (self.mine, 9000 + number)
        await loop.create_datagram_endpoint(lambda: mailbox, local_addr=address)
        return mailbox


class Mailbox(asyncio.DatagramProtocol):
    """Numbers that come and go as datagrams.

    Args:
        address: Of the machine.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._arrived: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what sends."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Keep what has come."""
        self._arrived.put_nowait((addr[1] - 9000, int(data)))

    async def send(self, number: int, request: int) -> None:
        """Send a number."""
        self._transport.sendto(b"%d" % request, (self._address, 9000 + number))

    async def recv(self) -> tuple[int, int]:
        """Return who sent a number, and it."""
        return await self._arrived.get()


# The programs -----------------------------------------------------------------------------------


async def orders(_here: Here) -> None:
    """Create an order and ship it, each with a write that takes 5 ms."""
    events: list[str] = []

    async def write(event: str) -> None:
        await asyncio.sleep(0.005)
        events.append(event)

    await asyncio.gather(write("created"), write("shipped"))


async def workers(_here: Here) -> None:
    """Let three workers raise a number three times each, giving way after each reading."""
    number = 0

    async def raise_it() -> None:
        nonlocal number
        for _ in range(3):
            seen = number
            await asyncio.sleep(0)
            number = seen + 1

    await asyncio.gather(*(raise_it() for _ in range(3)))


async def service(here: Here) -> None:
    """Raise a number twice that a server keeps, from two machines, the second 0.2 s later."""
    number = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        request = await reader.readline()
        if request == b"get\n":
            writer.write(b"%d\n" % number)
        else:
            number = int(request)
            writer.write(b"ok\n")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(handle, here.address, 8080)
        async with server:
            await server.serve_forever()

    async def ask(request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(here.address, 8080)
        writer.write(request)
        answer = await reader.readline()
        writer.close()
        return answer

    async def raise_it() -> None:
        seen = int(await ask(b"get\n"))
        await ask(b"%d\n" % (seen + 1))

    serving = here.start(here.address, serve())
    await asyncio.sleep(1)
    first = here.start("a", raise_it())
    await asyncio.sleep(0.2)
    await asyncio.gather(first, here.start("b", raise_it()))
    serving.cancel()
    await asyncio.wait([serving])


async def retries(here: Here) -> None:
    """Send a request until it is answered, 30 ms each; the server remembers what it has done."""
    server, client = await here.bind(1), await here.bind(0)
    done: list[int] = []

    async def serve() -> None:
        while True:
            sender, request = await server.recv()
            if request not in done:
                done.append(request)
            await server.send(sender, request)

    async def ask() -> None:
        while True:
            await client.send(1, 7)
            try:
                await asyncio.wait_for(client.recv(), 0.03)
            except TimeoutError:
                continue
            return

    both = [asyncio.create_task(serve()), asyncio.create_task(ask())]
    await asyncio.sleep(1)
    for task in both:
        task.cancel()
    await asyncio.wait(both)


async def sleeps(_here: Here) -> None:
    """Let ten tasks sleep twice each."""

    async def sleep(number: int) -> None:
        await asyncio.sleep(0.01 * number)
        await asyncio.sleep(0.01)

    await asyncio.gather(*(sleep(number) for number in range(1, 11)))


PROGRAMS: dict[str, Any] = {each.__name__: each for each in (orders, workers, service, retries)}
OWNERS = {
    "orders": "detangle",
    "workers": "simloom",
    "service": "simloop-pypi",
    "retries": "seedloop",
    "sleeps": "(by seeds)",
}


# The tools --------------------------------------------------------------------------------------


def by_simloop(program: Any, schedules: int) -> int:
    """Explore with this project's own."""
    import simloop  # noqa: PLC0415 - each tool may be missing, and two have one name

    async def main() -> None:
        await program(Here())

    found = simloop.explore(main, schedules=schedules)  # type: ignore[attr-defined,unused-ignore]
    _refuse_failure(found.failures)
    return found.ran


def by_detangle(program: Any, schedules: int) -> int:
    """Explore with detangle."""
    import detangle  # noqa: PLC0415 - the same

    async def main() -> None:
        await program(Here())

    stats = detangle.explore(main, runs=schedules, database=False, net={"latency": LATENCY})
    return int(stats.runs)


def by_simloom(program: Any, schedules: int) -> int:
    """Explore with simloom."""
    import simloom  # noqa: PLC0415 - the same

    async def main(world: Any) -> None:
        world.net.set_latency(*LATENCY)
        await program(Here())

    found = simloom.explore(main, runs=schedules)
    _refuse_failure(found.failures)
    return int(found.runs)


def by_simloop_pypi(program: Any, schedules: int) -> int:
    """Explore with the package called simloop on the public index, on its machines."""
    import simloop  # noqa: PLC0415 - the same

    class Machines(Here):
        address, mine = "counter", "driver"

        def start(self, machine: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
            loop: Any = asyncio.get_running_loop()
            task: asyncio.Task[Any] = loop.net.host(machine).create_task(work)
            return task

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.net.set_defaults(latency=LATENCY)
        await program(Machines())

    explore: Any = simloop.explore  # type: ignore[attr-defined,unused-ignore]
    _refuse_failure(explore(main, range(schedules)))
    return schedules


def by_seedloop(program: Any, schedules: int) -> int:
    """Check with seedloop, on its network."""
    import seedloop  # noqa: PLC0415 - the same

    async def scenario(world: Any) -> None:
        class Simulated(Here):
            async def bind(self, number: int) -> Any:
                return world.net.bind(number)

        await program(Simulated())

    return int(seedloop.check(scenario, seeds=schedules).checked)


# By seeds: one world each, nothing disturbed.


def sweep_by_simloop(program: Any, seeds: int) -> int:
    """Run seeds by this project's own."""
    import simloop  # noqa: PLC0415 - as above

    async def main() -> None:
        await program(Here())

    return simloop.sweep(main, seeds=range(seeds)).ran  # type: ignore[attr-defined,unused-ignore]


def sweep_by_simloom(program: Any, seeds: int) -> int:
    """Run seeds by simloom."""
    import simloom  # noqa: PLC0415 - the same

    async def main(_world: Any) -> None:
        await program(Here())

    for seed in range(seeds):
        simloom.run(main, seed=seed)
    return seeds


def sweep_by_detangle(program: Any, seeds: int) -> int:
    """Run a program so often by detangle; what it draws is nothing to this one."""
    import detangle  # noqa: PLC0415 - the same

    async def main() -> None:
        await program(Here())

    for _ in range(seeds):
        detangle.execute(main)
    return seeds


def _refuse_failure(found: object) -> None:
    if found:
        raise RuntimeError(f"the program failed, so the search ended early: {str(found)[:500]}")


@dataclass(frozen=True)
class Tool:
    """What explores, what sweeps over seeds, and the folder of its environment.

    This project's own is in none. What has no sweep can't do one.
    """

    explore: Callable[[Any, int], int]
    sweep: Callable[[Any, int], int] | None = None
    environment: str | None = None


TOOLS = {
    "simloop": Tool(by_simloop, sweep_by_simloop),
    "detangle": Tool(by_detangle, sweep_by_detangle, "detangle"),
    "simloom": Tool(by_simloom, sweep_by_simloom, "simloom"),
    "simloop-pypi": Tool(by_simloop_pypi, None, "simloop"),
    "seedloop": Tool(by_seedloop, by_seedloop, "seedloop"),
}
SUBJECT = "simloop"
SWEPT = "sleeps"
ROWS: dict[str, Any] = {**PROGRAMS, SWEPT: sleeps}


# Measuring --------------------------------------------------------------------------------------


def measure(tool: str, program: str, schedules: int) -> float:
    """Return the CPU seconds of one schedule, in this process."""
    search = TOOLS[tool].sweep if program == SWEPT else TOOLS[tool].explore
    if search is None:
        raise RuntimeError(f"{tool} has no sweep over seeds")
    search(ROWS[program], max(1, schedules // 10))
    began = time.process_time()
    ran = search(ROWS[program], schedules)
    return (time.process_time() - began) / ran


def by_one_run(schedules: int, rounds: int = 5) -> float:
    """Return what a schedule of the tiny program costs, by what one `simulate` of it does."""
    import simloop  # noqa: PLC0415 - as above

    async def main() -> None:
        await sleeps(Here())

    def explore() -> None:
        by_simloop(sleeps, schedules)

    def simulate() -> None:
        for _ in range(schedules):
            simloop.simulate(main)  # type: ignore[attr-defined,unused-ignore]

    least = dict.fromkeys((explore, simulate), float("inf"))
    for _ in range(rounds):
        for run in least:
            began = time.process_time()
            run()
            least[run] = min(least[run], time.process_time() - began)
    return least[explore] / least[simulate]


def measure_apart(
    tool: str, program: str, schedules: int, peers: Path | None, seconds: float
) -> float | None:
    """Return what :func:`measure` does in a process of the tool's; None where it can't run."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment, python = TOOLS[tool].environment, sys.executable
    if environment is None:
        environ["PYTHONPATH"] = str(ROOT)
    else:
        assert peers is not None
        python = str(peers / environment / "bin" / "python")
    command = [python, __file__, "--one", tool, program, "--schedules", str(schedules)]
    try:
        done = subprocess.run(  # noqa: S603 - our own file
            command, env=environ, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else float(done.stdout)


def table(least: dict[str, dict[str, float | None]]) -> str:
    """Return schedules a second by program and tool, and how many times as many ours are."""
    tools = [*next(iter(least.values()))]
    lines = [f"{'runs/s':12}" + "".join(f"{tool:>21}" for tool in tools) + "   quick start of"]
    for program, costs in least.items():
        ours = costs.get(SUBJECT)
        cells = ""
        for tool, cost in costs.items():
            text = "-" if cost is None else f"{1 / cost:,.0f}"
            if cost is not None and ours is not None and tool != SUBJECT:
                text += f" ({cost / ours:.2f})"
            cells += f"{text:>21}"
        lines.append(f"{program:12}{cells}   {OWNERS[program]}")
    return "\n".join([*lines, "in brackets: ours a second by the peer's"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments ask for, print the table and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peers", type=Path, metavar="FOLDER", help="of the peers' environments; none: no peers")
    add("--only", metavar="A,B", help="only these programs")
    add("--rounds", type=int, default=5, help="measurements of each, the least counts (default: 5)")
    add("--schedules", type=int, default=500, help="of a measurement (default: 500)")
    add("--seconds", type=float, default=120, help="then one is given up (default: 120)")
    add("--json", type=Path, metavar="FILE", help="write the CPU seconds of a schedule as JSON")
    add("--one", nargs=2, metavar=("TOOL", "PROGRAM"), help="measure here, and print the seconds")
    options = parser.parse_args(arguments)
    if options.one:
        print(measure(*options.one, options.schedules))
        return
    programs = options.only.split(",") if options.only else [*ROWS]
    tools = [
        name
        for name, tool in TOOLS.items()
        if tool.environment is None
        or (options.peers and (options.peers / tool.environment).is_dir())
    ]
    least: dict[str, dict[str, float | None]] = {
        program: dict.fromkeys(tools) for program in programs
    }
    for number in range(options.rounds):
        for program in programs:
            for tool in tools:
                if number and least[program][tool] is None:
                    continue  # It can't.
                cost = measure_apart(
                    tool, program, options.schedules, options.peers, options.seconds
                )
                known = least[program][tool]
                if cost is not None and (known is None or cost < known):
                    least[program][tool] = cost
    print(f"Python {sys.version.split()[0]}, {options.rounds} rounds of {options.schedules}\n")
    print(table(least))
    if SWEPT in programs:
        ratio = by_one_run(options.schedules, options.rounds)
        print(f"\na schedule of {SWEPT} under timing, by one simulate of it: {ratio:.2f}")
    if options.json:
        options.json.write_text(json.dumps(least, indent=2) + "\n")


if __name__ == "__main__":
    main()
