"""A program that prints what every source of time and entropy says, twice, in one run."""

# ruff: noqa: DTZ002, DTZ005, DTZ011, ICN001, T201 - a program as programs are

from __future__ import annotations

import datetime
import logging
import os
import random
import secrets
import ssl
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from datetime import date
from datetime import datetime as held_datetime
from os import urandom
from random import SystemRandom
from time import monotonic, perf_counter

from simloop._kernel import Limits, RandomStreams
from simloop._sandbox import Sandbox


class Clock:
    now_ns = 0
    steps = 0
    limits = Limits()

    def now_s(self):
        return self.now_ns / 1e9

    def block(self, duration_ns):
        self.now_ns += duration_ns


@dataclass
class Record:
    made: float = field(default_factory=time.time)
    made_at: held_datetime = field(default_factory=held_datetime.now)
    key: uuid.UUID = field(default_factory=uuid.uuid4)


SOURCES = {
    "time.clocks": lambda: (
        time.time(),
        time.time_ns(),
        time.monotonic(),
        time.monotonic_ns(),
        time.perf_counter(),
        time.perf_counter_ns(),
        time.process_time(),
        time.process_time_ns(),
        time.thread_time(),
        time.thread_time_ns(),
    ),
    "time.held": lambda: (monotonic(), perf_counter()),
    "time.clock_gettime": lambda: time.clock_gettime(time.CLOCK_REALTIME),
    "time.calendar": lambda: (time.gmtime(), time.localtime(), time.ctime(), time.strftime("%c")),
    "time.datetime": lambda: (
        datetime.datetime.now(),
        datetime.datetime.now(datetime.UTC),
        datetime.datetime.today(),
        date.today(),
        held_datetime.now(),
    ),
    "time.log": lambda: (
        logging.makeLogRecord({}).created,
        logging.makeLogRecord({}).relativeCreated,
    ),
    "time.held by a class": lambda: (Record().made, Record().made_at),
    "a key held by a class": lambda: Record().key,
    "random": lambda: (random.random(), random.choice("abc"), random.gauss(0, 1)),
    "Random()": lambda: random.Random().random(),
    "SystemRandom": lambda: SystemRandom().random(),
    "urandom": lambda: (urandom(4), os.getrandom(4)),
    "secrets": lambda: (secrets.token_hex(4), secrets.token_urlsafe(4), secrets.randbits(99)),
    "uuid1": uuid.uuid1,
    "uuid4": uuid.uuid4,
    "temporary name": tempfile.mktemp,
    "ssl": lambda: ssl.RAND_bytes(4),
}


def main():
    for _ in range(2):
        for name, source in SOURCES.items():
            print(name, source())
        time.sleep(86400.5)


with Sandbox(clock=Clock(), streams=RandomStreams(int(sys.argv[1]))):
    main()
