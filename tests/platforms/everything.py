"""A program that uses all that is virtual; what it prints is the same on each platform."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import ssl
import threading
import time
import uuid

import simloop


async def git(process: simloop.Process) -> int:
    process.stdout.write((await process.stdin.readline()).upper())
    return 3


async def hang(process: simloop.Process) -> int:
    process.add_signal_handler(signal.SIGTERM, process.stderr.write, b"not yet\n")
    await asyncio.sleep(1e6)
    return 0


async def tcp() -> bytes:
    async def serve(reader, writer):
        writer.write(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "localhost", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(b"x" * 300_000)
        writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()


async def refused() -> str:
    try:
        await asyncio.open_connection("127.0.0.1", 9)
    except ConnectionRefusedError as error:
        return type(error).__name__
    return "connected"


async def udp() -> bytes:
    loop = asyncio.get_running_loop()
    heard = loop.create_future()

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            heard.set_result(data)

    ear, _ = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    mouth, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=ear.get_extra_info("sockname")
    )
    mouth.sendto(b"datagram")
    try:
        return await heard
    finally:
        ear.close()
        mouth.close()


async def processes() -> list:
    pipe = asyncio.subprocess.PIPE
    programs = simloop.current_world().programs
    programs.register("git", git)
    programs.register("hang", hang)
    one = await asyncio.create_subprocess_exec("git", stdin=pipe, stdout=pipe)
    told = await one.communicate(b"status\n")
    two = await asyncio.create_subprocess_exec("hang", stderr=pipe)
    await asyncio.sleep(1)
    two.terminate()
    said = await two.stderr.readline()
    two.kill()
    return [told, one.returncode, said, await two.wait()]


async def threads() -> list:
    seen = []
    lock = threading.Lock()

    def work(number):
        time.sleep(number)
        with lock:
            seen.append((number, time.monotonic()))

    await asyncio.gather(*(asyncio.to_thread(work, number) for number in (3, 1, 2)))
    left, right = socket.socketpair()
    reader = threading.Thread(target=lambda: seen.append(left.recv(10)))
    reader.start()
    right.sendall(b"pair")
    await asyncio.to_thread(reader.join)
    left.close()
    right.close()
    return seen


async def signals() -> str:
    loop, heard = simloop.current_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, heard.set)
    loop.call_later(5, loop.deliver_signal, signal.SIGTERM)
    await heard.wait()
    return "heard"


async def main() -> list:
    names = simloop.current_world().names
    names.add("db.internal", "10.0.0.5")
    looked_up = await asyncio.get_running_loop().getaddrinfo("db.internal", 80)
    return [
        len(await tcp()),
        await refused(),
        await udp(),
        await processes(),
        await threads(),
        await signals(),
        sorted({address[0] for *_, address in looked_up}),
        random.random(),
        str(uuid.uuid4()),
        time.strftime("%Y-%m-%d", time.gmtime()),
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).check_hostname,
        asyncio.get_running_loop().time(),
    ]


if __name__ == "__main__":
    outcome = simloop.simulate(main, seed=7)
    if outcome.error is not None:
        raise outcome.error
    print(*outcome.value, outcome.steps, sep="\n")
    simloop.check(main, seeds=[1], runs=2)
    print(simloop.explore(main, schedules=4).ran, "explored")
    print(len(simloop.sweep(main, seeds=range(3)).failures), "failed")
