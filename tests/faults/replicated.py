"""Small distributed programs that break by one fault, each with a twin that does not."""

from __future__ import annotations

import asyncio
import json

import simloop

PORT = 80


async def ask(host, message, *, within=1.0):
    """Send a message and return the answer; None where there was none in time."""
    writer = None
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(host, PORT)
            writer.write(json.dumps(message).encode() + b"\n")
            line = await reader.readline()
            return json.loads(line) if line.endswith(b"\n") else None
    except OSError:
        return None
    finally:
        if writer is not None:
            writer.close()


async def serve(answer):
    """Answer each line by what a coroutine function returns."""

    async def talk(reader, writer):
        try:
            line = await reader.readline()
            if line.endswith(b"\n"):
                writer.write(json.dumps(await answer(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, port=PORT)
    await server.serve_forever()


# A counter with a backup --------------------------------------------------------------------------


async def backup():
    """Keep what the primary sends."""
    kept = []

    async def answer(message):
        if message["do"] == "add":
            kept.append(message["id"])
        return kept

    await serve(answer)


def primary(*, acknowledges_first):
    """Return a program that counts distinct messages, and lets the backup know."""

    async def main():
        while (known := await ask("backup", {"do": "get"})) is None:
            await asyncio.sleep(0.1)
        counted = dict.fromkeys(known)

        async def replicate(message):
            while await ask("backup", message) is None:
                await asyncio.sleep(0.1)

        tasks = []

        async def answer(message):
            if message["do"] == "add" and message["id"] not in counted:
                counted[message["id"]] = None
                if acknowledges_first:
                    tasks.append(asyncio.create_task(lazily(message)))
                else:
                    await replicate(message)
            return len(counted)

        async def lazily(message):
            await asyncio.sleep(0.2)  # A batch.
            await replicate(message)

        await serve(answer)

    return main


async def count(faults, *, acknowledges_first):
    """Add until all is healed; what was acknowledged must be there in the end."""
    world = simloop.current_world()
    world.add_host("backup", backup)
    world.add_host("primary", primary(acknowledges_first=acknowledges_first))
    campaign = world.inject(faults)
    acknowledged = []
    for number in range(10):
        if await ask("primary", {"do": "add", "id": number}) is not None:
            acknowledged.append(number)
        await asyncio.sleep(0.5)
    await campaign.healed()
    while (total := await ask("primary", {"do": "get"})) is None:
        await asyncio.sleep(0.5)
    assert total >= len(acknowledged), f"{len(acknowledged)} acknowledged, {total} counted"


# A lease ------------------------------------------------------------------------------------------

LEASE = 2.0


async def lease_server():
    """Give the lease to whoever asks first, for a while."""
    loop = asyncio.get_running_loop()
    lease = {"holder": None, "until": 0.0}

    async def answer(message):
        if lease["holder"] == message["id"] or loop.time() >= lease["until"]:
            lease.update(holder=message["id"], until=loop.time() + LEASE)
            return True
        return False

    await serve(answer)


def worker(name, leaders, *, trusts_itself):
    """Return a program that leads while it has the lease."""

    async def main():
        loop = asyncio.get_running_loop()
        until = 0.0
        while True:
            asked = loop.time()
            granted = await ask("lease", {"id": name}, within=0.5)
            if granted:
                until = asked + LEASE
            elif granted is False or (not trusts_itself and loop.time() + 1 >= until):
                until = 0.0
            if until:
                leaders[name] = None
            else:
                leaders.pop(name, None)
            await asyncio.sleep(0.5)

    return main


async def lead(faults, *, trusts_itself):
    """Let two workers compete; there is never more than one leader."""
    world = simloop.current_world()
    leaders = {}
    world.add_host("lease", lease_server)
    for name in ("one", "two"):
        world.add_host(name, worker(name, leaders, trusts_itself=trusts_itself))
    simloop.always(lambda: len(leaders) <= 1, "one leader")
    campaign = world.inject(faults)
    await campaign.healed()
    await asyncio.sleep(5)
    assert leaders, "nobody leads after all is healed"
