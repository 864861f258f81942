"""Descriptors inside a run."""

from __future__ import annotations

import os
import select
import selectors

import pytest

from simloop._sandbox import allow
from simloop.errors import EscapeError

FD = 1_000_000


@pytest.fixture
def inside(make, fake_sockets, request):
    """Run the test inside a world with virtual sockets, and return these."""
    request.node.sandbox = make(sockets=fake_sockets)
    return fake_sockets


@pytest.fixture
def real_pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_virtual_descriptors_go_to_the_world(inside):
    """The functions of ``os`` and ``open`` hand virtual descriptors to the world."""
    os.read(FD, 10), os.write(FD, b"x"), os.close(FD), os.dup(FD)
    os.set_blocking(FD, False), os.get_blocking(FD), open(FD, "rb"), os.fdopen(FD)  # noqa: SIM115
    assert [call[0] for call in inside.calls] == [
        *("read", "write", "close", "dup", "set_blocking", "get_blocking", "fdopen", "fdopen")
    ]
    assert inside.calls[:2] == [("read", FD, 10), ("write", FD, b"x")]
    assert os.pipe() == (1_000_001, 1_000_002)


def test_real_files_are_files(inside, tmp_path):
    """Real files are read and written as ever."""
    path = tmp_path / "file"
    path.write_text("text")
    with path.open() as file:
        assert os.read(file.fileno(), 9) == b"text"
    with open(os.open(path, os.O_RDONLY)) as file:  # noqa: PTH123
        assert file.read() == "text"
    assert inside.calls == []


def test_waiting_for_a_real_pipe_is_an_escape(make, real_pipe):
    """A read that would wait for a real pipe is refused; one that has data is not."""
    reader, writer = real_pipe
    with make():
        with pytest.raises(EscapeError, match=rf"os.read\({reader}\).*nothing to read.*\"pipes\""):
            os.read(reader, 1)
        os.write(writer, b"xy")
        assert os.read(reader, 1) == b"x"
        with allow("pipes"):
            assert os.read(reader, 1) == b"y"
        os.set_blocking(reader, False)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)


@pytest.mark.parametrize(
    "selector",
    [selectors.SelectSelector, selectors.PollSelector],
    ids=["select", "poll"],
)
def test_selectors_take_virtual_descriptors(selector, inside, clock):
    """A selector of the library sees the readiness of virtual descriptors, in virtual time."""
    with selector() as chosen:
        chosen.register(FD, selectors.EVENT_READ | selectors.EVENT_WRITE, "data")
        [(key, events)] = chosen.select(5)
        assert (key.data, events) == ("data", selectors.EVENT_READ)
        assert clock.blocked_ns == []
        inside.ready = 0
        assert chosen.select(5) == []
        assert clock.blocked_ns == [5 * 10**9]
        assert chosen.select(0) == []
        with pytest.raises(EscapeError, match="nothing can get ready while it waits"):
            chosen.select()
        chosen.modify(FD, selectors.EVENT_WRITE)
        inside.ready = select.POLLOUT
        assert [events for _, events in chosen.select()] == [selectors.EVENT_WRITE]
        chosen.unregister(FD)


def test_select_sees_real_descriptors_beside(inside, real_pipe):
    """Real and virtual descriptors may be asked for together."""
    reader, writer = real_pipe
    assert inside.owns(FD)
    assert select.select([reader, FD], [writer], [], 1) == ([FD], [writer], [])
    with pytest.raises(OSError, match="Bad file descriptor"):
        select.select([999_999], [], [], 0)
    with pytest.raises(ValueError, match="non-negative"):
        select.select([], [], [], -1)


@pytest.mark.usefixtures("inside")
def test_select_of_nothing_sleeps(clock):
    """``select`` with a timeout only, an old way to sleep, sleeps in virtual time."""
    assert select.select([], [], [], 2.5) == ([], [], [])
    assert clock.blocked_ns == [2_500_000_000]


def test_poll_objects_are_as_ever(inside, real_pipe):
    """A poll object of a run refuses unknown descriptors and works on beyond the run."""
    assert inside.owns(FD)
    poll = select.poll()
    with pytest.raises(FileNotFoundError):
        poll.modify(FD, select.POLLIN)
    with pytest.raises(KeyError):
        poll.unregister(FD)
    poll.register(real_pipe[1], select.POLLOUT)
    assert poll.poll(0) == [(real_pipe[1], select.POLLOUT)]
    with allow("pipes"):
        assert type(select.poll()) is not type(poll)


def test_a_poll_object_outlives_its_run(make, real_pipe):
    """A poll object that was made in a run asks the system after it."""
    with make():
        poll = select.poll()
        poll.register(real_pipe[1], select.POLLOUT)
    assert poll.poll(0) == [(real_pipe[1], select.POLLOUT)]
    assert select.select([], [real_pipe[1]], [], 0) == ([], [real_pipe[1]], [])


def test_allowed_pipes_are_real(inside):
    """In a block that allows pipes, ``os.pipe`` makes a real one."""
    with allow("pipes"):
        ends = os.pipe()
        assert select.select([], [ends[1]], [], 0)[1] == [ends[1]]
    for end in ends:
        assert not inside.owns(end)
        os.close(end)
