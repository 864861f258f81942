"""What is the matter with each host now, in words: off, paused, cut off from others.

Owns: the words. Must not know who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simloop.world.world import World

__all__ = ["host_states"]


def host_states(world: World) -> list[tuple[str, str, str]]:
    """Return for each host its host name, the state of its power, and of its network.

    A state in which nothing is the matter is "". A world without hosts has none.

    Example:
        >>> import simloop
        >>> world = simloop.World()
        >>> world.add_host("db").crash()
        >>> world.network.partition("driver", "db")
        >>> host_states(world)
        [('localhost', '', 'cut off from db'), ('db', 'off', 'cut off from driver')]
    """
    if not world.has_hosts:
        return []
    from simloop.net.wire.watched_wire import troubles_of  # noqa: PLC0415 - loads no wire in vain

    wire = world.network.lay_wire()
    states = []
    for host in (world.driver, *world.hosts.values()):
        name, state = host.machine.hostname, host.state
        states.append((name, "" if state == "up" else state, troubles_of(wire, name)))
    return states
