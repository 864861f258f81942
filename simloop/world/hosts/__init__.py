"""Hosts: the machines of a world, and the processes that run on them.

:mod:`.hosted_world` is what a world has: its hosts by name, and the driver. :mod:`.host_table` is
what that makes when the first host is added, :mod:`.sim_host` one machine, :mod:`.host_process` one
process, :mod:`.host_program` what a process can run, :mod:`.program_thread` how it runs where that
is no coroutine function, :mod:`.host_clock` the clock of a machine.
"""

from __future__ import annotations

from .hosted_world import HostedWorld

__all__ = ["HostedWorld"]
