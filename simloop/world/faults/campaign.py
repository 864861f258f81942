"""A campaign: the faults of one run, from the injection until all is healed.

Owns: when each kind is drawn, the faults that are active, the record of what was done, and the end.
The time up to the end is divided into parts, for each kind; at the begin of each part it is drawn
which hosts a fault of that kind strikes in it, when, and for how long.

Must not know: what the kinds do, and how it is drawn.

Invariants:

- After the end nothing is active, and nothing strikes any more.
- The driver is never crashed, killed or paused, nor is its clock or its name wrong.
- A host is crashed or killed only if it has a program that can be started again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER, nanoseconds, seconds
from simloop.errors import UsageError

from .act import Act, FaultEvent
from .clogs import clog
from .cuts import partition, reset
from .draws import QUARTERS, Draws, options_of, read_code
from .failing_disks import disk
from .faults import Faults, Often
from .lies import clock, names
from .power import crash, kill, pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.world.hosts.sim_host import SimHost

    from .faults import Rate

__all__ = ["Campaign"]

_KINDS: dict[str, tuple[Callable[[Act], object], tuple[float, ...]]] = {
    "crash": (crash, (0.2, 2.0, 8.0)),
    "kill": (kill, (0.01, 0.5, 5.0)),
    "pause": (pause, (0.05, 1.0, 8.0)),
    "partition": (partition, (0.5, 3.0, 12.0)),
    "clog": (clog, (0.1, 1.0, 6.0)),
    "reset": (reset, (0.0,)),
    "clock": (clock, (0.5, 3.0, 12.0)),
    "names": (names, (0.5, 3.0, 12.0)),
    "disk": (disk, (0.1, 1.0, 6.0)),
}
"""What each kind does, and for how many seconds where nobody says that. The lengths are below and
above usual timeouts: TCP's first retransmission (0.2 s), an election, a session."""

_NEED_PROGRAM = ("crash", "kill")


class Campaign:
    """What goes wrong in a run; made by :meth:`simloop.World.inject`.

    Attributes:
        faults: What was asked for.
        number: How many campaigns its world had before.

    Example:
        >>> import simloop
        >>> async def main():
        ...     world = simloop.current_world()
        ...     world.add_host("db")
        ...     campaign = world.inject(simloop.Faults(pause=False, reset=1, until=10))
        ...     await campaign.healed()
        ...     return [event.what for event in campaign.events]
        >>> simloop.run(main())
        ['all connections of db are reset']
    """

    def __init__(self, world: Any, faults: Faults) -> None:
        self.world: Any = world
        self.kernel: Any = world.kernel
        self._check(faults)
        self.faults: Faults = faults
        campaigns = world.driver.table.campaigns
        self.number: int = len(campaigns)
        campaigns.append(self)
        self.draws: Draws = Draws(self.kernel)
        self.active: dict[tuple[str, str], Act] = {}
        self._events: list[FaultEvent] = []
        self._is_healed = False
        self._waiters: list[asyncio.Future[None]] = []
        self._began_ns: int = self.kernel.now_ns
        self.end_ns: int = self._began_ns + nanoseconds(faults.until)
        rates = faults.rates()
        self.draws.draw_intensities([kind for kind, rate in rates.items() if rate is True])
        for kind, rate in rates.items():
            self.kernel.call_at_ns(self._began_ns, self._draw, kind, rate, 0)
        self.kernel.call_at_ns(self.end_ns, self._heal)

    def __repr__(self) -> str:
        state = "healed" if self._is_healed else f"until {seconds(self.end_ns)} s"
        return f"<campaign {', '.join(self.faults.rates())}: {len(self._events)} events, {state}>"

    def __str__(self) -> str:
        return "\n".join(map(str, self._events)) or "nothing went wrong"

    @property
    def events(self) -> tuple[FaultEvent, ...]:
        """What was done so far, when, and to which hosts, in order."""
        return tuple(self._events)

    async def healed(self) -> None:
        """Wait until all is healed.

        From then on no way is cut or clogged by the campaign, the hosts that it switched off are up
        and their programs started, what it stopped goes on, and clocks and names are what they
        were.
        """
        if not self._is_healed:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    # Checks -------------------------------------------------------------------------------------

    def _check(self, faults: Any) -> None:
        if not isinstance(faults, Faults):
            raise UsageError(f"inject({faults!r}): give simloop.Faults(...)")
        world = self.world
        if self.kernel.steps and not world.process.loops:
            raise UsageError(
                "inject(): the run of this world has ended; inject faults before it or in it, or"
                " make a new world"
            )
        rates = faults.rates()
        needs = [kind for kind in _NEED_PROGRAM if kind in rates and rates[kind] is not True]
        for each in faults.hosts or ():
            host = self._find(each)
            if needs and not host.has_program:
                raise UsageError(
                    f"inject(): {needs[0]} for the host {host.name!r}, which has no program of its"
                    " own that could be started again; give add_host() one"
                )

    def _find(self, given: Any) -> SimHost:
        world, name = self.world, given if isinstance(given, str) else getattr(given, "name", None)
        if name == world.driver.name:
            raise UsageError(
                "inject(): the driver is never faulty: the test itself runs on it; name hosts of"
                " world.add_host()"
            )
        host: SimHost | None = world.hosts.get(name)
        if host is None or (not isinstance(given, str) and host is not given):
            known = ", ".join(map(repr, world.hosts)) or "none"
            raise UsageError(f"inject(): {given!r} is no host of this world; there are: {known}")
        return host

    def _hosts(self, kind: str) -> list[SimHost]:
        hosts: list[SimHost] = (
            [*self.world.hosts.values()]
            if self.faults.hosts is None
            else [self._find(each) for each in self.faults.hosts]
        )
        return [host for host in hosts if kind not in _NEED_PROGRAM or host.has_program]

    # Drawing ------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self._is_healed or bool(self.world.driver.table.is_over)

    def _draw(self, kind: str, rate: Rate, number: int) -> None:
        """Draw what strikes in one part of the time, and come again at the next."""
        if self._is_over():
            return
        parts = self.faults.parts(rate)
        slot_ns = nanoseconds(self.faults.slot_s(rate))
        lengths = _KINDS[kind][1]
        if isinstance(rate, Often):
            lengths = rate.lengths(lengths)
        draw = self.draws.each if rate is True else self.draws.one
        for host, code, tell in draw(kind, self._hosts(kind), options_of(len(lengths))):
            quarter, jumps, length = read_code(code)
            act = Act(self, kind, host, number, nanoseconds(lengths[length]), tell)
            quarter_ns = max(1, slot_ns // QUARTERS)
            begins_ns = self.kernel.now_ns + quarter * quarter_ns
            at_ns = begins_ns + self.draws.offset(quarter_ns)
            # At the latest so early that something comes of it.
            self._wait(act, at_ns, begins_ns + quarter_ns * 7 // 8, jumps)
        next_ns = self._began_ns + (number + 1) * slot_ns
        if number + 1 < parts:
            self.kernel.call_at_ns(next_ns, self._draw, kind, rate, number + 1)

    def _wait(self, act: Act, at_ns: int, latest_ns: int, jumps: int) -> None:
        if at_ns < self.end_ns:
            self.kernel.call_at_ns(at_ns, self._wait_on, act, latest_ns, jumps)

    def _wait_on(self, act: Act, latest_ns: int, jumps: int) -> None:
        """Strike, or wait for the next moment at which something is due, and let it happen."""
        if self._is_over():
            return
        kernel = self.kernel
        due_ns = kernel.now_ns if kernel.ready else kernel.next_ns()
        if jumps and due_ns < NEVER and kernel.now_ns < latest_ns:
            self._wait(act, min(due_ns + 1, latest_ns), latest_ns, jumps - 1)
        else:
            self._strike(act)

    def _strike(self, act: Act) -> None:
        if (_SORTS.get(act.kind, act.kind), act.name) not in self.active:
            _KINDS[act.kind][0](act)

    # The record, and the end ----------------------------------------------------------------------

    def record(self, kind: str, hosts: tuple[str, ...], what: str) -> None:
        """Record something that was done, and tell the watchers of the run."""
        event = FaultEvent(seconds(self.kernel.now_ns), kind, hosts, what)
        self._events.append(event)
        self.world.note("fault", what)

    def _heal(self) -> None:
        """Undo all that is active, and tell those who wait for it."""
        if self._is_over():
            return
        for act in tuple(self.active.values()):
            act.end()
        self._is_healed = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


_SORTS = dict.fromkeys(("crash", "kill", "pause"), "power")
"""What a host has one of at a time, where that is not its kind."""
