"""Entering and leaving."""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import random
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid

import pytest

from simloop._presence import by_thread
from simloop._sandbox import START_DATE, current, sandbox
from simloop._sandbox.time import real_clock
from simloop.errors import UsageError


def in_thread(function):
    """Run a function in another thread and return what it returned."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join()
    return answers[0]


def closed(sock):
    sock.close()
    return sock


def test_default_start_date_is_the_same_for_everybody(make):
    """A world begins at the documented date if nobody says otherwise."""
    with make():
        assert dt.datetime.now(dt.UTC) == START_DATE
        assert time.time_ns() == 1_704_067_200 * 10**9


@pytest.mark.parametrize(
    ("start_date", "posix_ns"),
    [
        (0, 0),
        (1.5, 1_500_000_000),
        (dt.datetime(1970, 1, 2), 86400 * 10**9),  # noqa: DTZ001
        (dt.datetime(2000, 1, 1, 0, 0, 0, 1, dt.UTC), 946_684_800_000_001_000),
        (dt.datetime(1970, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), 0),
    ],
)
def test_start_date(start_date, posix_ns, make):
    """A start date is POSIX seconds or a datetime, which is UTC if it names no zone."""
    with make(start_date=start_date):
        assert time.time_ns() == posix_ns


def test_entering_again_only_counts(make, clock):
    """The same sandbox may be entered within itself; the outermost exit ends the run."""
    sandbox = make()
    clock.now_ns = 7
    with sandbox:
        with sandbox:
            random.random()
        assert time.monotonic_ns() == 7
        assert current() is sandbox
    assert time.monotonic_ns() != 7
    assert current() is None


def test_another_world_inside_is_pushed(make, new_clock):
    """A world entered within another has its own time and entropy; then the outer goes on."""
    outer, inner = make(1), make(2, clock=new_clock(), start_date=0)
    with make(1):
        expected = [random.random(), random.random()]
    inner.clock.now_ns = 5
    with outer:
        drawn = [random.random()]
        with inner:
            random.random()
            assert (time.monotonic_ns(), time.time_ns()) == (5, 5)
            with outer:  # A callback of the inner world that drives the outer one.
                assert time.monotonic_ns() == 0
        drawn.append(random.random())
        assert time.monotonic_ns() == 0
    assert drawn == expected


def test_other_threads_keep_the_real_world(make, clock):
    """What is patched for a run passes other threads by."""
    clock.now_ns = 5
    with make(1):
        seen = in_thread(
            lambda: (
                time.monotonic(),
                dt.datetime.now(dt.UTC).year,
                uuid.uuid1().time,
                type(closed(socket.socket())),
            )
        )
    assert abs(seen[0] - real_clock.monotonic()) < 60
    assert seen[1] > 2024
    assert seen[2] > dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp() * 10**7
    assert seen[3] is socket.socket


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_every_function_is_real_in_other_threads(make, fake_sockets, tmp_path):
    """What a run redirects is the real function for a thread that is not inside."""

    def use():
        time.sleep(0)
        first, second = socket.socketpair()
        copy = socket.fromfd(first.fileno(), first.family, first.type)
        ends = os.pipe()
        with first, second, copy:
            second.sendall(b"x")
            assert select.select([copy], [], [], 5)[0] == [copy]
            assert copy.recv(1) == b"x"
            os.write(ends[1], b"y")
            assert os.read(ends[0], 1) == b"y"
        for end in ends:
            os.close(end)
        poll = select.poll()
        with open(tmp_path / "file", "w") as file:  # noqa: PTH123
            poll.register(file, select.POLLOUT)
            assert poll.poll(0)
        return (
            time.clock_gettime(time.CLOCK_REALTIME),
            dt.datetime.utcnow().year,  # noqa: DTZ003
            dt.datetime.now(dt.UTC).year,
            os.urandom(8),
            os.getrandom(8),
            ssl.RAND_bytes(8),
            random.Random().random(),
            uuid.uuid4(),
            uuid.uuid1(),
            socket.gethostname(),
            socket.getaddrinfo("127.0.0.1", 80)[0][4],
        )

    with make(sockets=fake_sockets):
        answers = [in_thread(use), in_thread(use)]
    assert answers[0][1] > 2024
    assert answers[0][9] == socket.gethostname()
    assert all(one != other for one, other in zip(answers[0][3:9], answers[1][3:9], strict=True))


def test_two_threads_run_two_worlds(make, new_clock):
    """Each thread is in its own world, and everything is back when the last one left."""
    first, second = make(1), make(2, clock=new_clock())
    second.clock.now_ns = 9

    def run_second():
        with second:
            return time.monotonic_ns(), uuid.uuid4()

    with first:
        seen = in_thread(run_second)
        assert time.monotonic_ns() == 0
    with make(2):
        assert uuid.uuid4() == seen[1]
    assert seen[0] == 9
    assert time.monotonic_ns() > 9


def test_a_guest_joins_by_its_own_clock(make, new_clock):
    """A second thread inside a run sees its time and entropy, and sleeps by its own clock."""
    sandbox, job_clock = make(1), new_clock()
    job_clock.now_ns = 3

    def job():
        with sandbox.for_thread(job_clock):
            time.sleep(1)
            return time.monotonic_ns(), uuid.uuid4()

    with sandbox:
        seen = in_thread(job)
        assert time.monotonic_ns() == 0
    with make(1):
        assert seen == (10**9 + 3, uuid.uuid4())
    with make(2) as other, other.for_thread(), sandbox.for_thread(job_clock):
        assert time.monotonic_ns() == 10**9 + 3


def test_a_second_thread_cannot_enter(make):
    """Entering a world that another thread runs is refused; the error tells how to join."""
    sandbox = make()

    def enter():
        with pytest.raises(UsageError, match=r"another thread is running; .* Sandbox.for_thread"):
            sandbox.enter()
        return True

    with sandbox:
        assert in_thread(enter)


def test_leaving_out_of_order_is_refused(make, new_clock):
    """Only the innermost sandbox can be left."""
    outer, inner = make(1), make(2, clock=new_clock())
    with pytest.raises(UsageError, match="not the innermost"):
        outer.exit()
    with outer, inner, pytest.raises(UsageError, match="not the innermost"):
        outer.exit()


def test_unknown_allowances_are_refused(make):
    """A sandbox that allows what does not exist is refused, with the names that do."""
    with pytest.raises(
        UsageError, match="'everything'; allow any of files, libraries, machine, names"
    ):
        make(allow=("everything",))


class Broken:
    """Streams that cannot be made."""

    seed = "broken"

    def stream(self, name):
        raise LookupError(name)

    def begin(self, generator, name):
        raise LookupError(name)


def snapshot():
    """Return everything that a run changes."""
    return (
        time.time,
        time.time.__self__,
        time.monotonic.__self__,
        dict(vars(dt.datetime)),
        dict(vars(socket.socket)),
        threading._time,
        dict(vars(threading.Thread)),
        random.Random.seed.__code__,
        random.Random.seed.__kwdefaults__,
        random.getstate(),
        uuid._node,
        threading.active_count(),
        current(),
    )


def test_a_failed_enter_changes_nothing(make):
    """If the streams fail, the world is as before, and so is the way in."""
    before = snapshot()
    with pytest.raises(LookupError, match="program"):
        make(streams=Broken()).enter()
    assert snapshot() == before
    with make():
        assert time.monotonic() == 0


def test_nothing_is_left_after_many_failing_runs(make):
    """After a thousand runs that end in errors, everything is the real one again."""
    uuid.getnode()
    before = snapshot()
    for seed in range(1000):
        with pytest.raises(ZeroDivisionError), make(seed):
            _ = (random.random(), uuid.uuid1(), 1 // 0)
    assert snapshot() == before
    assert time.time() > 1_704_067_200 + 10**7


def test_interrupted_patching_is_undone(make, monkeypatch):
    """If patching is interrupted half-way, it is undone whole."""
    from simloop._sandbox.patching import registry as patches

    with make():  # Now all that is to be patched is known.
        words = patches._memory_patch
    before = snapshot()

    class Interrupted:
        def __len__(self):
            return len(words)

        def on(self):
            raise KeyboardInterrupt

        def off(self):
            words.off()

    with monkeypatch.context() as patch:
        patch.setattr(patches, "_memory_patch", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            make().enter()
    assert snapshot() == before


def test_an_interrupt_at_the_end_leaves_nothing_behind(make, monkeypatch):
    """Ctrl-C while a run collects what it leaves behind ends it, and all is real again."""

    def interrupted():
        raise KeyboardInterrupt

    before = snapshot()
    monkeypatch.setattr(sandbox, "collect", interrupted)
    with pytest.raises(KeyboardInterrupt), make():
        assert snapshot() != before
    assert snapshot() == before
    assert not by_thread


def test_later_patches_of_others_stay(make, monkeypatch):
    """What somebody else replaces during a run is theirs; the next run mends what they put back."""
    before = threading._time
    with make():
        monkeypatch.setattr(threading, "_time", len)
    assert threading._time is len
    monkeypatch.undo()  # This puts back what it found, which was ours.
    with make():
        pass
    assert threading._time is before


def test_replaced_builtins_are_refused():
    """If a clock is no builtin when the engine is loaded, the error says what to do."""
    from simloop._sandbox.patching.registry import redirect

    with pytest.raises(UsageError, match="load it before that"):
        redirect(lambda: 0.0, lambda: 1.0)


WATCHED = """if True:
    import asyncio, os, time
    import simloop  # This loads nothing yet.

    def watch(module, name):
        real, calls = getattr(module, name), []

        def watched(*args, **kwargs):
            calls.append(name)
            return real(*args, **kwargs)

        setattr(module, name, watched)
        return calls, lambda: setattr(module, name, real)

    watches = [watch(time, "monotonic"), watch(time, "sleep"), watch(os, "urandom")]

    async def main():
        began = time.monotonic()
        time.sleep(3600)
        return time.monotonic() - began, os.urandom(8).hex()

    first = simloop.run(main())
    print(first[0], [len(calls) for calls, _ in watches])
    for _, undo in watches:
        undo()
    print(simloop.run(main()) == first, [len(calls) for calls, _ in watches])
    began = time.monotonic()
    time.sleep(0.001)
    print(time.monotonic() - began < 3600, os.urandom(8) != os.urandom(8))
"""


def test_the_engine_may_be_loaded_while_calls_are_watched():
    """Who wraps builtin functions before the engine is loaded sees a run's calls, and ours work."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], capture_output=True, text=True, check=False
    )
    assert done.stdout == "3600.0 [2, 1, 1]\nTrue [2, 1, 1]\nTrue True\n", done.stderr


def test_functions_of_ctypes_stay_as_they_are():
    """The types of ``ctypes.pythonapi``'s functions are everybody's, so we set none."""
    for name in ("PyType_Modified", "PyCFunction_NewEx", "PyMemoryView_FromBuffer"):
        function = getattr(ctypes.pythonapi, name)
        assert function.argtypes is None
        assert function.restype is ctypes.c_int


@pytest.mark.parametrize("part", ["clock", "sockets", "signals", "threads", "identity"])
def test_a_part_is_given_whole(make, part):
    """A part that lacks something of its contract is refused at once, by name, not in a run."""

    class Half:
        def __repr__(self):
            return "<half of it>"

    with pytest.raises(UsageError, match=f"<half of it> cannot be the {part} of a sandbox: it la"):
        make(**{part: Half()})
