"""The real world's place-holder: the only part of simloop that touches time, entropy and sockets.

A world makes one :class:`Sandbox` and enters it around each run of a loop::

    sandbox = Sandbox(clock=clock, streams=streams, sockets=sockets)
    with sandbox:  # or sandbox.enter() and sandbox.exit()
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

Entering the same sandbox again only counts; entering another one pushes it, so that a loop may be
driven from a callback of another world's loop. Everybody else in the process, other threads
included, keeps the real world. A worker thread joins a run by ``with sandbox.for_thread(clock):``.

simloop itself asks the real clock by :mod:`simloop._sandbox.time.real_clock`.

The rooms: :mod:`.patching` (the tricks, and the list of what is patched), :mod:`.time`,
:mod:`.entropy`, :mod:`.io`, :mod:`.files`, :mod:`.asyncio_`, :mod:`.process`, :mod:`.hashing` and
:mod:`.libraries` (what is patched), and :mod:`.killing` (how killed code ends). Beside them stand
:mod:`.run_context` (which thread is in which run), :mod:`.heard_calls` (where one may be
preempted), :mod:`.permissions` and :mod:`.audit_guard` (what is refused), :mod:`.shown_stacks`
(what a program sees of its callers), :mod:`.shown_errors` (what its process shows of errors), and
:mod:`.sandbox`, which puts them together.
"""

from __future__ import annotations

# What is imported for what it registers; nothing is patched before a run.
from . import already_loaded, audit_guard, shown_stacks  # noqa: F401 - the first before all patches
from .asyncio_ import all_tasks, event_loops, future_hashes  # noqa: F401
from .asyncio_.all_tasks import has_tasks
from .contracts import Clock, Identity, Signals, Sockets, Streams, Threads
from .entropy import aiohttp_masks, first_use, numpy_random, openssl_random  # noqa: F401
from .files.passed_files import passed_file
from .files.temporary_names import passed_over
from .hashing import completion_order, hash_of_none, library_classes, standard_classes  # noqa: F401
from .hashing.object_hashes import hash_by_number
from .heard_calls import hear_calls, hear_no_calls
from .io import (  # noqa: F401
    blocking_reads,
    c_ares,
    descriptors,
    epoll,
    fcntl_calls,
    machine_files,
    os_calls,
    socket_paths,
    sockets,
    tls_sockets,
)
from .io.descriptors import wait_no_more
from .io.file_tree import RealTree
from .killing.remains import Remains, end_awaited
from .killing.suspended_code import leave_unfinalized
from .killing.thread_locals import take_locals
from .killing.unwinding import restore, unwind
from .libraries import (  # noqa: F401
    fast_transports,
    interfaces,
    known_libraries,
    loguru_frames,
    sqlite_functions,
    structlog_frames,
    thread_functions,
)
from .patching import import_hook, own_modules, pickled_builtins  # noqa: F401
from .patching.c_functions import clone_method
from .patching.registry import sealed
from .permissions import ALLOWANCES, allow
from .process import (  # noqa: F401
    background_threads,
    exit_functions,
    identity,
    lock_calls,
    machine,
)
from .process.garbage import collect, collect_between_runs, collect_now, freeze_garbage, tidy
from .process.interruptions import Deferring, Disturbed, is_of_user, shield, unshield
from .process.pools import serves_run
from .process.signals import interrupt_handler, leave_interrupts, take_interrupts
from .process.threads import (
    foreign,
    forget_given_up,
    join_for_real,
    join_unrun,
    leave_lines,
    wake_all,
)
from .run_context import RunContext, current, get_ident
from .sandbox import START_DATE, ProcessContext, Sandbox, ThreadSandbox
from .shown_errors import drop_engine_entries, with_own_entries
from .shown_stacks import begins_run, end_at_program
from .time import (  # noqa: F401
    datetimes,
    openssl_dates,
    real_clock,
    time_module,
    wait_clocks,
)
from .time.clock_polls import reads_of_loop
from .time.time_zone import check_zone

__all__ = [
    "ALLOWANCES",
    "START_DATE",
    "Clock",
    "Deferring",
    "Disturbed",
    "Identity",
    "ProcessContext",
    "RealTree",
    "Remains",
    "RunContext",
    "Sandbox",
    "Signals",
    "Sockets",
    "Streams",
    "ThreadSandbox",
    "Threads",
    "allow",
    "begins_run",
    "check_zone",
    "clone_method",
    "collect",
    "collect_between_runs",
    "collect_now",
    "current",
    "drop_engine_entries",
    "end_at_program",
    "end_awaited",
    "foreign",
    "forget_given_up",
    "freeze_garbage",
    "get_ident",
    "has_tasks",
    "hash_by_number",
    "hear_calls",
    "hear_no_calls",
    "interrupt_handler",
    "is_of_user",
    "join_for_real",
    "join_unrun",
    "leave_interrupts",
    "leave_lines",
    "leave_unfinalized",
    "passed_file",
    "passed_over",
    "reads_of_loop",
    "real_clock",
    "restore",
    "sealed",
    "serves_run",
    "shield",
    "take_interrupts",
    "take_locals",
    "tidy",
    "unshield",
    "unwind",
    "wait_no_more",
    "wake_all",
    "with_own_entries",
]
