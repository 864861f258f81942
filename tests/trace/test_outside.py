"""What a run does to the outside is in its digest; what a process does once is not."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import hashlib
import io
import logging
import os
import reprlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import unittest.mock
from pathlib import Path

import pytest

import simloop
from simloop.trace import Recorder


class Tee:
    """A stream that is none of Python's own, and keeps what it gets."""

    def __init__(self):
        self.got = []

    def write(self, text):
        self.got.append(text)
        return len(text)

    def flush(self):
        """Do nothing: there is no buffer."""


def prints(word):
    print(word)  # noqa: T201 - what is tested


def to_stderr(word):
    sys.stderr.write(word)


def logs(word):
    logger = logging.Logger("outside")  # noqa: LOG001 - with a handler of its own
    logger.addHandler(logging.StreamHandler())
    logger.warning("said %s", word)


def logs_unhandled(word):
    logger = logging.Logger("none")  # noqa: LOG001 - it ends at the handler of last resort
    logger.warning("said %s", word)


def by_descriptor(word):
    os.write(1, word.encode())


def by_buffer(word):
    stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(os.dup(2), "w")))
    stream.buffer.write(word.encode() + b"\xff\n")
    stream.close()


def to_replaced(word):
    with contextlib.redirect_stdout(Tee()):
        print(word)  # noqa: T201 - as above


def to_text_in_memory(word):
    with contextlib.redirect_stdout(io.StringIO()):
        print(word)  # noqa: T201 - as above


def writes_lines(word):
    sys.stdout.writelines(["one\n", word, "\n"])


def file_by_open(word):
    with tempfile.TemporaryDirectory() as folder, Path(folder, "f").open("w") as file:
        file.write(word)


def file_by_pathlib(word):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "f").write_bytes(word.encode())


def file_unbuffered(word):
    with tempfile.TemporaryDirectory() as folder, Path(folder, "f").open("wb", 0) as file:
        file.write(word.encode())


def file_by_descriptor(word):
    with tempfile.TemporaryDirectory() as folder:
        fd = os.open(Path(folder, "f"), os.O_WRONLY | os.O_CREAT)
        os.write(fd, word.encode())
        os.close(fd)


def file_in_pieces(word):
    with tempfile.TemporaryDirectory() as folder:
        fd = os.open(Path(folder, "f"), os.O_WRONLY | os.O_CREAT)
        os.writev(fd, [b"one ", word.encode()])
        os.pwrite(fd, b"x", 0)
        os.close(fd)


def name_of_a_file(word):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, word).touch()


def renames(word):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "f").touch()
        Path(folder, "f").rename(Path(folder, word))


def makes_a_folder(word):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, word).mkdir()


def crosses_sockets(word):
    one, other = socket.socketpair()
    one.sendall(word.encode())
    assert other.recv(9) == word.encode()
    one.close()
    other.close()


def crosses_pipes(word):
    reads, writes = os.pipe()
    os.write(writes, word.encode())
    assert os.read(reads, 9) == word.encode()
    os.close(reads)
    os.close(writes)


def sets_a_timer(word):
    asyncio.get_running_loop().call_later(len(word) * 9, print).cancel()


def raises_a_signal(word):
    numbers = {"red": signal.SIGUSR1, "green": signal.SIGUSR2}
    for number in numbers.values():
        signal.signal(number, lambda *_: None)
    os.kill(os.getpid(), numbers[word])


ACTS = [
    *(prints, to_stderr, logs, logs_unhandled, by_descriptor, by_buffer, to_replaced),
    *(to_text_in_memory, writes_lines, file_by_open, file_by_pathlib, file_unbuffered),
    *(file_by_descriptor, file_in_pieces, name_of_a_file, renames, makes_a_folder),
    *(crosses_sockets, crosses_pipes, sets_a_timer, raises_a_signal),
]


def simulate(act, *args, recorder=None):
    async def main():
        await asyncio.sleep(1)
        act(*args)
        await asyncio.sleep(1)

    outcome = simloop.simulate(main, recorder=recorder)
    assert outcome.error is None
    return outcome


@pytest.mark.parametrize("act", ACTS)
def test_what_it_does_moves_the_digest(act):
    """Equal digests mean that the same came out, wherever it went; the record shows where not."""
    recorders = [Recorder() for _ in range(3)]
    words = ("red", "red", "green")
    first, again, other = (
        simulate(act, word, recorder=recorder).digest
        for word, recorder in zip(words, recorders, strict=True)
    )
    assert first == again != other
    assert recorders[0].steps == recorders[1].steps != recorders[2].steps


def test_a_process_moves_the_digest():
    """What a simulated process is given, and how it ends, is in the digest."""

    async def child(process):
        return len(process.argv)

    async def main(*args):
        asyncio.get_running_loop().world.programs.register("child", child)
        process = await asyncio.create_subprocess_exec("child", *args)
        await process.wait()

    digests = [
        simloop.simulate(lambda args=args: main(*args)).digest
        for args in (("a",), ("a",), ("b",), ("a", "b"))
    ]
    assert digests[0] == digests[1]
    assert len(dict.fromkeys(digests)) == 3


def test_where_a_task_stands_moves_the_digest():
    """Steps at the same times, by tasks of the same names, on other lines are other steps."""

    async def main(order):
        for first in order:
            if first:
                await asyncio.sleep(1)
            else:
                await asyncio.sleep(1)

    one, again, other = (
        simloop.simulate(lambda order=order: main(order)).digest
        for order in ([True, False], [True, False], [False, True])
    )
    assert one == again != other


@pytest.mark.parametrize("word", ["0x1f", "0xdeadbeef", "0x7f0123456789", "at 0x7f0123456789"])
@pytest.mark.parametrize("kind", ["result", "error", "name", "output", "field"])
def test_data_that_looks_like_an_address_is_data(word, kind):
    """Hexadecimal numbers stay in the digest: only the default repr of an object loses some."""
    other = word[:-1] + ("0" if word[-1] != "0" else "1")

    async def main(text):
        if kind == "error":
            raise LookupError(text)
        if kind == "name":
            await asyncio.create_task(asyncio.sleep(0), name=f"job {text}")
        if kind == "output":
            print(text)  # noqa: T201 - as above
        return {"result": text, "field": types.SimpleNamespace(order=text)}.get(kind)

    first, again, changed = (
        simloop.simulate(lambda text=text: main(text)).digest for text in (word, word, other)
    )
    assert first == again != changed


class Plain:
    """A class without a repr of its own."""

    def method(self):
        """Do nothing; a bound method shows the address of its object."""


@pytest.mark.parametrize("kind", ["result", "error", "message", "name", "output", "bytes"])
def test_an_address_in_a_default_repr_is_none(kind):
    """Where objects lie is not what a run does."""
    kept = []

    async def main():
        thing = Plain()
        kept.append(thing)  # So that the next one lies elsewhere.
        if kind == "error":
            raise LookupError(thing, [thing.method])
        if kind == "message":
            raise LookupError(f"no {thing!r} in {thing.method!r}")
        if kind == "name":
            await asyncio.create_task(asyncio.sleep(0), name=f"for {thing!r}")
        if kind == "output":
            print(thing, thing.method, main, asyncio.Lock())  # noqa: T201 - as above
        if kind == "bytes":
            os.write(1, repr([thing]).encode())
        return {"thing": [thing, thing.method, lambda: thing]} if kind == "result" else None

    assert len(dict.fromkeys(simloop.simulate(main).digest for _ in range(3))) == 1


def _cell():
    here = Plain()
    return (lambda: here).__closure__[0]


def _held_lock():
    lock = threading.RLock()
    lock.acquire()
    return lock


_variable = contextvars.ContextVar("a -> b", default=None)

SHOWN_OTHERWISE = {
    "event": threading.Event,  # the state follows, after a colon
    "semaphore": lambda: threading.BoundedSemaphore(2),
    "barrier": lambda: threading.Barrier(2),
    "cell": _cell,
    "token": lambda: _variable.set(Plain()),  # a bracket within a bracket, and an arrow in it
    "hash": hashlib.sha256,  # "@"
    "held lock": _held_lock,  # the thread that holds it
    "reference": lambda: ctypes.byref(ctypes.c_int()),
    "generator of numpy's": lambda: pytest.importorskip("numpy").random.default_rng(1),
    "text": lambda: f"made {Plain()} by {Plain().method}",
    "mock": unittest.mock.Mock,  # a decimal number
    "child of a mock": lambda: unittest.mock.MagicMock(name="client").connect().close,
    "mock with a spec": lambda: unittest.mock.AsyncMock(spec=Plain),
    "greenlet": lambda: pytest.importorskip("greenlet").getcurrent(),  # two
    "what reprlib leaves of an event": lambda: reprlib.repr(asyncio.Event()),
    "what it leaves of a function": lambda: reprlib.repr(lambda: 0),
    "what it leaves of a method": lambda: reprlib.repr(Plain().method),
    "within an event's": lambda: [{"of": (threading.Event(), unittest.mock.Mock())}],
}


@pytest.mark.parametrize("way", ["result", "output", "bytes", "datagram"])
@pytest.mark.parametrize("make", SHOWN_OTHERWISE.values(), ids=SHOWN_OTHERWISE)
def test_an_address_in_a_repr_of_the_standard_librarys_is_none(make, way):
    """Each form that Python gives an address is known, not only that of a class without a repr."""
    kept = []

    async def main():
        thing = make()
        kept.append(thing)
        if way == "output":
            print(thing)  # noqa: T201 - as above
        if way == "bytes":
            os.write(1, f"{thing!r}".encode())
        if way == "datagram":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(f"{thing!r}".encode(), ("127.0.0.1", 514))
        return thing if way == "result" else None

    assert len(dict.fromkeys(simloop.simulate(main).digest for _ in range(3))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<a ...14000>",
        "<a id='1400000'>",
        "Mock id='1400000'",
        "a < b, c > d @ 0x1400000;",
        "<r 0x1400000>",
    ],
)
def test_what_only_resembles_such_a_repr_is_data(text):
    """A page's ids and a register's number stay in the digest."""
    other = text.replace("14", "15")

    async def main(text):
        print(text)  # noqa: T201 - as above

    first, changed = (simloop.simulate(lambda t=t: main(t)).digest for t in (text, other))
    assert first != changed


def test_a_stream_that_was_replaced_before_the_run():
    """What stands as stdout when the run begins is heard, text or not."""

    class Bare:
        __slots__ = ()

        def write(self, data):
            got.append(data)

    got = []
    digests = []
    for stream in (Tee, io.StringIO, Bare):
        for word in ("red", "red", "green"):
            with contextlib.redirect_stdout(stream()):
                digests.append(simulate(prints, word).digest)
    assert got[:2] == ["red", "\n"]
    assert len(dict.fromkeys(digests)) == 2
    with contextlib.redirect_stdout(Bare()):
        numbers = [simulate(lambda n=n: sys.stdout.write(n)).digest for n in (b"a", b"b", b"b")]
    assert numbers[0] != numbers[1] == numbers[2]


def test_a_module_that_is_imported_in_a_run(tmp_path, monkeypatch):
    """What a module prints when it is imported is in no digest: the next run imports nothing."""
    (tmp_path / "talking.py").write_text("print('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def main():
        import talking  # noqa: F401 - what is tested

    first = simloop.simulate(main)
    assert (first.error, first.digest) == (None, simloop.simulate(main).digest)


def test_a_run_without_watchers_is_left_alone():
    """The methods of files are Python's own in a plain run, and after a watched one."""
    real = vars(io.TextIOWrapper)["write"]
    assert type(real) is types.MethodDescriptorType

    async def main():
        return vars(io.TextIOWrapper)["write"]

    assert simloop.run(main()) is real
    assert simloop.simulate(main).value is not real
    assert vars(io.TextIOWrapper)["write"] is real
    world = simloop.World()
    world.watch(Recorder())  # Watched, and never run.
    assert vars(io.TextIOWrapper)["write"] is real


def test_a_watcher_that_leaves_hears_no_more():
    """Coming and leaving in the middle of a run, a watcher hears what happens between."""

    async def main():
        world = asyncio.get_running_loop().world
        print("before")  # noqa: T201 - as above
        world.watch(recorder)
        print("between")  # noqa: T201 - as above
        world.unwatch(recorder)
        print("after")  # noqa: T201 - as above

    recorder = Recorder()
    simloop.run(main())
    assert "".join(step.text for step in recorder.steps) == "between\n"


def test_other_threads_are_not_heard():
    """What a real thread beside the run prints is its own affair."""
    import threading

    async def main():
        await asyncio.sleep(1)
        go.set()
        with simloop.allow("threads"):
            ended.wait(60)

    def beside():
        go.wait(60)
        print("beside")  # noqa: T201 - as above
        ended.set()

    go, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=beside)
    thread.start()
    recorder = Recorder()
    go.set()
    thread.join()
    simloop.simulate(main, recorder=recorder)
    assert not any(step.stream for step in recorder.steps)


def test_copying_is_heard(tmp_path):
    """The names of what is copied and moved are in the record."""
    recorder = Recorder()
    (tmp_path / "from").write_text("text")

    def copies():
        shutil.copyfile(tmp_path / "from", tmp_path / "to")
        shutil.move(tmp_path / "to", tmp_path / "there")

    simulate(copies, recorder=recorder)
    labels = [step.label for step in recorder.steps]
    assert any(label.startswith("open: to") for label in labels)
    assert any(label.startswith("os.rename: to there") for label in labels)


@pytest.mark.slow
def test_a_warning_is_the_processs():
    """A warning is shown once in a process, so it is in no digest."""
    code = (
        "import asyncio, simloop, warnings\n"
        "async def main():\n"
        "    warnings.warn('watch out')\n"
        "print(simloop.simulate(main).digest, simloop.simulate(main).digest)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(simloop.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.split()
    assert done.stderr.count("UserWarning: watch out") == 1
    assert first == second


@pytest.mark.slow
def test_a_buffer_makes_no_difference():
    """Whether stdout is buffered, and what was in the buffer before, moves no digest."""
    code = (
        "import asyncio, simloop, sys\n"
        "async def main():\n"
        "    print('x' * 5000)\n    await asyncio.sleep(1)\n    print('y' * 5000)\n"
        "if len(sys.argv) > 1: print('z' * 3000)\n"
        "sys.stderr.write(simloop.simulate(main).digest)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(simloop.__file__).parents[1])}
    digests = [
        subprocess.run(
            [sys.executable, *flags, "-c", code, *more],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        for flags, more in (([], []), (["-u"], []), ([], ["more"]))
    ]
    assert len(digests[0]) == 32
    assert len(dict.fromkeys(digests)) == 1
