"""The running loop after a run with hosts."""

from __future__ import annotations

import asyncio
import socket
import sys

import simloop


def blocking():
    """Accept for ever, in a thread."""
    with socket.create_server(("", 80)) as server:
        while True:
            server.accept()[0].close()


def runs_itself():
    """Serve on a loop that the program makes."""

    async def serve():
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), port=80)
        await server.serve_forever()

    asyncio.run(serve())


def test_no_loop_runs_after_a_run_whose_hosts_have_threads():
    """What ends with the run leaves no loop, hooks or process of a host in the caller's thread."""
    worlds = []

    async def main():
        world = simloop.current_world()
        worlds.append(world)
        for name, program in (("a", blocking), ("b", runs_itself)):
            world.add_host(name, program)
            await asyncio.sleep(1)
            reader, writer = await asyncio.open_connection(name, 80)
            await reader.read()
            writer.close()

    hooks = sys.get_asyncgen_hooks()
    simloop.run(main())
    left = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    left_hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(*hooks)
    assert left is None
    assert left_hooks == hooks
    assert worlds[0].sandbox.further is None
