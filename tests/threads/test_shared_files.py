"""A buffered file over a pipe is used by one thread at a time: another one waits for its turn."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading

import pytest

import simloop


def test_a_file_is_closed_when_its_reader_is_through(run_either):
    """``close()`` waits for the thread that reads, which the end of the pipe has woken."""

    async def main():
        def read():
            told.append(file.readline())

        told = []
        reader, writer = os.pipe()
        file = os.fdopen(reader)
        thread = threading.Thread(target=read)
        thread.start()
        await asyncio.sleep(0.05)
        os.close(writer)
        file.close()
        thread.join()
        return told, file.closed

    assert run_either(main()) == ([""], True)


@pytest.mark.parametrize("name", ["readline", "read", "read1", "peek", "readinto", "__next__"])
def test_readers_take_turns(name, run_either):
    """Each of two threads that read one file gets something of its own, and none hangs."""

    async def main():
        def read(number):
            method = getattr(file, name)
            args = {"read": [3], "readinto": [bytearray(3)]}.get(name, [])
            told[number] = method(*args)

        told = {}
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb", buffering=3) as file:
            threads = [threading.Thread(target=read, args=(number,)) for number in range(2)]
            for thread in threads:
                thread.start()
                await asyncio.sleep(0.05)
            os.write(writer, b"ab\n")
            await asyncio.sleep(0.05)
            os.write(writer, b"cd\n")
            for thread in threads:
                await asyncio.to_thread(thread.join)
            os.close(writer)
        return told

    second = b"ab\n" if name == "peek" else 3 if name == "readinto" else b"cd\n"
    assert run_either(main()) == {0: 3 if name == "readinto" else b"ab\n", 1: second}


@pytest.mark.parametrize("name", ["flush", "close"])
def test_a_writer_is_waited_for(name, run_either):
    """``flush()`` and ``close()`` wait for the thread whose bytes the pipe has no room for."""

    async def main():
        def write():
            file.write(b"x" * 100_000)
            done.append(name)

        done = []
        reader, writer = os.pipe()
        file = os.fdopen(writer, "wb", 8192)
        threads = [threading.Thread(target=write), threading.Thread(target=getattr(file, name))]
        for thread in threads:
            thread.start()
            await asyncio.sleep(0.05)
        assert not done
        size = 0
        while size < 100_000:
            size += len(await asyncio.to_thread(os.read, reader, 70_000))
        for thread in threads:
            await asyncio.to_thread(thread.join)
        file.close()
        os.close(reader)
        return size, done

    assert run_either(main()) == (100_000, [name])


def test_a_sockets_file_is_closed_when_its_reader_is_through(run_either):
    """What ``makefile`` gives is closed by one thread and read by another, as any file is."""

    async def main():
        def read():
            told.append(file.readline())

        told = []
        own, other = socket.socketpair()
        with own, own.makefile("rb") as file:
            thread = threading.Thread(target=read)
            thread.start()
            await asyncio.sleep(0.05)
            other.sendall(b"the last")
            other.close()
        thread.join()
        return told, file.closed

    assert run_either(main()) == ([b"the last"], True)


@pytest.mark.parametrize("mode", ["r", "w", "rw", "b", "rb", "wb", "rwb", "x", "", "rbb", "bw"])
@pytest.mark.parametrize("buffering", [None, -1, 0, 1, 7])
def test_a_sockets_file_is_what_python_makes(mode, buffering, run_either):
    """Of each mode and size: its class and what it says of itself, or the error."""

    async def main():
        own, other = socket.socketpair()
        with own, other:
            try:
                file = own.makefile(mode, buffering)
            except (ValueError, AssertionError) as error:
                return type(error), str(error)
            with file:
                kinds = (io.TextIOBase, io.BufferedRWPair, io.BufferedReader, io.BufferedWriter)
                layers = [isinstance(file, kind) for kind in (*kinds, socket.SocketIO)]
                layers += [isinstance(getattr(file, "buffer", None), kind) for kind in kinds]
                return (
                    repr(file).partition(" ")[0],
                    layers,
                    file.readable(),
                    file.writable(),
                    getattr(file, "mode", ""),
                )

    assert run_either(main()) == asyncio.run(main())


def test_a_file_that_nobody_lets_go_is_a_deadlock():
    """Where the pipe stays open the closing one waits for ever, and is told of."""

    async def main():
        reader, writer = os.pipe()
        file = os.fdopen(reader)
        threading.Thread(target=file.readline, daemon=True).start()
        await asyncio.sleep(1)
        try:
            file.close()
        finally:
            os.close(writer)

    with pytest.raises(simloop.DeadlockError, match="the loop's own thread waits"):
        simloop.run(main())
