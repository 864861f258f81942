"""Programs that tests of hosts name by module and function."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading

SEEN = []
COUNT = 0


async def coroutine(*args):
    SEEN.append(("coroutine", socket.gethostname(), args))
    await asyncio.sleep(1)
    return 3


def plain(*args):
    main = threading.main_thread()
    SEEN.append(("plain", socket.gethostname(), args, threading.current_thread() is main))
    return asyncio.run(coroutine("inner"))


def count():
    global COUNT  # noqa: PLW0603 - what is tested is whose it is
    COUNT += 1
    SEEN.append((os.getpid(), COUNT))


async def count_and_wait():
    count()
    await asyncio.sleep(1000)


if __name__ == "__main__":
    print("main of", socket.gethostname(), sys.argv[1:], type(__builtins__).__name__)  # noqa: T201 - its output is tested
    sys.exit(asyncio.run(coroutine(*sys.argv[1:])))
