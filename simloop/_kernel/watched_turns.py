"""Turns of a run that is watched by one observer, or whose kernel carries several loops.

Owns: two copies of the plain turn, each with one thing more. A run with a digest takes the first, a
world with hosts the second. What is rarer takes ``Kernel._turn_observed``, which does everything.

A loop whose process is stopped has a *stash*: its callbacks go there when their turn comes, and
back into the ready queue, in the same order, when the process goes on. So what was due meanwhile
is late, as it is after a SIGCONT (signal(7)).

Must not know: processes.

Invariants:

- "Run a handle" is spelt as in ``Kernel._turns``: tests/kernel/test_run_a_handle.py holds the
  copies equal.
- A callback of a loop with a stash does not run, and is no step.
"""

from __future__ import annotations

from functools import wraps
from itertools import repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .handles import Handle, TimerHandle
    from .kernel import Kernel

    _Tell = Callable[[int, Handle | TimerHandle], object]

__all__ = ["FEW", "MANY", "in_a_frame", "turns_of_many_loops", "turns_with_sole_observer"]


MANY = 16
FEW = tuple((None,) * count for count in range(MANY))
"""To be iterated in the place of what ``repeat`` gives, at half its cost: most turns are short."""


class _Stoppable(Protocol):
    """What is asked whether to go on."""

    _stopping: bool


def turns_with_sole_observer(  # noqa: C901,PLR0912 - flat, as the plain turn is
    kernel: Kernel, count: int, loop: _Stoppable, tell: _Tell
) -> None:
    """Run a turn of ``count`` callbacks, and others, telling the one observer that there is.

    They are plain turns with one call more, and come one after the other while no more is to
    be done between them than a jump. A run with a digest (``simulate``, ``check``, the pytest
    plugin) takes this way. The refused alternative, ``Kernel._turn_observed`` for it too, costs
    1.38 times as much in a chain of ``call_soon`` and 1.15 times in ``sleep(0)``. Of the copies
    this one gains least: if it gets in the way, it is the first to go.
    """
    ready, io_ready, overdue, limits = (
        kernel.ready,
        kernel.io_ready,
        kernel.wheel.overdue,
        kernel.limits,
    )
    popleft = ready.popleft
    handle: Handle | TimerHandle | None
    args: Any
    try:
        while True:
            rest = iter(FEW[count]) if count < MANY else repeat(None, count)
            try:
                for _ in rest:
                    handle = popleft()
                    callback, args = handle._callback, handle._args
                    if callback is None:
                        kernel.steps -= 1
                        continue
                    tell(kernel.now_ns, handle)
                    try:
                        if len(args) == 1:
                            result = handle._context.run(callback, args[0])
                        else:
                            result = handle._context.run(callback, *args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # noqa: BLE001 - the world survives any callback
                        handle._report(error)
                    else:
                        if result is not None:
                            handle._returned(result)
                    # Asked after each callback, unlike in a plain turn: an observer that
                    # has left must not be told of the next step, and one that came must be.
                    if tell is not kernel._sole_observer:
                        break
            except BaseException:
                kernel._break_off(rest)
                raise
            if tell is not kernel._sole_observer:
                return kernel._turn_observed(length_hint(rest))
            # What is rare goes back to ``_turns``, so that its rules are not spelt twice.
            if loop._stopping or kernel._left or io_ready or overdue:
                return None
            if not ready:
                handle = callback = args = result = None  # As in ``_turns``.
                if not kernel.jump():
                    return None
            count = len(ready)
            if kernel.steps + count > limits.check_at:
                return None
            kernel.steps += count
    finally:
        # As in the handle: a traceback that is kept holds this frame.
        handle = callback = args = result = None


# They differ from a plain turn in one comparison for each callback, and a look whether the loop is
# paused where it is another one. ``Kernel._turn_observed`` costs two idle hosts a third more.
def turns_of_many_loops(kernel: Kernel, count: int, stopper: _Stoppable) -> None:  # noqa: C901,PLR0912,PLR0915 - as above
    """Run a turn of ``count`` callbacks, and others, each on its own loop."""
    ready, io_ready, overdue = kernel.ready, kernel.io_ready, kernel.wheel.overdue
    popleft, append, arrive = ready.popleft, ready.append, io_ready.popleft
    many: Any = kernel._many
    tell, limits = many[0], kernel.limits
    events, current = kernel.events, kernel.current  # Who changes it also changes ``_many``.
    handle: Any
    try:
        while True:
            rest = iter(FEW[count]) if count < MANY else repeat(None, count)
            try:
                for _ in rest:
                    handle = popleft()
                    callback, args = handle._callback, handle._args
                    if callback is None:
                        kernel.steps -= 1
                        continue
                    loop = handle._loop
                    if loop is not current:
                        is_event = loop is events  # Of no process, as a packet's arrival.
                        if not is_event and loop._stash is not None:
                            loop._stash.append(handle)
                            kernel.steps -= 1
                            continue
                        kernel.current = current = loop
                        if not is_event:
                            loop._step_into()
                    if tell is not None:
                        tell(kernel.now_ns, handle)
                    try:
                        try:
                            if not args:  # Most steps: to spread nothing costs more than to ask.
                                result = handle._context.run(callback)
                            elif len(args) == 1:
                                result = handle._context.run(callback, args[0])
                            else:
                                result = handle._context.run(callback, *args)
                        except (SystemExit, KeyboardInterrupt):
                            raise
                        except BaseException as error:  # noqa: BLE001 - as above
                            handle._report(error)  # Which may raise one of these itself.
                        else:
                            if result is not None:
                                handle._returned(result)
                    except (SystemExit, KeyboardInterrupt) as error:
                        if not loop._takes_exit(error):
                            raise
                    if many is not kernel._many:  # As above; or a loop came, or was closed.
                        break
            except BaseException:
                kernel._break_off(rest)
                raise
            if many is not kernel._many:
                return kernel._turn_observed(length_hint(rest))
            if stopper._stopping or kernel._left or overdue:
                return None
            while io_ready:  # As in ``_turns``: what arrives on one host is read on another.
                append(arrive())
            if not ready:
                handle = callback = args = result = loop = None
                if not kernel.jump():
                    return None
            count = len(ready)
            steps = kernel.steps + count
            if steps > limits.check_at:
                return None
            kernel.steps = steps
    finally:
        handle = callback = args = result = loop = current = None


def in_a_frame(
    run: Callable[[Kernel, Any, object], bool | None],
    rest_of_turn: Callable[[], object],
    plainly: Callable[[Kernel, Any], bool],
) -> Callable[[Kernel, Any], bool]:
    """Make ``Kernel._turns`` of a function in C, which has no frame of its own.

    By a frame of this folder it is known that a turn runs (a signal's handler asks, and who looks
    for a thread that hangs), and by its variable ``rest`` how many callbacks are left of it.

    Args:
        run: Runs turns, and keeps the count in ``rest``; None if the kernel is not one it knows.
        rest_of_turn: Makes that count.
        plainly: The method as it is written here.
    """

    @wraps(plainly)
    def turns(kernel: Kernel, loop: Any) -> bool:
        rest = rest_of_turn()
        has_stopped = run(*(kernel, loop, rest))  # As deep in calls each time: not specialized.
        return plainly(kernel, loop) if has_stopped is None else has_stopped

    return turns
