"""asyncssh: commands, files, forwarded ports, a connection that goes silent."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from .bodies import BIG, HERE
from .sealed import SEALED

asyncssh = pytest.importorskip("asyncssh")

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

KEY = asyncssh.generate_private_key("ssh-ed25519")


class Server(asyncssh.SSHServer):
    """Lets everybody in, and forward ports."""

    def begin_auth(self, _username):
        return False

    def connection_requested(self, *_args):
        return True


async def execute(process):
    """Do the few commands that the tests give."""
    if process.command == "sleep":
        await asyncio.sleep(1000)
    data = await process.stdin.read()
    process.stdout.write(f"{process.command}: {len(data)}")
    process.stderr.write("done")
    process.exit(3)


@contextlib.asynccontextmanager
async def serving(**options):
    server = await asyncssh.listen(
        HERE,
        2222,
        server_factory=Server,
        server_host_keys=[KEY],
        process_factory=execute,
        **options,
    )
    try:
        yield server
    finally:
        server.close()
        await server.wait_closed()


def connect(**options):
    return asyncssh.connect(
        HERE, 2222, known_hosts=None, username="u", client_keys=None, config=None, **options
    )


def test_commands(live):
    """A burst of commands over one connection, five megabytes of input, a timeout of minutes."""

    async def main():
        async with serving(), connect() as connection:
            runs = [connection.run("count", input="x" * number) for number in range(1, 21)]
            for number, result in enumerate(await asyncio.gather(*runs), 1):
                assert (result.stdout, result.stderr) == (f"count: {number}", "done")
                assert result.exit_status == 3
            text = "x" * len(BIG)
            assert (await connection.run("count", input=text)).stdout == f"count: {len(BIG)}"
            with pytest.raises(asyncssh.TimeoutError):
                await connection.run("sleep", timeout=300)

    assert live(main).time >= 300


@pytest.mark.skipif(
    SEALED in os.environ, reason="it asks for users' names, which the C library may do by a socket"
)
def test_files(live, tmp_path):
    """SFTP and SCP put and get five megabytes; the files themselves are real."""

    async def main():
        folder = tmp_path / "served"
        folder.mkdir(exist_ok=True)
        (tmp_path / "big").write_bytes(BIG)
        async with serving(sftp_factory=True, allow_scp=True), connect() as connection:
            async with connection.start_sftp_client() as sftp:
                await sftp.put(tmp_path / "big", folder / "put")
                assert sorted(await sftp.listdir(folder)) == [".", "..", "put"]
                assert (await sftp.stat(folder / "put")).size == len(BIG)
                await sftp.get(folder / "put", tmp_path / "got")
                await sftp.remove(folder / "put")
            await asyncssh.scp(tmp_path / "big", (connection, folder / "copied"))
            (folder / "copied").unlink()
        assert (tmp_path / "got").read_bytes() == BIG
        return list(folder.iterdir())

    assert live(main).value == []


def test_a_forwarded_port(live):
    """A port of the client's leads through the connection to a server beyond it."""

    async def main():
        async def echo(reader, writer):
            writer.write((await reader.read())[::-1])
            writer.close()

        beyond = await asyncio.start_server(echo, HERE, 8000)
        async with serving(), connect() as connection, beyond:
            listener = await connection.forward_local_port("", 8022, HERE, 8000)
            reader, writer = await asyncio.open_connection(HERE, 8022)
            writer.write(BIG)
            writer.write_eof()
            assert await reader.read() == BIG[::-1]
            writer.close()
            listener.close()
            await listener.wait_closed()

    live(main)


def test_a_silent_peer_is_given_up(live):
    """Keep-alives that nobody answers end the connection, minutes later."""

    async def main():
        async with serving():
            # A wire that is cut after the handshake: what the client sends goes nowhere.
            wire, cut = [], asyncio.Event()

            async def relay(reader, writer):
                away_reader, away_writer = await asyncio.open_connection(HERE, 2222)
                wire.extend(
                    asyncio.ensure_future(copy(*pair, cut))
                    for pair in ((reader, away_writer), (away_reader, writer))
                )

            async with await asyncio.start_server(relay, HERE, 2200):
                connection = await asyncssh.connect(
                    HERE,
                    2200,
                    known_hosts=None,
                    username="u",
                    client_keys=None,
                    config=None,
                    keepalive_interval=60,
                    keepalive_count_max=3,
                )
                cut.set()
                with pytest.raises(asyncssh.ChannelOpenError, match="connection closed"):
                    await connection.run("count")
                for task in wire:
                    task.cancel()

    assert 180 <= live(main).time <= 300


async def copy(reader, writer, cut):
    with contextlib.closing(writer):
        while data := await reader.read(1 << 16):
            if not cut.is_set():
                writer.write(data)
                await writer.drain()
