"""A program that prints what every source of time and entropy says, wherever in a run it is asked.

``sources.py SEED``. Names that begin with ``time`` are the same for all seeds.
"""

# ruff: noqa: DTZ002, DTZ003, DTZ005, DTZ011, S306, SIM115, T201 - a program as programs are

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import importlib.util
import logging
import os
import queue
import random
import secrets
import ssl
import sys
import tempfile
import threading
import time
import timeit
import uuid
import warnings
import weakref
from dataclasses import dataclass, field
from datetime import date, datetime
from os import getrandom, urandom
from pathlib import Path
from random import SystemRandom, choice, shuffle
from secrets import token_hex
from time import monotonic, perf_counter, time_ns
from uuid import uuid1, uuid4

import simloop

warnings.simplefilter("ignore", DeprecationWarning)


class Moment(datetime):
    """A program's own subclass."""


class Dice(random.Random):
    """A program's own generator, which nobody seeds."""


@dataclass
class Record:
    """Holds its sources since before the run."""

    made: float = field(default_factory=time.time)
    made_at: datetime = field(default_factory=datetime.now)
    made_on: date = field(default_factory=date.today)
    moment: Moment = field(default_factory=Moment.now)
    key: uuid.UUID = field(default_factory=uuid.uuid4)


def in_default(now=time.monotonic, draw=random.random):
    return now(), draw()


def draw_in_place():
    items = list(range(20))
    shuffle(items)
    return items


def record_of_a_log():
    record = logging.makeLogRecord({"msg": "x"})
    text = logging.Formatter("%(asctime)s").format(record)
    return record.created, record.relativeCreated, record.msecs, text


def name_of_a_file():
    with tempfile.NamedTemporaryFile(delete=False) as file:
        path = Path(file.name)
    path.unlink()
    return path.name


def arrays():
    """Draw from numpy, if it is there."""
    if importlib.util.find_spec("numpy") is None:
        return ()
    import numpy as np

    return (
        np.random.rand(),  # noqa: NPY002 - programs do
        np.random.default_rng().random(),
        np.random.RandomState().rand(),
        np.random.SeedSequence().entropy,
    )


class Thing:
    """Goes into a weak set."""


def collected():
    """Collect a cycle, and say so."""
    told = []
    thing = Thing()
    thing.itself = thing
    weakref.finalize(thing, told.append, "gone")
    return told


SOURCES = {
    "time of clocks": lambda: (
        *(time.time(), time.time_ns(), time.monotonic(), time.monotonic_ns()),
        *(time.perf_counter(), time.perf_counter_ns(), time.process_time(), time.process_time_ns()),
        *(time.thread_time(), time.thread_time_ns(), timeit.default_timer()),
    ),
    "time of held clocks": lambda: (monotonic(), perf_counter(), time_ns()),
    "time by number": lambda: (
        time.clock_gettime(time.CLOCK_REALTIME),
        time.clock_gettime_ns(time.CLOCK_MONOTONIC),
    ),
    "time of the process": os.times,
    "time of calendars": lambda: (
        *(time.gmtime(), time.localtime(), time.ctime(), time.asctime(), time.strftime("%c")),
        *(email.utils.formatdate(), email.utils.localtime()),
    ),
    "time of datetime": lambda: (
        *(dt.datetime.now(), dt.datetime.now(dt.UTC), dt.datetime.today(), dt.datetime.utcnow()),
        *(date.today(), datetime.now(), Moment.now(), Moment.utcnow(), Moment.today()),
    ),
    "time of records": lambda: (Record().made, Record().made_at, Record().made_on, Record().moment),
    "time of logs": record_of_a_log,
    "a key held by a class": lambda: Record().key,
    "defaults": in_default,
    "random": lambda: (
        random.random(),
        choice("abcdefgh"),
        random.gauss(0, 1),
        random.randbytes(4),
    ),
    "shuffle": draw_in_place,
    "Random()": lambda: (random.Random().random(), Dice().random()),
    "SystemRandom": lambda: SystemRandom().random(),
    "urandom": lambda: (urandom(4), getrandom(4), Path("/dev/urandom").open("rb").read(4)),
    "secrets": lambda: (token_hex(4), secrets.token_urlsafe(4), secrets.randbits(99)),
    "uuid1": lambda: (uuid1(), uuid.uuid1(), uuid.getnode()),
    "uuid4": lambda: (uuid4(), uuid.uuid4()),
    "uuid7": lambda: (uuid.uuid6(), uuid.uuid7()) if hasattr(uuid, "uuid7") else uuid4(),
    "temporary names": lambda: (Path(tempfile.mktemp()).name, name_of_a_file()),
    "message id": lambda: email.utils.make_msgid().split(".")[2],
    "ssl": lambda: ssl.RAND_bytes(4),
    "numpy": arrays,
}


def ask(where):
    for name, source in SOURCES.items():
        if name == "numpy" and not source():
            continue
        print(name, where, source())


async def main():
    began = time.monotonic()
    ask("on the loop")
    await asyncio.sleep(86_400.5)
    await asyncio.to_thread(ask, "in a job")
    time.sleep(3600)
    answers = queue.Queue()
    thread = threading.Thread(target=lambda: answers.put(ask("in a thread")))
    thread.start()
    await asyncio.to_thread(answers.get)
    tasks = [asyncio.create_task(asyncio.sleep(random.random())) for _ in range(20)]
    print("tasks", [task.get_name() for task in asyncio.all_tasks()])
    print("done", [task.get_name() for task in (await asyncio.wait(tasks))[0]])
    print("weak", len(weakref.WeakSet(tasks)))
    told = [collected() for _ in range(50)]
    for step in range(60_000):
        await asyncio.sleep(0)
        if step % 5000 == 0:
            print("collected", step, sum(map(len, told)))
    print("time passed", time.monotonic() - began)


simloop.run(main(), seed=int(sys.argv[1]))
