"""One host: a machine with a name, addresses, a clock and a power switch.

Owns: its processes, its power, its disk, how often it booted, and what becomes of a program that
ends.

Must not know: the other hosts, and how a process runs.

Invariants:

- ``processes`` are those that have not ended, oldest first; a host that is off has none.
- After a crash nothing of it runs, and nothing is sent by it, until it boots again. Its disk then
  holds what a power cut may leave.
- A program is started again by the restart policy one second after its end, unless the host has
  crashed or booted meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND
from simloop._sandbox import collect_now
from simloop.errors import UsageError

from .host_clock import HostClock
from .host_process import HostProcess
from .host_program import HostProgram, check_environment, check_no_arguments, read_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simloop.disk import Disk
    from simloop.net import DescriptorTable, Host
    from simloop.net.sysctl import Sysctl

    from .host_table import HostTable

__all__ = ["RESTARTS", "SimHost"]

RESTARTS = ("never", "on-failure", "always")
"""The restart policies, as containers have them."""

_RESTART_NS = NS_PER_SECOND
_KILLED = -9


class SimHost:
    """A machine of a world; made by ``world.add_host``, and ``world.driver`` is one.

    Attributes:
        name: Its name, which leads to its addresses from every host.
        clock: Its clock, see :class:`HostClock`.
        boots: How often it has booted since it was added.
        restart_policy: What becomes of its program when that ends: ``"never"``, ``"on-failure"`` or
            ``"always"``.

    Example:
        >>> import asyncio, simloop
        >>> async def serve():
        ...     await asyncio.sleep(3600)
        >>> async def main():
        ...     db = simloop.current_world().add_host("db", serve)
        ...     await asyncio.sleep(1)
        ...     db.crash()
        ...     states = [db.state]
        ...     db.restart()
        ...     return states + [db.state, db.boots, len(db.processes)]
        >>> simloop.run(main())
        ['off', 'up', 1, 1]
    """

    def __init__(
        self,
        table: HostTable,
        machine: Host,
        name: str,
        restart: str = "never",
        skew: float = 0.0,
        drift: float = 0.0,
        fresh: Sequence[str] = (),
    ) -> None:
        self.table = table
        self.world: Any = table.world
        self.machine = machine
        self.name: str = name
        self.boots: int = 0
        self.restart_policy: str = restart
        self.clock: HostClock = HostClock(self, table.world.kernel, skew, drift)
        self._fresh = tuple(fresh)
        self._processes: list[HostProcess] = []
        self._main: HostProcess | None = None
        self._program: HostProgram | None = None
        self._env: Mapping[str, str] | None = None
        self._is_ending = False
        self._disk: Disk | None = None

    def __repr__(self) -> str:
        return f"<host {self.name!r} {', '.join(self.addresses)}: {self.state}>"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses, without loopback."""
        return tuple(self.machine.addresses)

    @property
    def sysctl(self) -> Sysctl:
        """Its kernel parameters by name, as ``sysctl(8)`` shows them; set one as in a dict.

        Example:
            >>> import simloop
            >>> host = simloop.World().add_host("web")
            >>> host.sysctl["net.ipv4.tcp_syn_retries"] = 2
        """
        return self.machine.sysctl

    @property
    def disk(self) -> Disk:
        """The real files, and over them what its programs write; also while it is off.

        The driver's is ``world.disk``.

        Raises:
            UsageError: Its files are the real ones: it is the driver of a world without a disk, or
                the world allows files for the whole run.

        Example:
            >>> import simloop
            >>> from pathlib import Path
            >>> async def serve():
            ...     Path("/data/started").write_text("yes")
            >>> async def main():
            ...     db = simloop.current_world().add_host("db", serve)
            ...     db.disk.write("/data/config", b"port = 1")
            ...     await simloop.current_loop().advance(1)
            ...     return db.disk.files(), Path("/data/started").exists()
            >>> simloop.run(main())
            (['/data/config', '/data/started'], False)
        """
        if self._disk is None:
            self._disk = self.table.disk_of(self)
        return self._disk

    @property
    def processes(self) -> tuple[HostProcess, ...]:
        """The processes that run on it, or are paused, oldest first."""
        return tuple(self._processes)

    @property
    def state(self) -> str:
        """``"up"``, ``"paused"`` where all its processes are, or ``"off"``."""
        if self.machine.is_off:
            return "off"
        is_paused = self._processes and all(each.is_paused for each in self._processes)
        return "paused" if is_paused else "up"

    def tables(self) -> list[DescriptorTable]:
        """List the tables of its processes' descriptors; the test's own, too, on the driver."""
        own = [self.table.descriptors] if self is self.table.driver else []
        return own + [each.descriptors for each in self._processes]

    # Programs ---------------------------------------------------------------------------------

    def start(
        self,
        program: Any = None,
        *,
        args: Sequence[Any] = (),
        env: Mapping[str, str] | None = None,
    ) -> HostProcess:
        """Start one more process; its first step comes at the next turn.

        Args:
            program: What it runs: a coroutine function, a function, ``"package.module:function"``,
                the name of a module or the path of a script; the host's own program if None.
            args: Its arguments: a function is called with them, a script finds them in
                ``sys.argv``.
            env: Its environment; a copy of the caller's if None.

        Raises:
            UsageError: The host is off, there is no such program, it cannot be called with these
                arguments, or this is no environment.
        """
        call = f"host.start() on {self.name!r}"
        if self._is_ending:
            raise UsageError(f"{call}: the run has ended; start it in the run")
        if self.machine.is_off:
            raise UsageError(
                f"{call}, which is off since it crashed; boot it by host.restart() first"
            )
        check_environment(call, env)
        if program is None:
            check_no_arguments(call, args)
            if self._program is None:
                raise UsageError(f"{call}, which has no program of its own; give one")
            return self._start(self._program, self._env if env is None else env)
        return self._start(read_program(call, program, args), env)

    def set_program(self, program: HostProgram, env: Mapping[str, str] | None) -> None:
        """Set the program of the host, which its boots start, and start it."""
        self._program, self._env = program, env
        self._boot()

    @property
    def has_program(self) -> bool:
        """Whether it has a program of its own, which its boots start."""
        return self._program is not None

    @property
    def program_process(self) -> HostProcess | None:
        """The process of its own program, or None if that does not run."""
        main = self._main
        return None if main is None or main.exit_code is not None else main

    def start_again(self) -> None:
        """Start its own program, if it is up and that does not run."""
        if not (self.machine.is_off or self._is_ending) and self.program_process is None:
            self._boot()

    def _boot(self) -> None:
        if self._program is not None:
            self._main = self._start(self._program, self._env)

    def _start(self, program: HostProgram, env: Mapping[str, str] | None) -> HostProcess:
        process = HostProcess(self, self.world.processes.next_pid(), program, env, self._fresh)
        self.table.take(process)
        self._processes.append(process)
        process.begin()
        return process

    def process_ended(self, process: HostProcess) -> None:
        """Forget a process; start the host's program again, by the policy."""
        self._processes.remove(process)
        if process is not self._main or self._is_ending or self.machine.is_off:
            return
        policy = self.restart_policy
        if policy == "always" or (policy == "on-failure" and process.exit_code != 0):
            kernel = self.world.kernel
            kernel.call_at_ns(kernel.now_ns + _RESTART_NS, self._start_again, process)

    def _start_again(self, ended: HostProcess) -> None:
        if self._main is ended and not self.machine.is_off and not self._is_ending:
            self._boot()

    # Power ------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Cut its power: nothing of it runs any more, and nobody is told.

        Its peers wait for what no longer comes. Of what was written to its disk and not synced, a
        part is lost or torn, as :meth:`simloop.disk.Disk.crash` has it. A host that is off stays
        so.

        Raises:
            UsageError: It is the driver, on which the test itself runs.
        """
        self._refuse_driver("crash")
        if self.machine.is_off:
            return
        self.world.note("host", f"{self.name} crashes", self.machine.hostname)
        self.machine.power_off()
        self._main = None
        caller = None
        for process in tuple(self._processes):
            if process.runs_the_caller():
                caller = process
            else:
                process.die(_KILLED)
        if self._disk is not None:
            if caller is not None:
                collect_now()  # What it has dropped is written before the power goes, not after it.
            self._disk.crash()
        if caller is not None:
            caller.die(_KILLED)

    def restart(self, program: Any = None, *, args: Sequence[Any] = ()) -> None:
        """Boot it again, with the same program; where it is up, it crashes first.

        Args:
            program: Another program, from now on.
            args: The arguments of that.

        Raises:
            UsageError: It is the driver, the run has ended, or there is no such program.
        """
        self._refuse_driver("restart")
        call = f"host.restart() of {self.name!r}"
        if self._is_ending:
            raise UsageError(f"{call}: the run has ended; restart it in the run")
        if program is None:
            check_no_arguments(call, args)
        else:
            self._program = read_program(call, program, args)
        if any(each.runs_the_caller() for each in self._processes):
            # What calls is about to run no more, so the boot is no step of its own.
            self.world.kernel.call_soon(self._boot_again)
            self.crash()
        self.crash()
        self._boot_again()

    def _boot_again(self) -> None:
        self.boots += 1
        self.world.note("host", f"{self.name} boots", self.machine.hostname)
        self.machine.power_on()
        self._boot()

    def _refuse_driver(self, verb: str) -> None:
        if self.machine is self.world.main_host:
            raise UsageError(
                f"the driver cannot {verb}: the test itself runs on it; {verb} a host of"
                " world.add_host()"
            )

    def end(self) -> None:
        """End in silence all that still runs: the run is over."""
        self._is_ending = True
        for process in tuple(self._processes):
            self.table.killed.append(process.globals)
            process.end(_KILLED)
