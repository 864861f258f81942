"""``simloop run --hosts``: a program beside machines that a file adds."""

from __future__ import annotations

import pytest

WORLD = """
import asyncio

async def serve():
    async def greet(reader, writer):
        writer.write(b"hello from db")
        writer.close()

    server = await asyncio.start_server(greet, port=80)
    await server.serve_forever()

def hosts(world):
    world.add_host("db", serve)
    world.network.configure(latency=0.25)

def others(world):
    world.add_host("db", plain)

def plain():
    asyncio.run(serve())

async def late(world):
    pass

def greedy(world, more):
    pass

number = 5

async def main():
    from client import ask
    await ask()
"""
CLIENT = """
import asyncio

async def ask():
    await asyncio.sleep(1)
    reader, writer = await asyncio.open_connection("db", 80)
    print((await reader.read()).decode(), asyncio.get_running_loop().time())
    writer.close()

if __name__ == "__main__":
    asyncio.run(ask())
"""


@pytest.fixture
def simloop(command_on):
    command_on("client.py", CLIENT)
    return command_on("world.py", WORLD)


def test_a_script_finds_the_machines_of_a_file(simloop):
    """Names and latencies are those that the function gave the world."""
    done = simloop("run", "client.py", "--hosts", "world.py")
    assert (done.status, done.out) == (0, "hello from db 2.0\n")


def test_the_file_may_have_the_program_too(simloop):
    """Where no program is named it is the file's function main."""
    done = simloop("run", "--hosts", "world.py")
    assert (done.status, done.out) == (0, "hello from db 2.0\n")


def test_another_function_may_add_them(simloop):
    """A machine may run a plain function that calls asyncio.run itself."""
    done = simloop("run", "client.py", "--hosts", "world.py:others")
    assert done.status == 0
    assert done.out.startswith("hello from db 1.00")


def test_a_run_with_machines_is_checked_and_traced(simloop, tmp_path):
    """The second process has them, too, and the trace tells of them."""
    trace = tmp_path / "run.json"
    done = simloop("run", "client.py", "--hosts", "world.py", "--check", "--trace", str(trace))
    assert done.status == 0
    assert "check: equal, in two processes" in done.err
    assert "db" in trace.read_text()


def test_an_error_of_a_machine_fails_the_run(command_on):
    """As in any other run, with the note that names it."""
    command_on("app.py", "import asyncio\nasync def main(): await asyncio.sleep(9)\n")
    failing = (
        "async def fall(): raise LookupError('broken')\n"
        "def hosts(world): world.add_host('db', fall)\n"
    )
    done = command_on("world.py", failing)("run", "app.py", "--hosts", "world.py")
    assert done.status == 1
    assert "LookupError: broken" in done.err
    assert "db" in done.err


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ("nowhere.py", "does not exist"),
        ("client.py", "has no function 'hosts'"),
        ("world.py:none", "has no function 'none'"),
        ("world.py:number", "write: def number(world)"),
        ("world.py:late", "is a coroutine function"),
        ("world.py:greedy", "missing a required argument: 'more'"),
    ],
)
def test_what_adds_no_machines_is_told(simloop, hosts, message):
    """With the file and the function, and the status of a wrong call."""
    done = simloop("run", "client.py", "--hosts", hosts)
    assert done.status == 2
    assert message in done.err


def test_a_line_without_any_program_is_wrong(simloop, capsys):
    """It says what is missing."""
    with pytest.raises(SystemExit):
        simloop("run", "--seed", "3")
    assert "required: FILE.py|MODULE[:FUNCTION]" in capsys.readouterr().err
