"""Two machines and what lies between them, for the tests of this folder."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

import simloop

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
PORT = 80


class Machines:
    """A world with the driver at 10.0.0.1 and ``server`` at 10.0.0.2; more by name."""

    def __init__(self, *more, seed=1, switched=False, **conditions):
        self.world = simloop.World(seed=seed)
        self.client_host = self.world.make_host("localhost", CLIENT)
        self.hosts = {"localhost": self.client_host}
        self.loops = {}
        self.tasks = []
        for number, name in enumerate(("server", *more), 2):
            host = self.hosts[name] = self.world.make_host(name, f"10.0.0.{number}")
            self._boot(host)
        self.server_host = self.hosts["server"]
        for host in self.hosts.values():
            host.warns_of_unclosed = False  # Most rows leave off in the middle.
        self.net = self.world.network
        self.net.switched = switched
        self.net.configure(**{"latency": 0.025, **conditions})
        self.loop = self.loops["localhost"] = simloop.SimLoop(world=self.world)

    def _boot(self, host):
        process = self.world.add_process(host, [host.hostname])
        self.loops[host.hostname] = self.world.make_loop(process)

    @property
    def now(self):
        return self.world.time_ns / 1e9

    def start(self, function, *args, on="server"):
        """Start a coroutine function on a machine."""
        loop = self.loops[on]
        task = loop.create_task(function(*args))
        self.tasks.append(task)
        return task

    def run(self, function, *args):
        """Run a coroutine function on the driver to its end; return its result."""
        with self.world.inside():
            return self.loop.run_until_complete(function(*args))

    def close(self):
        """End what still runs, and close all loops."""

        async def end():
            await asyncio.sleep(1)  # What is on its way arrives, and is accepted.
            for loop in self.loops.values():
                for transport in tuple(loop._transports.values()):
                    if hasattr(transport, "abort"):
                        transport.abort()
            await asyncio.sleep(1)
            for loop in self.loops.values():
                for task in asyncio.all_tasks(loop) - {asyncio.current_task()}:
                    task.cancel()
            await asyncio.sleep(1)

        if not self.loop.is_closed():
            self.loop.run_until_complete(end())
        for loop in self.loops.values():
            loop.close()

    def power_off(self, name="server"):
        """Cut the power: what ran there is never heard of again."""
        self.hosts[name].power_off()

    def check(self):
        """Assert the invariants of all hosts and connections."""
        self.net.check()
        for stack in self.net.wire.protocols.stacks.values():
            for connection in stack.connections.values():
                connection.check()


class Clock:
    """Measure from now on."""

    def __init__(self, machines):
        self.machines = machines
        self.began = machines.now

    def __call__(self):
        return round(self.machines.now - self.began, 6)


def tcp(**options):
    """Return a non-blocking TCP socket."""
    sock = socket.socket()
    sock.setblocking(False)
    for name, value in options.items():
        if name.startswith("SO_"):
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        else:
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


def listener(port=PORT, backlog=100):
    """Return a listening socket."""
    sock = tcp(SO_REUSEADDR=1)
    sock.bind(("0.0.0.0", port))  # noqa: S104 - a simulation
    sock.listen(backlog)
    return sock


async def connect(address=SERVER, port=PORT, **options):
    """Return a connected socket."""
    sock = tcp(**options)
    await asyncio.get_running_loop().sock_connect(sock, (address, port))
    return sock


def name_of(error):
    """Return the name of an error's errno."""
    return errno.errorcode[error.errno]


async def outcome(awaitable):
    """Return what an awaitable gives, or the name of its errno."""
    try:
        return await awaitable
    except OSError as error:
        return name_of(error)


async def serve_echo(port=PORT, options=()):
    """Answer each piece with itself."""
    loop = asyncio.get_running_loop()
    with listener(port) as server:
        while True:
            sock, _ = await loop.sock_accept(server)
            for name, value in dict(options).items():
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            loop.create_task(echo(sock))  # noqa: RUF006 - kept by the selector


async def echo(sock):
    """Echo until the end."""
    loop = asyncio.get_running_loop()
    with sock:
        while data := await loop.sock_recv(sock, 1 << 20):
            await loop.sock_sendall(sock, data)


LINGER_0 = struct.pack("ii", 1, 0)
