"""A client of redis that counts, and a server that is killed, and one whose power is cut."""

import asyncio

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from resp_server import serve

import simloop


def connect():
    """Return a client that gives up an answer after a second, and tries five times more."""
    retry = Retry(ExponentialBackoff(cap=2, base=0.5), retries=5)
    return redis.Redis(
        host="cache", protocol=2, socket_timeout=1, socket_connect_timeout=1, retry=retry
    )


async def count(client, told):
    """Count once, and tell what came of it."""
    began = asyncio.get_running_loop().time()
    try:
        result = await client.incr("visits")
    except redis.RedisError as error:
        result = type(error).__name__
    told.append((result, round(asyncio.get_running_loop().time() - began, 1)))


async def main():
    host = simloop.current_world().add_host("cache", serve, restart="on-failure")
    told: list[tuple[object, float]] = []
    await asyncio.sleep(1)
    async with connect() as client:
        await count(client, told)
        await count(client, told)
        host.processes[0].kill()  # Its policy starts it again, one second later.
        await count(client, told)
        host.crash()
        asyncio.get_running_loop().call_later(3, host.restart)
        await count(client, told)
        host.crash()
        asyncio.get_running_loop().call_later(60, host.restart)
        await count(client, told)
    return told
