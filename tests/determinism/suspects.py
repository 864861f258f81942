"""Programs that their seed does not decide, each for a reason of its own; ``# here`` marks it."""

# ruff: noqa: S607 - processes that are escapes

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import subprocess
import sys
import tempfile
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import simloop


async def nap(name):
    await asyncio.sleep(len(str(name)))


async def set_of_strings():
    hosts = {f"host{number}" for number in range(9)}
    for host in hosts:  # here
        await asyncio.create_task(nap(host), name=host)


async def comprehension():
    hosts = frozenset(f"host{number}" for number in range(9))
    some = [host for host in hosts if host != "host3"]  # here
    await asyncio.sleep(3)
    for host in some:
        await asyncio.create_task(nap(host), name=host)


async def set_in_a_call():
    await asyncio.gather(*map(nap, {"a" * number for number in range(1, 20)}))  # here


async def pop():
    hosts = {f"host{number}" for number in range(9)}
    while hosts:
        await asyncio.create_task(nap(1), name=hosts.pop())  # here


async def hash_of_a_string():
    await asyncio.sleep(hash("simloop") % 1000)


class Peer:
    def __init__(self, number):
        self.number = number


async def by_id():
    peers = [Peer(number) for number in range(20)]
    peers.sort(key=lambda peer: id(peer) // 64 * 0x9E3779B97F4A7C15 % 1009)  # here
    for peer in peers:
        await asyncio.sleep(peer.number)


async def set_of_objects():
    peers = {Peer(number) for number in range(20)}
    for peer in peers:  # here
        await asyncio.sleep(peer.number)


class Server:
    def __init__(self):
        self.peers = {Peer(number) for number in range(12)}


async def closes(peer):
    await asyncio.sleep(1)
    print("closed", peer.number)  # noqa: T201 - what is compared


async def set_in_an_attribute():
    server = Server()
    await asyncio.gather(*(closes(peer) for peer in server.peers))  # here


async def set_that_is_weak():
    kept = [Peer(number) for number in range(12)]
    peers = weakref.WeakSet(kept)
    for peer in list(peers):  # here
        await closes(peer)


async def set_of_tuples():
    routes = {(Peer(number), "up") for number in range(12)}
    for peer, _ in list(routes):  # here
        await closes(peer)


async def real_time():
    moment = (ctypes.c_long * 2)()
    ctypes.CDLL(None).clock_gettime(0, moment)  # here
    await asyncio.sleep(moment[1] % 100_003)


async def real_entropy():
    drawn = ctypes.create_string_buffer(8)
    ctypes.CDLL(None).getrandom(drawn, 8, 0)
    await asyncio.sleep(int.from_bytes(drawn.raw, "big") % 100_003)


def work():
    time.sleep(random.SystemRandom().random() / 50)  # Real, in a real thread.


async def real_threads():
    loop = asyncio.get_running_loop()
    order = []

    async def one(pool, number):
        await loop.run_in_executor(pool, work)
        order.append(number)  # here

    with ThreadPoolExecutor(8) as pool:
        await asyncio.gather(*(one(pool, number) for number in range(8)))


async def real_process():
    with simloop.allow("subprocess"):
        done = subprocess.run(["cat", "/proc/self/stat"], capture_output=True, check=True)
    await asyncio.sleep(int(done.stdout.split()[0]))


COUNT = [0]


async def state():
    COUNT[0] += 1
    await asyncio.sleep(COUNT[0])


async def innocent():
    for number in sorted({f"host{number}" for number in range(9)}):
        await asyncio.sleep(random.random())
        await asyncio.create_task(nap(number))


async def fails():
    raise LookupError(random.random())


class Odd(Exception):  # noqa: N818 - it is one
    def __reduce__(self):
        raise SystemExit


async def fails_oddly():
    raise Odd


if __name__ == "__main__":
    simloop.check(globals()[sys.argv[1]], seeds=[5, 6])
    print("the same")  # noqa: T201


async def leaves_a_file():
    descriptor, path = tempfile.mkstemp()
    os.close(descriptor)
    await nap(path)
    sys.stdout.write(f"{path}\n")


async def strings_beside_a_file():
    await leaves_a_file()
    await set_of_strings()


async def addresses_beside_a_file():
    await leaves_a_file()
    await set_of_objects()
