"""The errors of simloop, told apart by whose fault they are.

Owns: one abstract base and one leaf per kind of blame. A message says what, the value, and the way
out. Network faults are not here: the program under simulation sees the ``OSError`` and the errno
that Linux gives it.
"""

from __future__ import annotations

__all__ = [
    "DeadlockError",
    "EscapeError",
    "LimitError",
    "NondeterminismError",
    "PropertyError",
    "SimError",
    "UnsupportedError",
    "UsageError",
]


class SimError(Exception):
    """The base of every error that simloop itself raises.

    Example:
        >>> import simloop
        >>> try:
        ...     simloop.SimLoop(start_time=-1)
        ... except simloop.SimError as error:
        ...     print(type(error).__name__)
        UsageError
    """


class UsageError(SimError, RuntimeError):
    """You called simloop in a way that has no meaning; nothing was changed.

    Example:
        >>> import simloop
        >>> loop = simloop.SimLoop()
        >>> loop.run_for(-1)
        Traceback (most recent call last):
        ...
        simloop.errors.UsageError: run_for(-1): time does not go back; give seconds from 0 on
        >>> loop.close()
    """


class UnsupportedError(SimError, NotImplementedError):
    """You asked for a part of asyncio or of the system that simloop refuses.

    The message names the thing, the reason and the way out. It is a ``NotImplementedError`` too,
    which is what programs that can do without the feature already expect from a loop.

    Example:
        >>> import asyncio, simloop
        >>> simloop.run(asyncio.create_subprocess_exec("git", "status"))
        Traceback (most recent call last):
        ...
        simloop.errors.UnsupportedError: ... no program 'git' is registered ...
            world.programs.register('git', main)  # async def main(process) -> exit code
        ...
    """


class DeadlockError(SimError, RuntimeError):
    """Nothing is ready and no deadline is left: the program can never go on.

    The message lists each pending task, what it waits for, and where.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     await asyncio.Event().wait()
        >>> simloop.run(main())
        Traceback (most recent call last):
        ...
        simloop.errors.DeadlockError: ... 1 pending task:
        <BLANKLINE>
          Task-1 (main) waits for the event (Event), since 0.0 s
            at ... in main
        ...
    """

    places: tuple[str, ...] = ()
    """Where the pending tasks wait, ``file:line in function`` each, in order of their creation."""


class LimitError(SimError, RuntimeError):
    """The run passed a limit: of steps, of virtual time, or of steps at one instant.

    Example:
        >>> import asyncio, simloop
        >>> simloop.run(asyncio.sleep(60), max_time=30)
        Traceback (most recent call last):
        ...
        simloop.errors.LimitError: the next deadline is at 60.0 s ... raise max_time to go on
    """


class EscapeError(SimError, RuntimeError):
    """The program reached for the real world (a socket, a process, a name) from inside a run.

    The message names the call and both ways out: what to do instead, and :func:`simloop.allow`.

    Example:
        >>> import subprocess, simloop
        >>> async def main():
        ...     subprocess.run(["true"])
        >>> simloop.run(main())
        Traceback (most recent call last):
        ...
        simloop.errors.EscapeError: subprocess.Popen(...) from inside a run: ...
    """


class NondeterminismError(SimError, AssertionError):
    """Two runs of one seed differed; the message names the first step that did, and a cause.

    Where what they printed differs, it shows the first such line of both. A program that fails in
    the same way in each run is no such case: ``check`` raises the program's own error.

    Example:
        >>> import asyncio, simloop
        >>> runs = []
        >>> async def main():
        ...     runs.append(1)
        ...     await asyncio.sleep(len(runs))
        >>> simloop.check(main, seeds=[0])
        Traceback (most recent call last):
        ...
        simloop.errors.NondeterminismError: runs 1 and 2 of seed 0 differ; step 0 differs:
        ...
    """


class PropertyError(SimError, AssertionError):
    """A property of the program does not hold: what was to be always, once, or never was not.

    The message names the property, the virtual time and the step; that of a history's check is a
    report with a timeline.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "read").ok(7)
        >>> history.check(simloop.Register())
        Traceback (most recent call last):
        ...
        simloop.errors.PropertyError: not linearizable: alice: read() gave 7, ...
    """

    places: tuple[str, ...] = ()
    """Which property it was, where no line of the program raised it."""
