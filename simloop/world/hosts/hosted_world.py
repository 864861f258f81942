"""The hosts of a world, as those who use it see them.

Owns: ``world.add_host``, ``world.hosts``, ``world.driver``, and when all that is over.

Must not know: what a host is made of: that is imported when the first one is added.

Invariant: a world without hosts makes nothing of this, and its run is step for step what it was.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from simloop.world.run_options import check_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simloop.world.faults.campaign import Campaign
    from simloop.world.faults.faults import Faults

    from .host_table import HostTable
    from .sim_host import SimHost

__all__ = ["HostedWorld"]

_TOLD = 10
"""How many faults of a campaign a report tells."""


class HostedWorld:
    """The part of a world that has hosts."""

    has_hosts: bool = False
    """Whether there is a host beside the driver, or the driver was looked at."""
    _table: HostTable | None = None

    @property
    def hosts(self) -> Mapping[str, SimHost]:
        """The hosts by name, in the order in which they were added; the driver is not among them.

        Example:
            >>> import simloop
            >>> world = simloop.World()
            >>> world.add_host("db", addresses=["10.0.0.5"])
            <host 'db' 10.0.0.5: up>
            >>> list(world.hosts)
            ['db']
        """
        return MappingProxyType({} if self._table is None else self._table.by_name)

    @property
    def driver(self) -> SimHost:
        """The host on which the program of the run runs, which is the test itself as a machine.

        Example:
            >>> import simloop
            >>> simloop.World().driver
            <host 'driver' 10.255.255.254: up>
        """
        return self._host_table().driver

    def _host_table(self) -> HostTable:
        if self._table is None:
            check_platform("a world of several hosts, which have disks,")
            from .host_table import HostTable  # noqa: PLC0415 - most worlds have no hosts

            self._table = HostTable(self)
            self.has_hosts = True
        return self._table

    def add_host(
        self,
        name: str,
        program: Any = None,
        *,
        addresses: Sequence[str] = (),
        args: Sequence[Any] = (),
        env: Mapping[str, str] | None = None,
        restart: str = "never",
        skew: float = 0.0,
        drift: float = 0.0,
        fresh: Sequence[str] = (),
    ) -> SimHost:
        """Add a machine, and start its program.

        Args:
            name: Its name, which leads to its addresses from every host.
            program: The main of its first process: a coroutine function; a function, which may call
                ``asyncio.run`` itself; ``"package.module:function"``; the name of a module; or the
                path of a script. None for a machine on which nothing runs yet.
            addresses: Its own; none for the next of 10.0.0.0/8.
            args: The program's arguments: a function is called with them, a script finds them in
                ``sys.argv``.
            env: Its environment; a copy of the caller's if None.
            restart: When the program is started again, one second after its end: ``"never"``,
                ``"on-failure"`` or ``"always"``.
            skew: How far its wall clock is ahead of the world's, in seconds.
            drift: The rate error of its clocks: 5e-5 is 50 ppm fast.
            fresh: Packages of which its processes have copies of their own, made anew at each
                start.

        Raises:
            UsageError: A name or an address is taken, one of these has a value that means nothing,
                there is no such program, or the run of the world has ended.

        Example:
            >>> import asyncio, simloop
            >>> async def serve():
            ...     async def greet(reader, writer):
            ...         writer.write(b"hello from db")
            ...         writer.close()
            ...     server = await asyncio.start_server(greet, port=5432)
            ...     await server.serve_forever()
            >>> async def main():
            ...     simloop.current_world().add_host("db", serve)
            ...     await asyncio.sleep(1)
            ...     reader, writer = await asyncio.open_connection("db", 5432)
            ...     greeting = await reader.read()
            ...     writer.close()
            ...     return greeting
            >>> simloop.run(main())
            b'hello from db'
        """
        return self._host_table().add(
            name,
            program,
            addresses=addresses,
            args=args,
            env=env,
            restart=restart,
            skew=skew,
            drift=drift,
            fresh=fresh,
        )

    def inject(self, faults: Faults) -> Campaign:
        """Let things go wrong with the hosts from now on, for a while.

        Args:
            faults: What may go wrong, see :class:`simloop.Faults`.

        Raises:
            UsageError: These are no faults, there is no such host, one of them is the driver or has
                no program that could be started again, or the run of the world has ended.

        Example:
            >>> import asyncio, simloop
            >>> async def serve():
            ...     await asyncio.sleep(3600)
            >>> async def main():
            ...     world = simloop.current_world()
            ...     world.add_host("db", serve)
            ...     campaign = world.inject(simloop.Faults(crash=2))
            ...     await campaign.healed()
            ...     return [event.what for event in campaign.events], world.hosts["db"].boots
            >>> simloop.run(main())
            (['db loses its power', 'db boots', 'db loses its power', 'db boots'], 2)
        """
        from simloop.world.faults.campaign import Campaign  # noqa: PLC0415 - most worlds have none

        return Campaign(self, faults)

    def describe_hosts(self) -> str:
        """List the hosts that are off or paused, and faults, for the report of a deadlock."""
        states = "".join(
            f"\n\n  the host {host.name!r} is {host.state}"
            for host in self.hosts.values()
            if host.state != "up"
        )
        campaigns = [] if self._table is None else self._table.campaigns
        told = [f"\n    {event}" for each in campaigns for event in each.events[-_TOLD:]]
        return f"{states}\n\n  faults, the last ones:{''.join(told)}" if told else states

    def program_has_ended(self) -> None:
        """Take note that the driver's program has its result: no error fails the run any more."""
        if self._table is not None:
            self._table.is_over = True

    @property
    def error_of_hosts(self) -> BaseException | None:
        """What a process on a host has failed the run by, whatever the driver's program catches."""
        return None if self._table is None else self._table.error

    def end_hosts(self) -> None:
        """End all that still runs on hosts, and let go of what was killed: the run is over."""
        if self._table is not None:
            self._table.end()
