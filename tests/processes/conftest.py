"""Two arms: programs of a world that do what the real ones of the same name do."""

from __future__ import annotations

import asyncio
import signal

import pytest

import simloop
import simloop.trace


async def cat(process):
    """Copy what is read to what is written."""
    while data := await process.stdin.read(1 << 16):
        process.stdout.write(data)
        await process.stdout.drain()


async def sleep(process):
    """Sleep for the seconds of the first argument."""
    await asyncio.sleep(float(process.argv[1]))


async def false(_process):
    """Fail."""
    return 1


async def env(process):
    """Print the environment."""
    for name, value in process.env.items():
        process.stdout.write(f"{name}={value}\n".encode())


async def pwd(process):
    """Print the working directory."""
    process.stdout.write(f"{process.cwd}\n".encode())


async def sh(process):
    """Know the few commands that the tests give a shell."""
    command = process.argv[2]
    if command == "echo out; echo err >&2; exit 3":
        process.stdout.write(b"out\n")
        process.stderr.write(b"err\n")
        return 3
    assert command == "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    asked = asyncio.Event()
    process.add_signal_handler(signal.SIGTERM, asked.set)
    process.stdout.write(b"ready\n")
    await asked.wait()
    return 7


PROGRAMS = {each.__name__: each for each in (cat, sleep, false, env, pwd, sh)}


class Arm:
    """One of the two loops that a body runs on."""

    def __init__(self, name):
        self.is_virtual = name == "simulated"

    def run(self, main):
        """Run a coroutine function to its end and return its result."""

        async def body():
            async with asyncio.timeout(20):
                return await main()

        if self.is_virtual:
            world = simloop.World()
            for name, program in PROGRAMS.items():
                world.programs.register(name, program)
            return simloop.run(body(), world=world)
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(body())


@pytest.fixture(params=["simulated", "real"])
def arm(request):
    return Arm(request.param)


@pytest.fixture
def run_with():
    """Run a coroutine function in a world that has the programs given by name."""

    def run(main, **programs):
        outcomes = []
        for _ in range(2):
            world = simloop.World()
            for name, program in programs.items():
                world.programs.register(name, program)

            async def body(world=world):
                return await main()

            digest = simloop.trace.Digest()
            world.watch(digest)
            outcomes.append((simloop.run(body(), world=world), digest.hexdigest()))
        assert outcomes[0] == outcomes[1]
        return outcomes[0][0]

    return run
