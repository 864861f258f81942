"""Words: what a deviation is, in the words of the program's author.

Owns: a sentence for each kind. Must not know how a run is made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.exploration.schedules.schedule import Deviation

__all__ = ["duration", "sentence", "thread_name"]

_CONNECTION = re.compile(r"^(?P<listener>.*) #(?P<number>\d+) (?P<end>client|server)(?P<rest>.*)$")
_PARTS = ("", "only what came first", "1 byte", "half of it", "all but 1 byte")
_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))


def duration(ns: int) -> str:
    """Return a length of time as people write it.

    Example:
        >>> duration(1_500_000_000), duration(230_000), duration(1_000_000_001)
        ('1.5 s', '230 us', '1 s + 1 ns')
    """
    for size, unit in _UNITS:
        if ns >= size:
            if ns % size == 1 and size > 1:
                return f"{ns // size} {unit} + 1 ns"
            return f"{ns / size:.4g} {unit}"
    return "0 s"


_OURS = (
    ("asyncio.futures._set_result_unless_cancelled", "the end of a sleep"),
    ("asyncio.", "asyncio"),
    ("simloop._loop.transports.", "the loop's reading and writing"),
    ("simloop.world.hosts.program_thread.", "the main program"),
    ("simloop.net.", "the arrival of a packet"),
    ("simloop.world.faults.", "a fault"),
    ("simloop.", "the loop"),
)
"""What the author of a program does not know, by how its name begins, and what it is to them."""
_DOTTED = re.compile(r"\b(?:simloop|asyncio)(?:\.\w+|\.<locals>)+")


def _told(name: str) -> str:
    """Return a name with words for what in it is ours or asyncio's.

    Example:
        >>> _told("db/simloop.world.hosts.program_thread.ProgramThread._main in thread 1")
        'db/the main program in thread 1'
    """
    return _DOTTED.sub(
        lambda found: next(w for begin, w in _OURS if found[0].startswith(begin)), name
    )


def _noun(name: str, article: str) -> str:
    """Return a name with an article; what is ours has one, and says behind it on which host.

    Example:
        >>> _noun("sleep of Task-1 (main)", "the")
        'the sleep of Task-1 (main)'
        >>> _noun("db/simloop.net.wire.path.Path._arrive", "the")
        'the arrival of a packet on db'
    """
    host, slash, what = name.rpartition("/")
    if not _DOTTED.fullmatch(what):
        return f"{article} {_told(name)}"
    told = _told(what)
    if told == "the loop":
        told = "some work of the loop's own"
    return f"{told} on {host}" if slash else told


def _step(name: str) -> str:
    """Return what a step is called: ``Task-1: module.function`` is a step of Task-1."""
    task, colon, function = name.partition(": ")
    if colon:
        return f"a step of {task} ({function.rpartition('.')[2]})"
    return _noun(name, "a step of") if name else "the start"


def _woke(name: str, late: str) -> str:
    """Say who woke late: a thread by itself, a loop for what it waited for."""
    if " in thread " in name:
        return f"{_told(name)} woke {late} late"
    return f"the loop woke {late} late for {_noun(name, 'the')}"


def thread_name(name: str) -> str:
    """Return what a thread is called: its number, and what it runs.

    Example:
        >>> thread_name("app.cache.Store.add in thread 2")
        'thread 2 (Store.add)'
        >>> thread_name("simloop.world.hosts.program_thread.ProgramThread._main in thread 1")
        'thread 1 (the main program)'
    """
    what, _, number = name.rpartition(" in thread ")
    told = _told(what)
    if told == what:
        told = what.rpartition("<locals>.")[2]
        told = ".".join(told.split(".")[-2:]) if "<locals>" not in what else told
    return f"thread {number} ({told})"


def _file(name: str) -> str:
    found = _CONNECTION.match(name)
    if found is None:
        return f"the listener {name}" if name.startswith(("tcp ", "unix ")) else name
    end = f"the {found['end']}'s end of connection {found['number']}"
    return f"{end} to {found['listener']}{found['rest']}"


def _looked_up(name: str) -> str:
    """Say what a resolver was asked for: a server that listens everywhere gives it no name."""
    return "the addresses of this machine" if name in {"None", ""} else f"the name {name!r}"


_DELAYED: dict[str, Callable[[str, str], str]] = {
    "stall": lambda name, late: f"after {_step(name)} the loop was away for {late}",
    "cpu": lambda name, late: f"{_step(name)} took {late}",
    "late": _woke,
    "hold": lambda name, late: f"what arrived at {_file(name)} was told {late} later",
    "job": lambda name, late: f"{_told(name)} went on {late} later",
    "done": lambda name, late: f"the end of {_told(name)} was told {late} later",
    "preempt": lambda name, late: f"{thread_name(name.partition(': ')[0])} was held for {late}",
    "name": lambda name, late: f"the answer for {_looked_up(name)} came {late} later",
    "exit": lambda name, late: f"the end of {name} was told {late} later",
    "signal": lambda name, late: f"{name} arrived {late} later",
    "sleep": lambda name, late: f"a sleep of {name} took {late} longer, as I/O would",
}


def sentence(deviation: Deviation, span_ns: tuple[int, int] | None, until: str) -> str:
    """Return what happened otherwise, as a sentence.

    Args:
        deviation: The deviation.
        span_ns: From when to when a delay lasted, in nanoseconds.
        until: What was due then, or "".
    """
    kind, name, value = deviation.kind, deviation.name, deviation.value
    if span_ns is not None and kind in _DELAYED:
        text = _DELAYED[kind](name, duration(span_ns[1] - span_ns[0]))
        return f"{text}{f', {until}' if until else ''}"
    if kind in _OTHERWISE:
        return _OTHERWISE[kind](name, value)
    return f"{kind} {name!r}, time {deviation.nth}: option {value}"


def _of_disk(name: str, value: int) -> str:
    """Return what a disk did, by the name of the question."""
    what, _, part = name.rpartition(": ")
    if part == "folders":
        whose = f" of {what}" if what else ""
        return f"the power cut took the last {value} of the changes of folders{whose}"
    if part == "size":
        return f"the power cut took what changed the size of {what}, or a part (outcome {value})"
    if "overwrite" in part:
        return f"the power cut took {part} of {what}, or a part (outcome {value})"
    return f"{name} (outcome {value})"


_OTHERWISE: dict[str, Callable[[str, int], str]] = {
    "order": lambda name, value: (
        f"number {value + 1} of what had arrived was told before {_file(name)}"
    ),
    "split": lambda name, value: f"a read of {_file(name)} returned {_PARTS[value]}",
    "short": lambda name, value: f"a write to {_file(name)} took {_PARTS[value]}",
    "ready": lambda name, value: (
        f"task {value + 1} of those ready ran in place of {name} (stricter than asyncio)"
    ),
    "fault.disk": _of_disk,
    "flight": lambda name, value: (
        f"a packet on the way {name} took another time that it may take (number {value})"
    ),
    "drop": lambda name, _: f"a datagram on the way {name} was lost",
    "twice": lambda name, _: f"a datagram on the way {name} arrived twice",
    "swap": lambda name, _: f"a datagram on the way {name} was overtaken",
}
