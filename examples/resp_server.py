"""A stand-in for a Redis server: it speaks RESP 2, and keeps strings in memory.

    python examples/resp_server.py

It is enough for clients of redis in tests, and forgets everything when it ends. It imports nothing
of simloop.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

Reply: TypeAlias = "str | int | bytes | None"


async def read_command(reader: asyncio.StreamReader) -> list[bytes]:
    """Return the words of a command: an array of bulk strings; none at the end of the stream."""
    head = await reader.readline()
    words = []
    for _ in range(int(head[1:] or 0)):
        size = int((await reader.readline())[1:])
        words.append((await reader.readexactly(size + 2))[:-2])
    return words


def encode(reply: Reply) -> bytes:
    """Encode a status, an error (which begins with "-"), a number, a value, or none."""
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
    return f"{'' if reply.startswith('-') else '+'}{reply}\r\n".encode()


def execute(values: dict[bytes, bytes], words: list[bytes]) -> Reply:
    """Do what a command says, and return what is replied."""
    reply: Reply = f"-ERR unknown command '{words[0].decode()}'"
    match words[0].upper(), *words[1:]:
        case b"PING", *_:
            reply = "PONG"
        case b"CLIENT", *_:
            reply = "OK"
        case b"SET", key, value:
            values[key] = value
            reply = "OK"
        case b"GET", key:
            reply = values.get(key)
        case ((b"INCR" | b"INCRBY"), key, *by):
            reply = int(values.get(key, b"0")) + (int(by[0]) if by else 1)
            values[key] = b"%d" % reply
        case b"DEL", *keys:
            reply = len([values.pop(key) for key in keys if key in values])
    return reply


async def serve(port: int = 6379) -> None:
    """Serve until this is cancelled."""
    values: dict[bytes, bytes] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while words := await read_command(reader):
                writer.write(encode(execute(values, words)))
                await writer.drain()
        except (OSError, EOFError):
            pass  # The client is gone.
        finally:
            writer.close()

    async with await asyncio.start_server(talk, port=port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
