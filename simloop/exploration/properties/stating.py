"""Properties: what must hold in every run of a program, always, in the end, or once.

Owns: the functions that a program or its test calls. Outside of a run they do nothing, and load
nothing, so that a program may keep them in production.

Must not know: how conditions are looked at (:mod:`.property_run`).
"""

from __future__ import annotations

import inspect
import math
import sys
from typing import TYPE_CHECKING

from simloop.errors import UsageError

from .presence import by_thread, world_of_caller
from .property_run import properties_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["always", "eventually", "reachable", "sometimes", "unreachable"]

_NS_PER_S = 1_000_000_000


def always(condition: Callable[[], object], name: str, *, every: str = "step") -> None:
    """State that a condition holds from now on until the program ends.

    It is looked at now, and after each step from the next turn on. A condition that is false or
    raises ends the run, whatever the program catches. Outside of a run nothing happens.

    Args:
        condition: A plain function without arguments. It must not change anything.
        name: What it is called, for reports; one name stands for one condition at a time.
        every: ``"step"``, or ``"turn"`` where a turn may break it in between: it is looked at after
            each turn.

    Raises:
        PropertyError: It is false now, or raises.
        UsageError: It can't be called, or the name stands already.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     accounts = {"alice": 10, "bob": 0}
        ...     simloop.always(lambda: sum(accounts.values()) == 10, "money is kept")
        ...     await asyncio.sleep(1)
        ...     accounts["alice"] -= 5
        ...     await asyncio.sleep(1)
        ...     accounts["bob"] += 5
        >>> simloop.run(main())
        Traceback (most recent call last):
        ...
        simloop.errors.PropertyError: always 'money is kept': false at 1.0 s, after a step of ...
          stated at ...
    """
    if not by_thread or (world := world_of_caller()) is None:
        return
    _check_condition("always", condition, name)
    if every not in ("step", "turn"):
        raise UsageError(f"always(every={every!r}): it is looked at after every 'step' or 'turn'")
    frame = sys._getframe(1)
    properties_of(world).state(condition, name, frame, by_turn=every == "turn")


def eventually(condition: Callable[[], object], name: str, within: float) -> None:
    """State that a condition is true at some moment within so many seconds from now.

    It is looked at as :func:`always` looks, until it is true. If it was not by its deadline, or
    when the program ends, the run has failed. Outside of a run nothing happens.

    Args:
        condition: A plain function without arguments. It must not change anything.
        name: What it is called; it may be used again when the condition was true.
        within: Seconds of virtual time, the last moment included; ``math.inf`` for the program's
            end. An exploration delays things: give more than it may take.

    Raises:
        PropertyError: The condition raises.
        UsageError: It can't be called, the name stands already, or the time is none.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     done = asyncio.Event()
        ...     simloop.eventually(done.is_set, "the job is done", within=5)
        ...     await asyncio.sleep(60)
        ...     done.set()
        >>> simloop.run(main())
        Traceback (most recent call last):
        ...
        simloop.errors.PropertyError: eventually 'the job is done': not once true at 5.0..., ...
          stated at ...
    """
    if not by_thread or (world := world_of_caller()) is None:
        return
    _check_condition("eventually", condition, name)
    seconds: object = within
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise UsageError(f"eventually(within={within!r}): it takes seconds from 0 on, or math.inf")
    within_ns = -1 if within == math.inf else round(within * _NS_PER_S)
    properties_of(world).state(condition, name, sys._getframe(1), within_ns=within_ns)


def sometimes(condition: bool, name: str) -> bool:  # noqa: FBT001 - a condition is what it takes
    """Give a condition back, and count how often it was true.

    Some runs have to come here with a true condition, or a test shows less than it seems to: an
    exploration tells which were never true, and ``@pytest.mark.simloop(require=[name])`` demands
    them.

    Args:
        condition: A value, which is given back as it is.
        name: What it is called. Lines that share a name are counted together.

    Raises:
        UsageError: It is a function, which is always true, or the name is one of another kind.

    Example:
        >>> import simloop
        >>> if simloop.sometimes(2 > 1, "the cache is full"):
        ...     print("evict")
        evict
    """
    if by_thread and (world := world_of_caller()) is not None:
        _check_name("sometimes", name)
        if inspect.isroutine(condition):
            raise UsageError(
                f"sometimes({condition!r}, {name!r}): a function is always true; call it"
            )
        properties_of(world).count(name, "sometimes", is_true=bool(condition))
    return condition


def reachable(name: str) -> None:
    """Count that this line was reached, which some run has to; see :func:`sometimes`.

    Raises:
        UsageError: The name is one of another kind.

    Example:
        >>> import simloop
        >>> async def main():
        ...     simloop.reachable("the fallback")
        >>> simloop.run(main())
    """
    if by_thread and (world := world_of_caller()) is not None:
        _check_name("reachable", name)
        properties_of(world).count(name, "reachable", is_true=True)


def unreachable(name: str) -> None:
    """State that no run reaches this line; the one that does has failed, whatever it catches.

    Outside of a run nothing happens.

    Raises:
        PropertyError: In a run.
        UsageError: The name is one of another kind.

    Example:
        >>> import simloop
        >>> async def main():
        ...     try:
        ...         simloop.unreachable("two leaders")
        ...     except Exception:
        ...         pass
        >>> simloop.run(main())
        Traceback (most recent call last):
        ...
        simloop.errors.PropertyError: unreachable 'two leaders': reached at 0.0 s, at ...
    """
    if by_thread and (world := world_of_caller()) is not None:
        _check_name("unreachable", name)
        raise properties_of(world).fail_at(name, sys._getframe(1))


def _check_condition(call: str, condition: object, name: object) -> None:
    _check_name(call, name)
    if not callable(condition):
        raise UsageError(
            f"{call}({condition!r}, {name!r}): it looks again and again, so it takes a function:"
            f" {call}(lambda: ..., {name!r})"
        )
    if inspect.iscoroutinefunction(condition):
        raise UsageError(
            f"{call}({condition!r}, {name!r}): the condition is async, and it is looked at between"
            " steps, where nothing can be awaited; give a plain function"
        )


def _check_name(call: str, name: object) -> None:
    if not isinstance(name, str) or not name:
        raise UsageError(f"{call}(..., {name!r}): a property has a name, which reports tell")
