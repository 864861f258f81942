"""The table of hosts of a world: adding machines, failing the run, and its end.

Owns: the hosts and their addresses, what a process gets of its world, what becomes of an error that
nobody takes, leaving a step whose process has ended in it, and the end of all that still runs when
the driver's program has ended.

Must not know: how a process runs.

Invariants:

- The driver has an address of its own as soon as there is a table: until then it needs none.
- What killed processes have left is let go of once, at the end.
"""

from __future__ import annotations

import asyncio
import re
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from simloop._kernel import RandomStreams
from simloop._sandbox import Remains, collect_now, get_ident, restore, unwind
from simloop._sandbox.disk import real_cwd
from simloop._threads.thread_position import variables_of
from simloop.errors import UsageError
from simloop.net.addressing.addresses import canonical, is_ipv6
from simloop.world.disks.host_disks import HostSystemCalls, make_host_disk, seat_tree

from .blocked_script import BlockedScript
from .host_clock import check_drift, check_seconds
from .host_program import check_environment, check_no_arguments, read_program
from .sim_host import RESTARTS, SimHost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType

    from simloop._sandbox.patching.process_globals import ProcessGlobals
    from simloop.disk import Disk
    from simloop.net import DescriptorTable
    from simloop.net.syscalls.system_calls import SystemCalls
    from simloop.world.faults.campaign import Campaign

    from .host_process import HostProcess

__all__ = ["DRIVER", "HostTable"]

DRIVER = "driver"
"""The name that leads to the driver from every host."""

_DRIVER_ADDRESS = "10.255.255.254"
"""Out of the way of the addresses that people give to hosts."""

_DRIVER_ADDRESS6 = "fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"
"""The same for hosts that have one of IPv6 (RFC 4193)."""

_FIRST = 10 << 24
"""10.0.0.0, of which hosts without addresses get the next one (RFC 1918)."""

_NAME_MAX = 253
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0[Xx][0-9A-Fa-f]*")


class HostTable:
    """The hosts of a world.

    Args:
        world: The world, which holds the table.
    """

    def __init__(self, world: Any) -> None:
        self.world = world
        self.by_name: dict[str, SimHost] = {}
        self.is_over: bool = False
        self.error: BaseException | None = None
        """What has failed the run, if a process has."""
        self.campaigns: list[Campaign] = []
        self._is_ending = False
        self.remains: Remains = Remains(
            [world, world.kernel, world.network, world.sandbox, world.threads, world.process, self]
        )
        self.killed: list[ProcessGlobals] = []
        """Of processes that were killed."""
        self._last = _FIRST
        main_host, names = world.main_host, world.network.names
        world.network.add_address(main_host, _DRIVER_ADDRESS)
        names.add(DRIVER, _DRIVER_ADDRESS)
        self.driver: SimHost = SimHost(self, main_host, DRIVER)
        main_host.name = DRIVER
        self.descriptors: DescriptorTable = main_host.descriptors
        """Those of the program of the run."""
        if world.process.events is not None:  # It is a script's: it may block between its loops.
            world.threads.let_others_go_on(BlockedScript(world))
        self._files_are_real = "files" in world.sandbox.allowed
        self._cwd: str = real_cwd()

    def add(
        self,
        name: str,
        program: Any,
        *,
        addresses: Sequence[str],
        args: Sequence[Any],
        env: Mapping[str, str] | None,
        restart: str,
        skew: float,
        drift: float,
        fresh: Sequence[str],
    ) -> SimHost:
        """Add a machine; see :meth:`HostedWorld.add_host`."""
        world = self.world
        call = f"add_host({name!r}, ...)"
        if world.kernel.steps and not (world.process.loops or world.process.events):
            raise UsageError(
                f"{call}: the run of this world has ended; add hosts before it or in it, or make a"
                " new world"
            )
        self._check_name(call, name)
        _check_options(call, restart, fresh)
        skew = check_seconds(f"{call}: skew", skew)
        drift = check_drift(f"{call}: drift", drift)
        check_environment(call, env)
        if program is None:
            check_no_arguments(call, args)
        read = None if program is None else read_program(call, program, args)
        own = _check_addresses(call, addresses, world.network) or [self._next_address()]
        if any(map(is_ipv6, own)) and _DRIVER_ADDRESS6 not in world.network.owners:
            world.network.add_address(world.main_host, _DRIVER_ADDRESS6)
            world.network.names.add(DRIVER, _DRIVER_ADDRESS6)
        host = SimHost(self, world.make_host(name, *own), name, restart, skew, drift, fresh)
        if not self._files_are_real:
            seat_tree(host)
        self.by_name[name] = host
        world.note("host", f"{name} is added: {', '.join(own)}", name)
        if read is not None:
            host.set_program(read, env)
        return host

    def _check_name(self, call: str, name: Any) -> None:
        if not _is_name(name):
            raise UsageError(
                f"{call}: {name!r} is no name of a host; give letters, digits, '-' and '.', as in"
                " 'db-1.internal'"
            )
        for taken in (DRIVER, "localhost", *self.world.network.hosts):
            if name.lower() == taken.lower():
                raise UsageError(f"{call}: there is a host {taken!r} already; choose another name")

    def _next_address(self) -> str:
        """Return the next address of 10.0.0.0/8 that is nobody's."""
        while True:
            self._last += 1
            last = self._last
            address = ".".join(str(last >> shift & 0xFF) for shift in (24, 16, 8, 0))
            if last & 0xFF not in {0, 0xFF} and address not in self.world.network.owners:
                return address

    # What processes have of the world -----------------------------------------------------------

    def take(self, process: HostProcess) -> None:
        """Give a process a number in the world's table, and a context."""
        world, clock = self.world, process.machine.clock
        process.context = world.sandbox.for_process(
            clock=world.kernel if clock.own is None else clock.own,
            start_ns=int(world.sandbox.start_ns) + clock.skew_ns,
            streams=RandomStreams(f"{world.seed}/process/{process.pid}"),
            sockets=self._system_calls(process),
            identity=process,
        )
        world.processes.add(process)

    def _system_calls(self, process: HostProcess) -> SystemCalls:
        if not self.has_disk(process.machine):
            return self.world.system_calls(process)  # type: ignore[no-any-return]
        process.globals.moves = False
        return HostSystemCalls(process, self._cwd)

    # Disks --------------------------------------------------------------------------------------

    def has_disk(self, host: SimHost) -> bool:
        """Return whether files of a host are its own, and not the real ones."""
        if host is self.driver:
            return self.world._disk is not None
        return not self._files_are_real

    def disk_of(self, host: SimHost) -> Disk:
        """Make the disk of a host; return the driver's.

        Raises:
            UsageError: Its files are the real ones.
        """
        if host is self.driver:
            return self.world.disk  # type: ignore[no-any-return]
        if self._files_are_real:
            raise UsageError(
                f"host.disk of {host.name!r}: files are the real ones for the whole run, by"
                ' allow=("files",); allow them for a block, with simloop.allow("files"): ...'
            )
        return make_host_disk(host)

    def fail_run(self, error: BaseException) -> None:
        """Fail the run by the error of a process that nobody has taken."""
        if not self.is_over:
            self.is_over = True  # The first error is the one that is told.
            self.error = error
            self.world.kernel.call_soon(_raise, error)

    def step_out_of(self, owners: list[Any]) -> None:
        """Step into the loop that runs, where a process that has ended may be in place.

        That is in a step of it, and in one of none: an event of the kernel's own. The kernel steps
        into no loop by itself where only one is left.
        """
        kernel = self.world.kernel
        if any(kernel.current is each for each in (*owners, kernel.events, None)):
            self._step_into_running()

    def _step_into_running(self) -> None:
        """Step into the loop that was told to run."""
        running = next((each for each in self.world.loops if each._thread_id), None)
        self.world.kernel.leave_loop(running)
        if running is not None:
            running._step_into()

    def _call_first(self, callback: Any) -> None:
        """Call a function as a step of no process before anything else that is ready."""
        kernel = self.world.kernel
        kernel.call_soon(callback)
        kernel.ready.rotate(1)

    def leave_step(self, process: HostProcess) -> None:
        """Leave the step that runs, without running any more of it: its process has ended."""
        # On the loops' thread, and not before the step is left: from 3.14 on a task's step ends by
        # an error where another loop has become the running one (_asynciomodule.c, ``leave_task``).
        self._call_first(self._step_into_running)
        thread = self.world.threads.current
        if thread is not None and thread.identity is process:
            thread.stay_frozen()
        self.remains.keep(variables_of(get_ident()))
        self._call_first(restore)  # The next step may be one of the same functions.
        unwind(_is_kernel, _StepLeft())

    def end(self) -> None:
        """End all processes, and let go of what they have left."""
        if self._is_ending:
            return  # The end of a process closes its loops, of which this is the consequence, too.
        self._is_ending = True
        self.is_over = True
        # The ends of processes step into their loops, and the driver is in place afterwards.
        running, hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
        if any(host.processes for host in (*self.by_name.values(), self.driver)):
            collect_now()  # What they have dropped is finalized before they end.
        for host in [*self.by_name.values(), self.driver]:
            host.end()
        self.remains.keep(*self.world.threads.end_frozen())
        self.world.threads.end_watches()  # They may hold a frame, and what it holds.
        self.world.sandbox.switch_to(self.world.sandbox)  # No globals of processes are in place.
        self._keep_globals()
        self.remains.let_go()
        asyncio._set_running_loop(running)
        sys.set_asyncgen_hooks(*hooks)
        self.world.has_lone_hooks = True
        self._is_ending = False

    def _keep_globals(self) -> None:
        """Keep what killed processes had for themselves of what the interpreter keeps once."""
        killed, self.killed = self.killed, []
        for each in killed:
            modules, left = each.empty()
            self.remains.keep_modules(modules)
            self.remains.keep(*left)


class _StepLeft(BaseException):
    """What leaves a step whose process has ended; nothing catches it but asyncio's tasks."""


def _is_kernel(code: CodeType) -> bool:
    return code.co_filename in _KERNEL_FILES


_KERNEL_FILES = tuple(
    module.__file__
    for name, module in sys.modules.copy().items()
    if name.startswith("simloop._kernel.")
)


def _raise(error: BaseException) -> None:
    raise error


_SHARED = ("simloop", "asyncio", "concurrent", "contextvars", "os", "socket", "ssl", "threading")
"""Modules that a process can't have copies of: the engine knows their objects."""


def _is_name(name: Any) -> bool:
    """Return whether a host of this name can be found by it, and is taken for no address.

    RFC 1035, 2.3.4, has the lengths; inet_aton(3) takes numbers between dots for an address.
    """
    if not isinstance(name, str) or not name.isascii() or len(name) > _NAME_MAX:
        return False
    labels = name.split(".")
    return all(map(_LABEL.fullmatch, labels)) and not all(map(_NUMBER.fullmatch, labels))


def _check_options(call: str, restart: Any, fresh: Any) -> None:
    if restart not in RESTARTS:
        raise UsageError(f"{call}: restart={restart!r} is none of {', '.join(map(repr, RESTARTS))}")
    is_several = not isinstance(fresh, str) and hasattr(fresh, "__iter__")
    if not is_several or not all(isinstance(each, str) and each for each in fresh):
        raise UsageError(
            f"{call}: fresh={fresh!r} is no sequence of names of packages; give a tuple, such as"
            " fresh=('package',)"
        )
    for each in fresh:
        top = each.partition(".")[0]
        if top in _SHARED or top in sys.builtin_module_names:
            raise UsageError(
                f"{call}: fresh={each!r}: the world and all programs stand on this one; name"
                " packages whose globals are the program's"
            )
        if top not in sys.modules and find_spec(top) is None:
            raise UsageError(f"{call}: fresh={each!r}: there is no package of that name")


def _check_addresses(call: str, addresses: Any, network: Any) -> list[str]:
    if isinstance(addresses, str):
        raise UsageError(f"{call}: addresses={addresses!r} is one text; give ({addresses!r},)")
    if not hasattr(addresses, "__iter__"):
        raise UsageError(f"{call}: addresses={addresses!r} is no sequence; give ('10.0.0.5',)")
    own: list[str] = []
    for address in addresses:
        if not isinstance(address, str):
            raise UsageError(f"{call}: {address!r} is no address: give a text, '10.0.0.5'")
        try:
            ip = canonical(address)
        except ValueError as error:
            raise UsageError(f"{call}: {address!r} is no address: {error}") from None
        owner = network.owners.get(ip)
        if owner is not None or ip in own:
            whose = f"of the host {owner.hostname!r}" if owner else "here twice"
            raise UsageError(f"{call}: the address {address!r} is {whose} already; choose another")
        network.check_unicast(address, ip)
        own.append(ip)
    return own
