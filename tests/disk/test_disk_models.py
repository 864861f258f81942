"""Disks against naive models: the bytes of a file, and a tree with power cuts."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from simloop.disk import Disk
from simloop.disk.disk_conditions import Conditions
from simloop.disk.durability.contents import Contents
from simloop.disk.walking import User

USER = User(1000, 1000)
OFFSETS = st.integers(0, 60)
DATA = st.binary(max_size=20)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("write"), OFFSETS, DATA),
        st.tuples(st.just("truncate"), OFFSETS, st.just(b"")),
        st.tuples(st.just("read"), OFFSETS, DATA),
    ),
    max_size=30,
)


@settings(max_examples=30)
@given(below=st.binary(max_size=40), changes=CHANGES)
def test_contents_are_a_bytearray(below, changes):
    """Extents over a file below hold what a plain array of bytes holds, at each step."""
    contents = Contents(lambda offset, size: below[offset : offset + size], len(below))
    model = bytearray(below)
    for what, offset, data in changes:
        if what == "write":
            contents.write(offset, data)
            if data:
                model.extend(bytes(max(0, offset - len(model))))
                model[offset : offset + len(data)] = data
        elif what == "truncate":
            contents.truncate(offset)
            del model[offset:]
            model.extend(bytes(offset - len(model)))
        assert contents.read(offset, 15) == model[offset : offset + 15]
        contents.check()
    assert contents.read(0, 200) == model == contents.copy().read(0, 200)


OPEN_FLAGS = st.sampled_from(
    [os.O_RDWR, os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_SYNC, os.O_PATH]
)
IO_CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("pwrite"), DATA, st.integers(-1, 60)),
        st.tuples(st.just("write"), DATA),
        st.tuples(st.just("pread"), st.integers(-1, 20), st.integers(-1, 60)),
        st.tuples(st.just("read"), st.integers(-1, 20)),
        st.tuples(
            st.just("seek"), st.sampled_from((-1, 0, 7, 1 << 44, 1 << 45)), st.integers(0, 3)
        ),
        st.tuples(st.just("set_flags"), OPEN_FLAGS),
        st.tuples(st.just("crash")),
    ),
    max_size=20,
)


def results_of(disk, flags, calls):
    """What the calls on an open file give, and what is there afterwards."""
    disk.write("/f", b"0123456789")
    opened, told = disk.open("/f", flags), []
    for name, *args in calls:
        if name == "crash":
            disk.crash()
            continue
        if name == "set_flags":  # What F_SETFL can change of them.
            opened.set_flags(opened.flags & ~os.O_APPEND | args[0] & os.O_APPEND)
            continue
        try:
            told.append(getattr(opened, name)(*args))
        except OSError as error:
            told.append(error.errno)
        told.append(opened.position)
    return told, disk.read("/f"), disk.used


@settings(max_examples=60)
@given(flags=OPEN_FLAGS, calls=IO_CALLS)
def test_the_short_way_does_what_the_long_one_does(flags, calls):
    """Calls on a disk that may fail, but does not, give what they give on one that can't."""
    careful = Disk()
    careful.configure(capacity=1 << 50)
    assert results_of(Disk(), flags, calls) == results_of(careful, flags, calls)


PATHS = st.sampled_from([f"{folder}/{name}" for folder in ("", "/d", "/e") for name in "abc"])


class Drawn(Conditions):
    """Choices drawn by the test."""

    def __init__(self):
        self.rng = None

    def choose(self, count, name):
        return self.rng.randrange(count)


class DiskMachine(RuleBasedStateMachine):
    """A disk beside a dictionary of paths, and what must be there after a power cut."""

    def __init__(self):
        super().__init__()
        self.conditions = Drawn()
        self.disk = Disk(conditions=self.conditions)
        self.root = self.disk.tree.root
        for folder in ("/d", "/e"):
            self.disk.mkdir(folder, self.root, USER, 0o755)
        self.disk.sync_all()
        self.files = {}
        self.promised = {}

    def changed(self, *paths):
        for path in paths:
            self.promised.pop(path, None)

    @rule(path=PATHS, data=DATA, offset=st.integers(0, 30))
    def write(self, path, data, offset):
        opened = self.disk.open(path, os.O_WRONLY | os.O_CREAT, 0o644, USER)
        assert opened.pwrite(data, offset) == len(data)
        opened.close()
        model = bytearray(self.files.get(path, b""))
        if data:
            model.extend(bytes(max(0, offset - len(model))))
            model[offset : offset + len(data)] = data
        self.files[path] = bytes(model)
        self.changed(path)

    @rule(path=PATHS, size=st.integers(0, 30))
    def truncate(self, path, size):
        with suppress(FileNotFoundError):
            self.disk.truncate_path(path, self.root, USER, size)
            self.files[path] = self.files[path][:size].ljust(size, b"\0")
            self.changed(path)

    @rule(path=PATHS)
    def unlink(self, path):
        try:
            self.disk.unlink(path, self.root, USER)
        except FileNotFoundError:
            assert path not in self.files
        else:
            del self.files[path]
            self.changed(path)

    @rule(source=PATHS, to=PATHS)
    def rename(self, source, to):
        try:
            self.disk.rename(source, self.root, to, self.root, USER)
        except FileNotFoundError:
            assert source not in self.files
        else:
            self.files[to] = self.files.pop(source)
            self.changed(source, to)

    @rule(path=PATHS)
    def sync(self, path):
        with suppress(FileNotFoundError):
            opened = self.disk.open(path, os.O_RDONLY, 0, USER)
            opened.sync()
            opened.close()
            folder = self.disk.open(path.rpartition("/")[0] or "/", os.O_RDONLY, 0, USER)
            folder.sync()
            folder.close()
            self.promised[path] = self.files[path]

    @rule(rng=st.randoms(use_true_random=False))
    def crash(self, rng):
        self.conditions.rng = rng
        self.disk.crash()
        self.files = {path: self.disk.read(path) for path in self.disk.files()}
        for path, data in self.promised.items():
            assert self.files.get(path) == data, path
        assert len(self.files) <= 9
        self.promised = {**self.files}

    @rule(rng=st.randoms(use_true_random=False))
    def crash_again_changes_nothing(self, rng):
        self.crash(rng)
        before = {**self.files}
        self.crash(rng)
        assert self.files == before

    @invariant()
    def is_as_the_model(self):
        found = {path: self.disk.read(path) for path in self.disk.files()}
        assert found == self.files
        self.disk.check()


DiskMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@pytest.mark.slow
class TestDisk(DiskMachine.TestCase):
    """The machine as a test: what a disk shows is the model, and what was synced stays."""
