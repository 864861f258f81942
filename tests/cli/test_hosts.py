"""``simloop run --hosts``: a program beside machines that a file adds."""

from __future__ import annotations

import pytest

from simloop.cli import ExitStatus

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


ASKS = """
import asyncio, atexit, queue, socket, sys, threading, time

async def main():
    reader, writer = await asyncio.open_connection("db", 80)
    print((await reader.read()).decode())
    writer.close()

def ask():
    with socket.create_connection(("db", 80)) as sock:
        print(sock.recv(20).decode())
"""


@pytest.mark.parametrize(
    "use",
    [
        "asyncio.run(main()); asyncio.run(main())",
        "asyncio.run(main()); time.sleep(1); ask()",
        "time.sleep(1); ask(); ask(); asyncio.run(asyncio.sleep(0))",
        "asyncio.run(main()); atexit.register(ask)",
        "asyncio.run(main()); atexit.register(lambda: asyncio.run(main()))",
        "asyncio.run(main()); threading.Thread(target=ask).start()",
        "t = threading.Thread(target=ask); t.start(); t.join(); asyncio.run(main())",
        "time.sleep(1); ask(); ask(); sys.exit()",
        (
            "l = asyncio.new_event_loop(); l.call_soon(print); time.sleep(1); ask();"
            " l.run_until_complete(main()); l.close()"
        ),
        "import simloop; simloop.run(main()); simloop.run(main())",
    ],
)
def test_machines_live_as_long_as_the_script(simloop, tmp_path, use):
    """Between its loops, while it blocks, in its threads, and in its functions for the end."""
    (tmp_path / "client.py").write_text(f"{ASKS}\n{use}\n")
    done = simloop("run", "client.py", "--hosts", "world.py")
    assert (done.status, done.out.strip().count("hello from db")) == (0, 2), done.err
    # What is ready on a loop of the script's waits for the loop to be run.
    assert ("l.call_soon" in use) == ("hello from db\n\nhello" in done.out)


@pytest.mark.parametrize("before", ["", "asyncio.run(asyncio.sleep(0.5))"])
def test_a_blocked_script_hears_its_alarms(simloop, tmp_path, before):
    """A timer of signals rings while it sleeps, and the machines go on meanwhile."""
    (tmp_path / "client.py").write_text(
        "import asyncio, signal, time\n"
        "signal.signal(signal.SIGALRM, lambda *_: print('alarm', time.monotonic()))\n"
        "signal.setitimer(signal.ITIMER_REAL, 1.5, 1)\n"
        f"{before}\n"
        "time.sleep(3 - time.monotonic())\n"
        "print('ends', time.monotonic())\n"
    )
    done = simloop("run", "client.py", "--hosts", "world.py")
    assert (done.out, done.status) == ("alarm 1.5\nalarm 2.5\nends 3.0\n", 0), done.err


def test_a_blocked_script_waits_in_virtual_time(simloop, tmp_path):
    """While it sleeps the machines go on, each at its time."""
    (tmp_path / "client.py").write_text(
        "import time, simloop\n"
        "def tick(name):\n"
        "    while True:\n"
        "        print(name, time.monotonic())\n"
        "        time.sleep(1)\n"
        "world = simloop.current_world()\n"
        "world.add_host('a', tick, args=('a',))\n"
        "time.sleep(0.5)\n"
        "world.add_host('b', tick, args=('b',))\n"
        "time.sleep(1.75)\n"
        "print('ends', time.monotonic())\n"
    )
    done = simloop("run", "client.py", "--hosts", "world.py:others")
    told = "a 0.0\nb 0.5\na 1.0\nb 1.5\na 2.0\nends 2.25\n"
    assert (done.out, done.status) == (told, 0), done.err


def test_a_script_that_waits_for_a_machine_for_ever_is_a_deadlock(simloop, tmp_path):
    """It says where the script waits, and what the machines wait for."""
    (tmp_path / "client.py").write_text(f"{ASKS}\ntime.sleep(1)\nqueue.Queue().get()\n")
    done = simloop("run", "client.py", "--hosts", "world.py")
    assert done.status == ExitStatus.DEADLOCK
    assert "client.py:14" in done.err
    assert "db/Task-1" in done.err


@pytest.mark.parametrize(
    "use", ["time.sleep(9)", "asyncio.run(asyncio.sleep(9))", "asyncio.run(main())"]
)
def test_an_error_of_a_machine_fails_the_run_whatever_the_script_catches(simloop, tmp_path, use):
    """It comes out of what the script waits in, and can't be kept from the run."""
    (tmp_path / "client.py").write_text(
        f"{ASKS}\ntry:\n    {use}\nexcept Exception as error:\n    print(error)\nprint('ends')\n"
    )
    failing = "async def fall(): raise LookupError('broken')\n"
    (tmp_path / "world.py").write_text(f"{failing}def hosts(world): world.add_host('db', fall)\n")
    done = simloop("run", "client.py", "--hosts", "world.py")
    assert done.status == 1
    assert "LookupError: broken" in done.err
    assert done.out == "broken\nends\n"


def test_a_script_may_block_among_machines_under_a_check(simloop, tmp_path):
    """Two processes have the same run."""
    (tmp_path / "client.py").write_text(f"{ASKS}\ntime.sleep(1); ask(); asyncio.run(main())\n")
    done = simloop("run", "client.py", "--hosts", "world.py", "--check")
    assert done.status == 0
    assert "check: equal" in done.err
