"""A run as Chrome trace events: what becomes which event, and that the run does not notice."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import simloop
from simloop.trace import ChromeTrace, EventFile
from simloop.trace.messages import PENDING_MAX
from simloop.world.tracing.trace_file import writing_trace

COMMAND = [sys.executable, "-m", "simloop", "run"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "day_in_the_life.py"


async def echo(reader, writer):
    data = await reader.readline()
    await asyncio.sleep(0.5)
    writer.write(data)
    writer.close()


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    assert await reader.read() == b"hello\n"
    writer.close()


async def talk():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(ask(port), name=f"client {number}")
    server.close()
    await asyncio.sleep(3600)


def test_tasks_are_threads_of_their_host(trace):
    """The host is a process, each task a thread with its name, and callbacks have one more."""
    written = trace(talk)
    (process,) = [each for each in written.events if each.get("name") == "process_name"]
    assert process["args"]["name"] == "localhost"
    threads = list(written.threads().values())
    assert threads[0] == "callbacks"
    assert [name for name in threads if name.startswith("client")] == [
        "client 0",
        "client 1",
        "client 2",
    ]
    assert len({event["tid"] for event in written.events}) == len(threads)


def test_each_host_is_a_process(tmp_path, format_checker):
    """Loops on two hosts are two processes, and a message goes from one to the other."""

    async def serve():
        server = await asyncio.start_server(echo, "10.0.0.5", 5432)
        await asyncio.sleep(10)
        server.close()

    async def use():
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("10.0.0.5", 5432)
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()

    world = simloop.World()
    path = tmp_path / "run.json"
    with writing_trace(world, str(path), "p"), world.inside():
        app, db = (simloop.SimLoop(world=world) for _ in range(2))
        app._host = world.network.add_host("app", "10.0.0.1")
        db._host = world.network.add_host("db", "10.0.0.5")
        serving = db.create_task(serve(), name="server")
        app.run_until_complete(app.create_task(use(), name="user"))
        db.run_until_complete(serving)
        app.close()
        db.close()
    events = json.loads(path.read_text())["traceEvents"]
    format_checker(events)
    hosts = {
        each["pid"]: each["args"]["name"] for each in events if each.get("name") == "process_name"
    }
    ends = [(hosts[each["pid"]], each["ph"]) for each in events if each.get("cat") == "message"]
    assert ends == [("app", "s"), ("db", "f"), ("db", "s"), ("app", "f")]


def test_a_task_is_a_span_around_its_waits(trace):
    """A task's span says how it ended; a wait inside says for what, where, and how long."""
    spans = trace(talk).spans()
    lives = [
        span[0:3] + span[5:] for span in spans if span[1] == "task" and span[0][:6] == "client"
    ]
    assert lives == [(f"client {number}", "task", "ask", "returned") for number in range(3)]
    waits = [span[2:5] for span in spans if span[:2] == ("client 1", "wait")]
    assert waits == [("data on a stream", 0, 500_000)]
    naps = [span[3:5] for span in spans if span[1] == "wait" and span[2] == "a sleep"]
    assert naps[-1] == (500_000, 3_600_500_000)


def test_each_step_is_a_slice(trace):
    """Steps are numbered from 1, last no time, and say which line goes on."""
    written = trace(talk)
    steps = written.of("step")
    assert [step["args"]["step"] for step in steps] == list(range(1, len(steps) + 1))
    assert {span[4] - span[3] for span in written.spans() if span[1] == "step"} == {0}
    line = ask.__code__.co_firstlineno + 3
    woken = [step for step in steps if step["args"]["where"] == f"{__file__}:{line} in ask"]
    assert len(woken) >= 3
    assert written.about["steps"] == len(steps)


def test_a_message_goes_from_task_to_task(trace):
    """A flow begins in the step that sent it and ends in the task that it woke."""
    messages = trace(talk).messages()
    questions, answers = messages[:3], messages[3:]
    assert [each[0] for each in questions] == [f"client {number}" for number in range(3)]
    assert [each[1] for each in answers] == [f"client {number}" for number in range(3)]
    assert [each[1] for each in questions] == [each[0] for each in answers]
    assert {each[2] for each in messages} == {6}


def test_a_message_says_what_it_is(trace):
    """A flow has both endpoints, its size and its first bytes."""
    first = trace(talk).of("message", "s")[0]
    assert first["args"]["kind"] == "tcp"
    assert first["args"]["bytes"] == 6
    assert first["args"]["begins"] == "hello\n"
    assert first["args"]["from"].startswith("127.0.0.1:")
    assert first["args"]["to"].startswith("127.0.0.1:")


class Keep(asyncio.DatagramProtocol):
    def __init__(self):
        self.heard = []

    def datagram_received(self, data, addr):
        self.heard.append(data)


def test_datagrams_that_nobody_reads_are_lost(trace):
    """A datagram to nobody, and one that is never read, still has an end, which says so."""

    async def main():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Keep, ("127.0.0.1", 5000))
        transport.sendto(b"read", ("127.0.0.1", 5000))
        transport.sendto(b"nobody", ("127.0.0.1", 5001))
        await asyncio.sleep(1)
        transport.pause_reading()
        transport.sendto(b"unread", ("127.0.0.1", 5000))
        await asyncio.sleep(1)
        transport.close()

    messages = {each[2]: each[1] for each in trace(main).messages()}
    assert messages == {4: "callbacks", 6: None}


def bound_pair():
    """Two datagram sockets, of which the first is connected to the second."""
    one, other = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
    one.bind(("127.0.0.1", 0))
    other.bind(("127.0.0.1", 0))
    one.connect(other.getsockname())
    return one, other


@pytest.mark.parametrize(
    "make",
    [
        socket.socketpair,
        lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET),
        bound_pair,
    ],
    ids=["stream", "datagram", "packet", "udp"],
)
def test_whoever_reads_is_found(trace, make):
    """Sockets of all kinds, read without a transport, lead to the task that reads."""

    async def main():
        loop = asyncio.get_running_loop()
        one, other = make()
        one.setblocking(False)
        other.setblocking(False)
        task = asyncio.create_task(loop.sock_recv(other, 100), name="reader")
        await asyncio.sleep(1)
        one.send(b"hello")
        assert await task == b"hello"
        one.close()
        other.close()

    (message,) = trace(main).messages()
    assert message[1:] == ("reader", 5)


def test_a_pipe_leads_to_its_reader(trace):
    """A pipe's bytes lead to the task that takes them."""

    async def read(reader, ready):
        await ready.wait()
        return os.read(reader, 100)

    async def main():
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        reader, writer = os.pipe()
        loop.add_reader(reader, ready.set)
        task = asyncio.create_task(read(reader, ready), name="reader")
        await asyncio.sleep(1)
        os.write(writer, b"hello")
        assert await task == b"hello"
        loop.remove_reader(reader)
        os.close(reader)
        os.close(writer)

    (message,) = trace(main).messages()
    assert message[1:] == ("reader", 5)


def test_a_large_stream_is_read_to_its_end(trace):
    """Messages that wait for room, and are read in other pieces, all have readers."""
    size, count = 100_000, 20

    async def take(reader, writer):
        for _ in range(size * count // 50_000):
            await reader.readexactly(50_000)
            await asyncio.sleep(0.1)
        writer.close()

    async def main():
        server = await asyncio.start_server(take, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # It would take all of it.
        for _ in range(count):
            writer.write(bytes(size))
            await writer.drain()
        await reader.read()
        writer.close()
        server.close()

    messages = trace(main).messages()
    assert len(messages) > count
    assert all(reader is not None for _, reader, _ in messages)


def test_a_step_that_blocks_has_a_duration(trace):
    """``time.sleep`` makes a slice as long as it blocks, and other waits go on meanwhile."""

    async def main():
        other = asyncio.create_task(asyncio.sleep(1), name="other")
        await asyncio.sleep(0)
        time.sleep(5)
        await other

    written = trace(main)
    steps = [span[3:5] for span in written.spans() if span[1] == "step"]
    assert [each for each in steps if each[0] != each[1]] == [(0, 5_000_000)]
    waits = [span[2:5] for span in written.spans() if span[:2] == ("other", "wait")]
    assert waits == [("a sleep", 0, 5_000_000)]


def test_steps_in_the_middle_of_a_step_are_nested(trace):
    """While a step waits for a thread, the thread's own steps are inside of its span."""

    async def main():
        loop = asyncio.get_running_loop()

        def work():
            time.sleep(1)
            asyncio.run_coroutine_threadsafe(asyncio.sleep(1), loop).result()

        await asyncio.gather(asyncio.to_thread(work), asyncio.to_thread(time.sleep, 3))
        time.sleep(2)

    assert trace(main).about["complete"]


@pytest.mark.parametrize(
    ("end", "outcome"),
    [("return 1", "returned"), ("raise KeyError(1)", "raised KeyError(1)"), ("stop", "cancelled")],
)
def test_a_task_says_how_it_ended(trace, end, outcome):
    """A task's span ends with its outcome, and looking at it does not mark an error as seen."""
    complaints = []

    async def task():
        await asyncio.sleep(1)
        if end.startswith("raise"):
            raise KeyError(1)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        made = asyncio.create_task(task(), name="made")
        await asyncio.sleep(0.5)
        if end == "stop":
            made.cancel()
        await asyncio.sleep(1)
        del made
        gc.collect()

    spans = trace(main).spans()
    assert [span[5] for span in spans if span[:2] == ("made", "task")] == [outcome]
    assert bool(complaints) == end.startswith("raise")


def test_a_failed_run_gives_a_whole_trace(trace):
    """After a deadlock, an error or a limit all spans have ends."""

    async def stuck():
        await asyncio.gather(asyncio.Event().wait(), asyncio.sleep(1))

    async def wrong():
        task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(1)
        raise ValueError(task.get_name())

    async def naps():
        while True:
            await asyncio.sleep(10)

    for options in ({"max_time": 100}, {"max_steps": 30}):
        assert trace(naps, **options).about["complete"]
    assert trace(stuck).about["complete"]
    assert trace(wrong).about["complete"]


def test_a_destroyed_task_has_an_end(trace):
    """A task that is collected while it waits ends there, and the trace did not keep it."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        task = asyncio.create_task(asyncio.Event().wait(), name="gone")
        await asyncio.sleep(1)
        del task
        gc.collect()
        await asyncio.sleep(1)

    ends = [span[4:] for span in trace(main).spans() if span[:2] == ("gone", "task")]
    assert ends == [(1_000_000, "destroyed while pending")]


@pytest.mark.parametrize("main", [talk])
def test_the_run_does_not_notice(trace, main, tmp_path):
    """Steps and digest are the same with and without a trace, and equal runs give equal files."""
    digests = []
    for name in (None, "first.json", "second.json"):
        world = simloop.World(seed=3)
        digest = simloop.trace.Digest()
        world.watch(digest)
        if name is None:
            simloop.run(main(), world=world)
        else:
            with simloop.world.tracing.trace_file.writing_trace(world, str(tmp_path / name), "p"):
                simloop.run(main(), world=world)
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1] == digests[2]
    assert (tmp_path / "first.json").read_text() == (tmp_path / "second.json").read_text()


def test_memory_is_flat(tmp_path):
    """Nothing of a finished task, an ended message or a past step is kept."""
    traces = []

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for _ in range(50):
            await ask(port)
        pairs = [socket.socketpair() for _ in range(PENDING_MAX // 200 + 1)]
        for left, _ in pairs * 200:  # Nobody reads them, and more of them a buffer does not hold.
            left.send(b"x")
        await asyncio.sleep(1)
        server.close()
        trace = traces[0]
        kept = (len(trace._tracks._tasks), trace._messages._pending, len(trace._senders))
        for end in itertools.chain(*pairs):
            end.close()
        return kept

    world = simloop.World()
    file = EventFile(tmp_path / "run.json", {})
    receiver = lambda: world.network.fabric.receiver  # noqa: E731
    traces.append(ChromeTrace(file, lambda: world.time_ns, receiver, lambda _: ("", "")))
    world.watch(traces[0])
    tasks, pending, senders = simloop.run(main(), world=world)
    assert tasks <= 3
    assert pending == senders == PENDING_MAX
    world.unwatch(traces[0])
    traces[0].close(world.time_ns)
    file.close()
    assert len(json.loads((tmp_path / "run.json").read_text())["traceEvents"]) > PENDING_MAX


def test_a_file_is_whole_at_any_moment(tmp_path):
    """After each batch the file is JSON; an empty one and a closed one are, too."""
    path = tmp_path / "run.json"
    file = EventFile(path, {"complete": False})
    assert json.loads(path.read_text()) == {
        "traceEvents": [],
        "displayTimeUnit": "ms",
        "otherData": {"complete": False},
    }
    sizes = []
    for number in range(5000):
        file.write(json.dumps({"number": number, "text": "ä" * 20}, ensure_ascii=False))
        if number % 500 == 0:
            sizes.append(len(json.loads(path.read_text())["traceEvents"]))
    assert 0 < sizes[-1] < 5000
    file.tell(complete=True)
    file.close()
    content = json.loads(path.read_text())
    assert [event["number"] for event in content["traceEvents"]] == list(range(5000))
    assert content["otherData"] == {"complete": True}


def test_a_pipe_gets_a_whole_trace(tmp_path):
    """A file that has no positions is written once through."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = subprocess.Popen(["/bin/cat", str(path)], stdout=subprocess.PIPE)
    file = EventFile(path, {"a": 1})
    file.write('{"b":2}')
    file.close()
    assert json.loads(reader.communicate()[0])["traceEvents"] == [{"b": 2}]


def test_a_full_disk_does_not_end_the_run():
    """What can't be written is kept as the file's error; writing goes on into nothing."""
    with pytest.raises(OSError, match="No space left"):
        EventFile(Path("/dev/full"), {})
    file = EventFile(Path("/dev/null"), {})
    file._file.close()
    file._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115,PTH123
    file.write("{}")
    file.close()
    assert "No space left" in str(file.error)


KILLED = """
import asyncio, ctypes, signal
libc = ctypes.CDLL(None)  # os.kill and os.getpid are the world's in a run
async def main():
    for number in range(3000):
        await asyncio.sleep(1)
    libc.kill(libc.getpid(), signal.{signal})
    await asyncio.sleep(5)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "complete"), [("SIGKILL", False), ("SIGINT", True)])
def test_a_run_that_is_killed_leaves_a_trace(tmp_path, name, complete):
    """Interrupted by Ctrl-C, the trace ends as any does; killed, it lacks its last moments."""
    (tmp_path / "app.py").write_text(KILLED.format(signal=name))
    done = subprocess.run(
        [*COMMAND, "app.py", "--trace", "run.json"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode in (-signal.SIGKILL, 130), done.stderr
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["otherData"]["complete"] is complete
    assert len(content["traceEvents"]) > 1000


@pytest.mark.slow
def test_the_example_gives_a_trace(tmp_path, format_checker):
    """Some hours of the example, with aiohttp on both sides, keep all rules of the format."""
    done = subprocess.run(
        [*COMMAND, str(EXAMPLE), "--max-time", "30000", "--trace", "run.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 81, done.stderr
    content = json.loads((tmp_path / "run.json").read_text())
    format_checker(content["traceEvents"])
    names = [each["args"]["name"] for each in content["traceEvents"] if each["ph"] == "M"]
    assert "localhost" in names
    flows = [each for each in content["traceEvents"] if each["ph"] == "s"]
    assert any(each["args"].get("begins", "").startswith("POST /readings/") for each in flows)


def test_a_power_cut_is_an_instant_of_its_step(trace, tmp_path):
    """What a power cut took, and which call of a disk failed, stand where they happened."""

    async def main():
        world = simloop.current_world()
        host = world.add_host("db")
        (tmp_path / "f").write_text("x")
        await asyncio.sleep(5)
        world.disk.crash()
        world.disk.configure(read_error=1.0)
        (tmp_path / "f").write_text("y")
        with pytest.raises(OSError, match="Input/output"):
            (tmp_path / "f").read_text()
        host.crash()

    events = trace(main, disk=True).events
    moments = [event for event in events if event["ph"] == "i" and event["cat"] == "disk"]
    cut, failed = moments
    assert (cut["ts"], cut["s"]) == (5_000_000, "g")
    assert cut["name"].startswith("power cut, lost: ")
    assert failed["name"] == "read error of f"


def test_what_happens_when_a_task_is_looked_at_is_heard_too(trace):
    """A task's own class may do something as it tells of itself: an event like others."""
    # Here it cuts the power, at the very moment at which the trace looks at all tasks that wait.

    class Telling(asyncio.Task):
        def get_coro(self):
            simloop.current_world().disk.crash()
            return super().get_coro()

    async def main():
        waiting = [Telling(asyncio.sleep(1)) for _ in range(3)]
        await asyncio.gather(*waiting)

    traced = trace(main, disk=True)
    traced.check()
    assert len(traced.of("disk")) >= 3
