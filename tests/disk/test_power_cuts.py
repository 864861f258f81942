"""What a power cut may leave: every outcome of small programs, against the table of the rules.

The rules are those of ext4 with data=ordered and of POSIX where that promises less. Each case lists
all states that may be found, so an outcome too many fails as well as one that is missing.
"""

from __future__ import annotations

import errno
import os

import pytest

from simloop.disk import Disk
from simloop.disk.disk_conditions import Conditions
from simloop.disk.walking import User
from simloop.errors import UsageError

A, B = b"a" * 4096, b"b" * 4096


class Chosen(Conditions):
    """Choices by a list, 0 beyond its end; notes how many options there were of each."""

    def __init__(self):
        self.choices = []
        self.counts = []
        self.names = []

    def choose(self, count, name):
        at = len(self.counts)
        self.counts.append(count)
        self.names.append(name)
        return self.choices[at] if at < len(self.choices) else 0


def look(disk):
    """All files with their bytes."""
    return {path: disk.read(path) for path in disk.files()}


def states_after(program, see=look, sector=4096):
    """What is seen after each power cut that may end a program."""
    found = []
    choices = []
    while True:
        chosen = Chosen()
        disk = Disk(conditions=chosen)
        disk.configure(sector=sector)
        program(disk)
        chosen.counts.clear()
        chosen.choices = choices
        disk.crash()
        disk.check()
        if (state := see(disk)) not in found:
            found.append(state)
        # The next one, as an odometer counts.
        digits = (choices + [0] * len(chosen.counts))[: len(chosen.counts)]
        while digits and digits[-1] == chosen.counts[len(digits) - 1] - 1:
            digits.pop()
        if not digits:
            return found
        digits[-1] += 1
        choices = digits


def put(disk, path, data, *, flags=0, offset=None, sync=False):
    """Open, write, sync if asked for, close."""
    opened = disk.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
    if offset is None:
        opened.write(data)
    else:
        opened.pwrite(data, offset)
    if sync:
        opened.sync()
    opened.close()


def sync_folder(disk, path="/"):
    """What fsync of a folder's descriptor does."""
    opened = disk.open(path, os.O_RDONLY | os.O_DIRECTORY)
    opened.sync()
    opened.close()


def overwrite(disk):
    disk.write("/f", A + A)
    put(disk, "/f", B + B, offset=0)


def append(disk):
    disk.write("/f", b"old,")
    put(disk, "/f", b"one,", flags=os.O_APPEND)
    put(disk, "/f", b"two,", flags=os.O_APPEND)


def create(disk):
    put(disk, "/f", b"new")


def create_and_sync_the_file(disk):
    put(disk, "/f", b"new", sync=True)


def create_and_sync_all(disk):
    put(disk, "/f", b"new", sync=True)
    sync_folder(disk)


def user():
    return User(0, 0)


def rename(disk, source, target):
    root = disk.tree.root
    disk.rename(source, root, target, root, user())


def replace_unsynced(disk):
    disk.write("/f", b"old")
    put(disk, "/t", b"new")
    rename(disk, "/t", "/f")


def replace_synced(disk):
    disk.write("/f", b"old")
    put(disk, "/t", b"new", sync=True)
    rename(disk, "/t", "/f")


def replace_as_one_should(disk):
    replace_synced(disk)
    sync_folder(disk)


def names_in_order(disk):
    root = disk.tree.root
    disk.mkdir("/d", root, user(), 0o755)
    disk.write("/kept", b"")
    put(disk, "/one", b"", sync=True)
    put(disk, "/two", b"", sync=True)
    disk.unlink("/kept", root, user())


def truncate_and_append(disk):
    disk.write("/f", b"old")
    put(disk, "/f", b"new", flags=os.O_TRUNC)


def truncate_overwrite(disk):
    truncate_and_append(disk)
    put(disk, "/f", b"N", offset=0)


def torn_append(disk):
    disk.write("/f", b"")
    put(disk, "/f", b"x" * 700, offset=0)


def link(disk):
    disk.write("/f", b"old")
    disk.link(disk.find("/f"), "/g", disk.tree.root, user())


def folder_synced_late(disk):
    disk.mkdir("/d", disk.tree.root, user(), 0o755)
    put(disk, "/d/f", b"x", sync=True)
    sync_folder(disk, "/d")


OLD, NEW = {"/f": b"old"}, {"/f": b"new"}
RULES = {
    "an overwrite is there by sectors, any of them": (
        overwrite,
        [{"/f": data} for data in (A + A, B + B, A + B, B + A)],
    ),
    "appends are there as a prefix": (
        append,
        [{"/f": data} for data in (b"old,", b"old,one,", b"old,one,two,")],
    ),
    "a new file is away, empty, or there": (create, [{}, {"/f": b""}, NEW]),
    "a sync of the file promises no name": (create_and_sync_the_file, [{}, NEW]),
    "a sync of both promises both": (create_and_sync_all, [NEW]),
    "a rename may come before the data": (
        replace_unsynced,
        [OLD, OLD | {"/t": b""}, OLD | {"/t": b"new"}, {"/f": b""}, NEW],
    ),
    "a rename after a sync gives one of both, whole": (
        replace_synced,
        [OLD, OLD | {"/t": b"new"}, NEW],
    ),
    "the recipe holds in every outcome": (replace_as_one_should, [NEW]),
    "names are a prefix of what was done": (
        names_in_order,
        [
            {"/kept": b""},
            {"/kept": b"", "/one": b""},
            {"/kept": b"", "/one": b"", "/two": b""},
            {"/one": b"", "/two": b""},
        ],
    ),
    "a truncation is first": (truncate_and_append, [OLD, {"/f": b""}, NEW]),
    "an overwrite of what is lost is lost": (
        truncate_overwrite,
        [OLD, {"/f": b""}, NEW, {"/f": b"New"}],
    ),
    "an append is torn at sectors": (
        torn_append,
        [{"/f": b"x" * count} for count in (0, 512, 700)],
    ),
    "a hard link is there or not": (link, [OLD, OLD | {"/g": b"old"}]),
    "a synced folder takes what was done before with it": (folder_synced_late, [{"/d/f": b"x"}]),
}


@pytest.mark.parametrize("rule", list(RULES))
def test_the_states_after_a_power_cut_are_those_of_the_rules(rule):
    """Each outcome that the rules allow may be found, and no other."""
    program, expected = RULES[rule]
    sector = 512 if program is torn_append else 4096

    def key(state):
        return sorted(state.items())

    found = states_after(program, sector=sector)
    assert sorted(found, key=key) == sorted(expected, key=key)


def test_choice_0_keeps_everything():
    """With every choice at 0 a power cut loses nothing but open files and locks."""
    chosen = Chosen()
    disk = Disk(conditions=chosen)
    append(disk)
    put(disk, "/g", b"unsynced")
    before = look(disk)
    assert str(disk.crash()) == "lost: nothing"
    assert look(disk) == before
    assert chosen.names == ["folders", "/f: size", "/g: size"]


def test_an_open_file_does_not_outlive_the_power():
    """What was open before a power cut answers EIO to every call."""
    disk = Disk()
    opened = disk.open("/f", os.O_RDWR | os.O_CREAT)
    disk.crash()
    for call in (
        lambda: opened.read(1),
        lambda: opened.write(b"x"),
        lambda: opened.seek(0, os.SEEK_SET),
        lambda: opened.truncate(0),
        opened.sync,
    ):
        with pytest.raises(OSError, match="Input/output error") as caught:
            call()
        assert caught.value.errno == errno.EIO
    opened.close()
    disk.check()


def test_what_a_failed_sync_loses_stays_lost():
    """After a sync that fails the next one succeeds, and does not bring the data back."""

    class Failing(Chosen):
        def happens(self, name, p):
            return "sync error" in name and p == 1

    conditions = Failing()
    disk = Disk(conditions=conditions)
    disk.write("/f", b"old")
    opened = disk.open("/f", os.O_RDWR | os.O_APPEND)
    opened.write(b"lost")
    disk.configure(sync_error=1.0)
    conditions.choices = [1]  # The append is what is lost.
    conditions.counts.clear()
    with pytest.raises(OSError, match="Input/output error"):
        opened.sync()
    disk.configure(sync_error=0.0)
    opened.sync()
    assert disk.read("/f") == b"oldlost"
    disk.crash()
    assert disk.read("/f") == b"old"


def test_a_full_disk_takes_a_part():
    """A write beyond the capacity is short, and the next one is ENOSPC; removing makes room."""
    disk = Disk()
    disk.configure(capacity=10)
    opened = disk.open("/f", os.O_RDWR | os.O_CREAT)
    assert opened.write(b"x" * 8) == 8
    assert opened.write(b"y" * 8) == 2
    with pytest.raises(OSError, match="No space left") as caught:
        opened.write(b"z")
    assert caught.value.errno == errno.ENOSPC
    assert opened.pwrite(b"over", 0) == 4
    opened.close()
    disk.unlink("/f", disk.tree.root, user())
    put(disk, "/g", b"0123456789")
    assert look(disk) == {"/g": b"0123456789"}


def test_a_hole_takes_no_room():
    """A gigabyte of which three bytes were written counts for three, after a power cut, too."""
    disk = Disk()
    opened = disk.open("/f", os.O_RDWR | os.O_CREAT)
    opened.truncate(1 << 30)
    opened.pwrite(b"end", (1 << 30) - 3)
    opened.close()
    assert disk.used == 3
    disk.crash()
    assert disk.used == 3
    assert disk.find("/f").size == 1 << 30


def test_corruption_stays():
    """A bit that has flipped is found flipped by each later read, and after a power cut."""

    class Rotting(Chosen):
        def happens(self, name, p):
            return "corruption" in name

    disk = Disk(conditions=Rotting())
    disk.write("/f", b"data")
    disk.configure(corrupt=0.5)
    opened = disk.open("/f", os.O_RDONLY)
    found = opened.pread(4, 0)
    assert found == b"\x24ata"
    disk.configure(corrupt=0.0)
    assert opened.pread(4, 0) == found
    disk.crash()
    assert disk.read("/f") == found


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency": -1},
        {"latency": (2, 1)},
        {"latency": "slow"},
        {"latency": True},
        {"capacity": -1},
        {"capacity": 1.5},
        {"capacity": True},
        {"sector": True},
        {"corrupt": True},
        {"sector": 0},
        {"read_error": 2},
        {"corrupt": "often"},
        {"speed": 3},
    ],
)
def test_a_setting_that_means_nothing_is_refused(wrong):
    """A wrong name or value is an error at the call that tells what it takes."""
    with pytest.raises(UsageError, match="it takes"):
        Disk().configure(**wrong)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("/x", "text"), "it takes bytes"),
        (("/x", None), "it takes bytes"),
        ((5, b"x"), "it takes an absolute path"),
        (("x", b"x"), "it takes an absolute path"),
    ],
)
def test_what_is_no_file_to_write_is_refused(args, message):
    """Text, or a path of another kind, is an error at the call that tells what it takes."""
    with pytest.raises(UsageError, match=message):
        Disk().write(*args)
    with pytest.raises(UsageError, match=r"read\(5\): it takes a path"):
        Disk().read(5)


def test_wiping_leaves_what_lies_below():
    """A wiped disk has no files, and takes new ones."""
    disk = Disk()
    disk.write("/data/f", b"x")
    disk.wipe()
    assert disk.files() == []
    disk.write("/data/g", b"y")
    assert disk.files() == ["/data/g"]
