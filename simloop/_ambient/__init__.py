"""The real world's place-holder: the only part of simloop that touches time, entropy and sockets.

A world makes one :class:`Ambient` and enters it around each run of a loop::

    ambient = Ambient(clock=clock, streams=streams, sockets=sockets)
    with ambient:  # or ambient.enter() and ambient.exit()
        ...  # time.time(), os.urandom(), socket.socket() are the world's, on this thread

- ``clock`` has ``now_ns`` and ``block(duration_ns)`` (:class:`Clock`).
- ``streams`` has ``stream(name)``, a ``random.Random`` for each name (:class:`Streams`):
  ``program`` is the ``random`` module's, ``program/os`` the operating system's entropy.
- ``sockets`` (:class:`Sockets`) names the class of virtual sockets, and answers for names and
  virtual descriptors. Without it sockets stay real, and using them is an escape.
- ``signals`` (:class:`Signals`) keeps virtual signal handlers; without it, setting one is an
  escape.
- ``threads`` (:class:`Threads`) says how the run's threads wait for each other; without it they
  wait for real.
- ``become_loop`` makes the loops that the program asks asyncio for; without it they are real.
- ``start_date`` is the wall clock's time at the world's start; 2024-01-01T00:00:00Z by default.

Entering the same ambient again only counts; entering another one pushes it, so that a loop may be
driven from a callback of another world's loop. Everybody else in the process, other threads
included, keeps the real world. A worker thread joins a run by ``with ambient.guest(clock):``.

simloop itself asks the real clock by :mod:`simloop._ambient.real`.

Reading order: ``redirect`` (the trick), ``patches`` (the list), ``runs`` (which thread is where),
``clock``, ``dates``, ``entropy``, ``garbage``, ``hashes``, ``variables``, ``arrays``, ``masks``,
``order``, ``sockets``, ``descriptors``, ``controls``, ``epoll``, ``paths``, ``signals``, ``loops``,
``reads``, ``resolvers``, ``tasks``, ``tls``, ``tls_sockets``, ``threads``, ``waits``, ``imports``,
``allowance`` and ``escapes`` (the guard), and ``ambient``, which puts them together.
"""

from __future__ import annotations

# Most of these are imported for what they register; nothing is patched before a run.
from . import (  # noqa: F401
    arrays,
    calls,
    clock,
    controls,
    dates,
    descriptors,
    epoll,
    escapes,
    hashes,
    imports,
    loops,
    masks,
    order,
    paths,
    reads,
    real,
    resolvers,
    tasks,
    threads,
    tls,
    tls_sockets,
    waits,
)
from .allowance import ALLOWANCES, allow
from .ambient import START_DATE, Ambient, Clock, Guest, Seat
from .garbage import collect, set_aside
from .runs import current
from .signals import Signals, interrupt, leave_interrupts, take_interrupts
from .sockets import Sockets
from .tasks import has_tasks
from .threads import Threads, foreign, join_for_real, wake_all
from .variables import Streams

__all__ = [
    "ALLOWANCES",
    "START_DATE",
    "Ambient",
    "Clock",
    "Guest",
    "Seat",
    "Signals",
    "Sockets",
    "Streams",
    "Threads",
    "allow",
    "collect",
    "current",
    "foreign",
    "has_tasks",
    "interrupt",
    "join_for_real",
    "leave_interrupts",
    "real",
    "set_aside",
    "take_interrupts",
    "wake_all",
]
