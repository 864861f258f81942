"""Workers that lead while they hold a lease, on machines whose clocks are wrong."""

import asyncio
import json
import time
from functools import partial

import simloop

LEASE = 2.0


async def ask(host, **message):
    """Return the answer of a server, or nothing where none came in time."""
    writer = None
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(host, 80)
            writer.write(json.dumps(message).encode() + b"\n")
            return json.loads(await reader.readline() or b"{}")
    except OSError:
        return {}
    finally:
        if writer is not None:
            writer.close()


async def serve(answer):
    async def talk(reader, writer):
        writer.write(json.dumps(answer(**json.loads(await reader.readline()))).encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(talk, port=80)
    await server.serve_forever()


async def locks(clock):
    """Give the lease to one at a time, and each new holder a higher number."""
    holder, until, token = "", 0.0, 0

    def answer(name):
        nonlocal holder, until, token
        if name != holder:
            if clock() < until:
                return {}
            holder, token = name, token + 1
        until = clock() + LEASE
        return {"until": until, "token": token}

    await serve(answer)


async def store(written, is_fenced):
    """Keep what leaders write: the number of each."""
    latest = 0

    def answer(token):
        nonlocal latest
        if is_fenced and token < latest:
            return {"refused": latest}
        latest = token
        written.append(token)
        return {}

    await serve(answer)


async def worker(name, clock):
    """Write now and then, while the lease lasts; ask for it anew when it is about to end."""
    token = until = 0
    while True:
        asked = clock()
        if asked > until - 0.6 and (lease := await ask("locks", name=name)):
            token = lease["token"]
            until = lease["until"] if clock is time.time else asked + LEASE
        if clock() < until:
            await ask("store", token=token)
        await asyncio.sleep(0.5)


async def main(clock=time.time, is_fenced=False):
    world = simloop.current_world()
    written: list[int] = []
    world.add_host("locks", locks, args=(clock,))
    world.add_host("store", store, args=(written, is_fenced))
    for name in ("one", "two"):
        world.add_host(name, worker, args=(name, clock))
    simloop.always(lambda: written == sorted(written), "no leader writes after the next one")
    campaign = world.inject(simloop.Faults(clock=True, hosts=["locks", "one", "two"], until=8))
    await campaign.healed()
    before = len(written)
    await asyncio.sleep(5)
    assert len(written) > before, "nobody leads, and all is well"


by_monotonic_clock = partial(main, clock=time.monotonic)
fenced = partial(main, clock=time.monotonic, is_fenced=True)
