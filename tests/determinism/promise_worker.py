"""A process that runs programs of :mod:`test_promise`, each in a copy of itself.

Reads lines of JSON: the program, its seed, and what is run before it. For each it forks, so that
the copy is a process in which nothing has run yet, and writes a line: the digest, and what the
program printed, logged, returned and asked for. How many objects lie in the way is its argument.
"""

# ruff: noqa: T201 - programs as programs are, and imports in them are the point

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import json
import logging
import os
import random
import secrets
import sys
import tempfile
import threading
import time
import traceback
import uuid
from contextlib import redirect_stderr, redirect_stdout

import simloop


async def sleep(_state, milliseconds):
    await asyncio.sleep(milliseconds / 1000)


async def draw(_state, how):
    print(
        {
            "random": random.random,
            "gauss": lambda: random.gauss(0, 1),
            "shuffle": lambda: random.sample(range(100), 5),
            "own": lambda: random.Random().random(),
            "urandom": lambda: os.urandom(4).hex(),
            "token": lambda: secrets.token_hex(3),
            "uuid1": uuid.uuid1,
            "uuid4": uuid.uuid4,
            "temporary": lambda: tempfile.mktemp(dir="/nowhere"),  # noqa: S306 - its name is what is asked for
        }[how]()
    )


async def tell(_state, what):
    from datetime import datetime

    print(
        {
            "time": time.time,
            "monotonic": time.monotonic,
            "date": lambda: datetime.now().astimezone().isoformat(),
            "machine": lambda: (os.getpid(), os.cpu_count(), os.getuid(), os.uname()),
            "stat": lambda: open("/proc/self/stat").read(),  # noqa: PTH123, SIM115
            "thread": lambda: (threading.get_ident(), threading.current_thread().name),
            "tasks": lambda: sorted(task.get_name() for task in asyncio.all_tasks()),
        }[what]()
    )


async def log(_state, text):
    logging.getLogger("program").warning("%s at %s", text, time.time())


async def load(_state, module):
    """Import a module that no other part of the program needs."""
    print(importlib.import_module(module).__name__)


async def collect(_state, how):
    print(
        {
            "collect": lambda: gc.collect() >= 0,
            "disable": gc.disable,
            "enable": gc.enable,
            "freeze": gc.freeze,
            "unfreeze": gc.unfreeze,
            "state": lambda: (gc.isenabled(), gc.get_threshold(), gc.callbacks),
        }[how]()
    )


class Knot:
    """Garbage that only the collector finds, and that tells when it did."""

    def __init__(self, name):
        self.me, self.name = self, name

    def __del__(self):
        print("collected", self.name, time.monotonic())


async def knot(state, turns):
    """Make garbage, and go on for so many turns, after which it may be collected."""
    state["knots"] = state.get("knots", 0) + 1
    Knot(state["knots"])
    for _ in range(turns):
        await asyncio.sleep(0)


async def wait(_state, count):
    """Iterate the sets that asyncio gives out."""
    tasks = [asyncio.create_task(asyncio.sleep(n % 3 / 100, n)) for n in range(count)]
    done, pending = await asyncio.wait(tasks, timeout=0.015)
    print([task.get_name() for task in done], [task.get_name() for task in pending])
    await asyncio.gather(*pending)


async def futures(_state, count):
    loop = asyncio.get_running_loop()
    made = [loop.create_future() for _ in range(count)]
    print([made.index(future) for future in set(made)])


async def group(state, count):
    """Fail a task group, which cancels its set of children."""

    async def child(number):
        try:
            await asyncio.sleep(1)
        finally:
            print("child", number, "ends")

    async def fail():
        await asyncio.sleep(0.01)
        raise LookupError

    try:
        async with asyncio.TaskGroup() as children:
            for number in range(count):
                children.create_task(child(number))
            children.create_task(fail())
    except* LookupError:
        state["failed"] = True


async def objects(_state, kind):
    """Iterate a set of objects of asyncio or threading."""
    make = {
        "lock": asyncio.Lock,
        "event": asyncio.Event,
        "queue": asyncio.Queue,
        "thread": threading.Thread,
        "thread lock": threading.Lock,
    }[kind]
    made = [make() for _ in range(9)]
    print([made.index(each) for each in set(made)])


async def tuples(_state, value):
    """Iterate a set of tuples."""
    print(list({(number, value) for number in range(9)}))


async def thread(_state, milliseconds):
    def work():
        time.sleep(milliseconds / 1000)
        print("worked in", threading.current_thread().name, random.random())

    worker = threading.Thread(target=work)
    worker.start()
    await asyncio.to_thread(work)
    worker.join()


async def serve(state, size):
    """Send bytes through a connection and back."""

    async def echo(reader, writer):
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(random.randbytes(size))
    writer.write_eof()
    print("port", port, writer.get_extra_info("socket").fileno(), (await reader.read()).hex()[:20])
    writer.close()
    state.setdefault("servers", []).append(server)
    server.close()
    await asyncio.sleep(0)


async def pipe(_state, text):
    receiving, sending = os.pipe()
    os.write(sending, text.encode())
    os.close(sending)
    print(receiving, os.read(receiving, 100))
    os.close(receiving)


async def start(_state, words):
    """Start a registered program."""
    process = await asyncio.create_subprocess_exec(
        "echo", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    print(process.pid, (await process.communicate())[0], process.returncode)


async def echo_program(process):
    await asyncio.sleep(0.01)
    process.stdout.write(f"{process.argv} {os.getpid()} {random.random()}".encode())
    return len(process.argv)


async def fail(_state, _argument):
    raise LookupError("meant")


DEEDS = {
    each.__name__: each
    for each in (
        *(sleep, draw, tell, log, load, collect, knot, wait, futures, group, objects, tuples),
        *(thread, serve, pipe, start, fail),
    )
}


def main_of(program):
    """Return the coroutine function of a program: several tasks, each a list of deeds."""

    async def do(state, deeds):
        for deed, argument in deeds:
            await DEEDS[deed](state, argument)

    async def main():
        asyncio.get_running_loop().world.programs.register("echo", echo_program)
        results = await asyncio.gather(
            *[do({}, deeds) for deeds in program], return_exceptions=True
        )
        return [repr(each) for each in results]

    return main


def run(program, seed):
    """Run a program; return its digest and what it let out."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logging.getLogger().handlers[:] = [handler]
    with redirect_stdout(out), redirect_stderr(out):
        outcome = simloop.simulate(main_of(program), seed=seed, max_steps=400_000)
    if outcome.error is not None:
        out.write("".join(traceback.format_exception_only(outcome.error)))
    return [outcome.digest, outcome.steps, outcome.time_ns, outcome.value, out.getvalue()]


def answer(job):
    """Run what is to be run before, and the program."""
    if "collector" in job:
        {"freeze": gc.freeze, "disable": gc.disable}[job["collector"]]()
    for before, seed in job["before"]:
        run(before, seed)
    return run(job["program"], job["seed"])


def put_in_the_way(count):
    """Take memory, so that objects lie elsewhere than in another process."""
    shape = random.Random(count)
    return [bytearray(shape.randrange(1, 600)) for _ in range(count) if shape.random() < 0.6]


def main():
    in_the_way = put_in_the_way(int(sys.argv[1]))
    for line in sys.stdin:
        sys.stdout.flush()
        receiving, sending = os.pipe()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                os.write(sending, json.dumps(answer(json.loads(line))).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(sending)
        with open(receiving, "rb") as pipe_end:  # noqa: PTH123 - a descriptor
            told = pipe_end.read()
        os.waitpid(pid, 0)
        print(told.decode() or "null", flush=True)
    del in_the_way


if __name__ == "__main__":
    main()
