"""What may go wrong: the kinds of faults, how often they strike, and for how long.

Owns: the values that a user gives, and their checks.

Must not know: worlds, hosts, and what a kind does.

Invariant: what is made here was checked.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, TypeAlias

import attrs

from simloop.errors import UsageError

__all__ = ["KINDS", "Faults", "Often", "Rate"]

KINDS = ("crash", "kill", "pause", "partition", "clog", "reset", "clock", "names")
"""The kinds that are on where nothing is said, in the order in which they are asked about."""

_SLOTS = 8
"""Into how many parts a campaign is divided where a kind is just on."""


@attrs.frozen
class Often:
    """How often a kind of fault strikes, and how long it lasts.

    Args:
        every: Seconds between two of them, on average, on whichever hosts.
        lasting: Seconds until it is undone, or (shortest, longest); what is usual for its kind if
            None.

    Raises:
        UsageError: These are no times above 0.

    Example:
        >>> import simloop
        >>> simloop.Often(every=5, lasting=(0.5, 2))
        Often(every=5, lasting=(0.5, 2))
        >>> simloop.Often(every=0)
        Traceback (most recent call last):
        ...
        simloop.errors.UsageError: Often(every=0): give a finite number of seconds above 0
    """

    every: float
    lasting: float | tuple[float, float] | None = None

    def __attrs_post_init__(self) -> None:
        _check_time("Often(every={})", self.every)
        lasting: Any = self.lasting
        if lasting is None:
            return
        times = lasting if isinstance(lasting, tuple) else (lasting,)
        if len(times) not in {1, 2}:
            raise UsageError(f"Often(lasting={lasting!r}): give seconds, or (shortest, longest)")
        for each in times:
            _check_time(f"Often(lasting={lasting!r})", each)
        if times[0] > times[-1]:
            raise UsageError(f"Often(lasting={lasting!r}): the shortest is longer than the longest")

    def lengths(self, usual: tuple[float, ...]) -> tuple[float, ...]:
        """Return how long a fault may last: the shortest, the one in the middle, the longest."""
        if self.lasting is None:
            return usual
        if not isinstance(self.lasting, tuple):
            return (float(self.lasting),)
        low, high = self.lasting
        return float(low), math.sqrt(low * high), float(high)


Rate: TypeAlias = bool | int | Often | None
# Off, on, so many times in all, or how often and how long.


@attrs.frozen(kw_only=True)
class Faults:
    """What may go wrong with the hosts of a world, for :meth:`simloop.World.inject`.

    Each kind is ``False``: never; ``True``: whether it strikes in a run at all, how often and for
    how long is drawn; a number: so many times; or :class:`Often`. If nothing is said of any kind,
    all are on but ``disk``; else those of which nothing is said are off.

    Args:
        crash: A host loses its power, and boots again after a while.
        kill: The program of a host is killed (SIGKILL), and started again.
        pause: All processes of a host stop (SIGSTOP), and go on.
        partition: A host is isolated, in one direction or both, or now and then; or the hosts fall
            into two halves, with a host between that reaches both, or none.
        clog: What a host sends and is sent is held, slow, lossy or narrow, or the ways of several
            hosts are held one after another and released in another order.
        reset: All TCP connections of a host are reset.
        clock: A wall clock jumps, or a host's clocks drift.
        disk: A host's disk fails to sync, write or read at times, is slow, or is full. Only if it
            is asked for: most programs are not made to go on then. What a power cut takes of files
            is drawn at each crash anyway.
        names: The names of a host fail, are unknown, are late, or lead to another host.
        hosts: Which hosts, by name or themselves; all of the world's if None. It is never the
            driver, on which the test itself runs.
        until: After how many seconds all is healed.

    Raises:
        UsageError: One of them has a value that means nothing.

    Example:
        >>> import simloop
        >>> faults = simloop.Faults(crash=True, partition=2, pause=simloop.Often(every=5))
        >>> list(faults.rates())
        ['crash', 'pause', 'partition']
    """

    crash: Rate = None
    kill: Rate = None
    pause: Rate = None
    partition: Rate = None
    clog: Rate = None
    reset: Rate = None
    clock: Rate = None
    disk: Rate = None
    names: Rate = None
    hosts: Collection[Any] | None = None
    until: float = 30.0

    def __attrs_post_init__(self) -> None:
        for kind in (*KINDS, "disk"):
            _check_rate(kind, getattr(self, kind))
        _check_time("Faults(until={})", self.until)
        hosts: Any = self.hosts
        if hosts is None:
            return
        if isinstance(hosts, str) or not isinstance(hosts, Collection) or not hosts:
            raise UsageError(
                f"Faults(hosts={hosts!r}): give a collection of hosts or of their names, such as"
                " ['db'], or None for all"
            )
        for each in hosts:
            if not isinstance(each, str) and not hasattr(each, "processes"):
                raise UsageError(
                    f"Faults(hosts={hosts!r}): {each!r} is no host, and no name of one"
                )

    def rates(self) -> dict[str, Rate]:
        """Return the kinds that may strike, with how often they do."""
        given: dict[str, Rate] = {kind: getattr(self, kind) for kind in (*KINDS, "disk")}
        if all(rate is None for rate in given.values()):
            return dict.fromkeys(KINDS, True)
        return {kind: rate for kind, rate in given.items() if rate}

    def slot_s(self, rate: Rate) -> float:
        """Return how many seconds long the parts are in which a kind of that rate is drawn."""
        if isinstance(rate, Often):
            return float(rate.every)
        return self.until / self.parts(rate)

    def parts(self, rate: Rate) -> int:
        """Return in how many parts of the time a kind of that rate is drawn."""
        if isinstance(rate, Often):
            return math.ceil(self.until / rate.every)
        return _SLOTS if rate is True else int(rate or 1)


def _check_rate(kind: str, rate: Any) -> None:
    if rate is None or isinstance(rate, (bool, Often)):
        return
    if not isinstance(rate, int) or rate < 0:
        raise UsageError(
            f"Faults({kind}={rate!r}): give True or False, a number of times, or"
            " simloop.Often(every=, lasting=)"
        )


def _check_time(what: str, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:
        raise UsageError(f"{what.format(repr(value))}: give a finite number of seconds above 0")
