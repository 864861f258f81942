"""The times of files: what a run wrote has the run's time, whoever asks, and nothing else has."""

from __future__ import annotations

import asyncio
import importlib
import logging.handlers
import mailbox
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simloop

START_S = 1_704_067_200  # 2024-01-01T00:00:00Z
HOUR = 3600


def run(main, *args, **options):
    """Run a coroutine function a second after the world's start, away from its zero."""

    async def later():
        await asyncio.sleep(1)
        return await main(*args)

    return simloop.run(later(), **options)


def ages(status: os.stat_result) -> tuple[float, float, float]:
    """How long ago by the run's clock a file was read, written and changed."""
    now = time.time()
    return tuple(
        round(now - each, 3) for each in (status.st_atime, status.st_mtime, status.st_ctime)
    )


def ways_to_ask(path: Path, folder: Path) -> list[os.stat_result]:
    (entry,) = (each for each in os.scandir(folder) if each.name == path.name)
    with path.open("rb") as file:
        by_descriptor = [os.fstat(file.fileno()), os.stat(file.fileno())]  # noqa: PTH116
    return [
        path.stat(),
        path.lstat(),
        os.stat(os.fsencode(path)),  # noqa: PTH116
        entry.stat(),
        *by_descriptor,
    ]


def test_every_way_to_ask_shows_when_a_run_wrote(tmp_path) -> None:
    """``stat``, ``lstat``, ``fstat``, ``scandir`` and ``os.path`` show one time, the run's."""

    async def main() -> None:
        path = tmp_path / "notes.txt"
        path.write_text("one")
        await asyncio.sleep(HOUR)
        for status in ways_to_ask(path, tmp_path):
            assert ages(status) == (HOUR, HOUR, HOUR)
            assert status.st_mtime_ns == (START_S + 1) * 10**9
            assert status[8] == START_S + 1
            assert status.st_size == 3
        assert os.path.getmtime(path) == os.path.getctime(path) == START_S + 1  # noqa: PTH204,PTH205
        assert os.path.getatime(path) == START_S + 1  # noqa: PTH203

    run(main)
    assert time.time() - (tmp_path / "notes.txt").stat().st_mtime < HOUR  # Outside it is real.


def test_files_that_no_run_wrote_keep_their_times(tmp_path) -> None:
    """What was there before shows its real times in a run, read or not, beside what it wrote."""
    path = tmp_path / "old.txt"
    path.write_text("old")
    before = path.stat()

    async def main() -> None:
        (tmp_path / "new.txt").write_text("new")
        path.read_text()
        for status in ways_to_ask(path, tmp_path):
            assert status.st_mtime_ns == before.st_mtime_ns
            assert status.st_ctime_ns == before.st_ctime_ns

    run(main)


def test_a_buffered_file_is_written_when_its_buffer_is(tmp_path) -> None:
    """What stays in the buffer has not been written: the time is that of the flush."""

    async def main() -> None:
        path = tmp_path / "log.txt"
        with path.open("w") as file:
            file.write("line\n")
            await asyncio.sleep(HOUR)
            assert ages(path.stat())[1] == HOUR
            file.flush()
            assert ages(path.stat())[1] == 0
            await asyncio.sleep(HOUR)
            file.write("more\n")
            await asyncio.sleep(HOUR)
        assert ages(path.stat()) == (3 * HOUR, 0, 0)

    run(main)


def test_a_file_that_was_open_before_the_run(tmp_path) -> None:
    """A log file of the module, opened outside, has the run's time once the run writes to it."""
    path = tmp_path / "module.log"
    with path.open("w") as file:

        async def main() -> None:
            assert ages(path.stat())[1] < -1e6
            print("from the run", file=file, flush=True)
            await asyncio.sleep(60)
            assert ages(path.stat())[1] == 60

        run(main)


@pytest.mark.parametrize("digest", [False, True])
def test_watched_runs_write_at_the_same_times(digest, tmp_path) -> None:
    """A run that is watched, as one with a digest is, shows the same times."""

    async def main() -> list[float]:
        await asyncio.sleep(1)
        path, seen = tmp_path / "file", []
        for data in (b"1", b"22", b"333"):
            with path.open("ab", buffering=0) as file:
                file.write(data)
            await asyncio.sleep(10)
            seen.append(ages(path.stat())[1])
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"4")
        await asyncio.sleep(5)
        seen.append(ages(os.fstat(fd))[1])
        os.ftruncate(fd, 2)
        seen.append(ages(os.fstat(fd))[1])
        os.close(fd)
        return seen

    if digest:
        outcome = simloop.simulate(main)
        assert outcome.error is None, outcome.error
        seen = outcome.value
    else:
        seen = simloop.run(main())
    assert seen == [10, 10, 10, 5, 0]


def test_a_file_takes_its_times_along(tmp_path) -> None:
    """Renamed, linked and unlinked while open, it is the same; a new file at its path is not."""

    async def main() -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        first.write_text("x")
        await asyncio.sleep(10)
        first.rename(second)
        await asyncio.sleep(10)
        assert ages(second.stat()) == (20, 20, 10)
        (tmp_path / "third").hardlink_to(second)
        assert ages((tmp_path / "third").stat()) == (20, 20, 0)
        first.write_text("another")
        with first.open("rb") as file:
            await asyncio.sleep(10)
            first.unlink()
            first.write_text("a third one")
            assert ages(os.fstat(file.fileno()))[1] == 10
            assert ages(first.stat())[1] == 0
        first.replace(second)
        assert ages(second.stat())[1] == 0
        assert ages((tmp_path / "third").stat())[1] == 30
        assert ages(tmp_path.stat())[1:] == (0, 0)

    run(main)


def test_times_that_are_set(tmp_path) -> None:
    """``os.utime`` sets what it is given, or the run's now; ``copy2`` carries times over."""

    async def main() -> None:
        path, copy = tmp_path / "path", tmp_path / "copy"
        path.touch()
        os.utime(path, (100, 200.5))
        assert path.stat().st_atime_ns == 100 * 10**9
        assert path.stat().st_mtime_ns == 200_500_000_000
        assert ages(path.stat())[2] == 0
        await asyncio.sleep(5)
        shutil.copy2(path, copy)
        assert copy.stat().st_mtime == 200.5
        assert shutil.copy(path, tmp_path / "plain").stat().st_mtime == START_S + 6
        path.touch()
        assert ages(path.stat()) == (0, 0, 0)
        os.utime(path, ns=(7, 8))
        path.write_text("written later")
        assert ages(path.stat())[1] == 0
        assert path.stat().st_atime_ns == 7
        path.chmod(0o600)

    run(main)


def test_archives_have_the_times_of_the_run(tmp_path) -> None:
    """``zipfile`` and ``tarfile`` store what the run's clock showed."""

    async def main() -> None:
        path = tmp_path / "file.txt"
        path.write_text("text")
        await asyncio.sleep(HOUR)
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(path, "file.txt")
            assert archive.getinfo("file.txt").date_time == (2024, 1, 1, 0, 0, 1)
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            archive.add(path, "file.txt")
            assert archive.getmember("file.txt").mtime == START_S + 1

    run(main)


def test_a_mailbox_goes_by_its_files(tmp_path) -> None:
    """``Maildir.clean`` removes what was delivered 36 hours ago, and what is new is found."""

    async def main() -> None:
        box = mailbox.Maildir(tmp_path / "mail")
        left = tmp_path / "mail" / "tmp" / "left"
        left.write_text("half a message")
        box.add(b"Subject: one\n\n")
        assert len(box) == 1
        await asyncio.sleep(35 * HOUR)
        box.clean()
        assert left.exists()
        box.add(b"Subject: two\n\n")
        assert len(box) == 2
        await asyncio.sleep(2 * HOUR)
        box.clean()
        assert not left.exists()

    run(main)


def test_logs_rotate_by_the_time_of_the_run(tmp_path) -> None:
    """``TimedRotatingFileHandler`` rotates each virtual hour, also a file that it finds."""
    path = tmp_path / "app.log"

    async def main() -> None:
        for _ in range(2):  # The second handler finds the first one's file.
            handler = logging.handlers.TimedRotatingFileHandler(path, when="H", utc=True)
            for _ in range(3):
                handler.handle(logging.makeLogRecord({"msg": "line"}))
                await asyncio.sleep(HOUR)
            handler.close()

    run(main)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["app.log"] + [f"app.log.2024-01-01_0{hour}" for hour in range(5)]


def test_modules_that_a_run_writes_are_found_and_fresh(tmp_path, monkeypatch) -> None:
    """Python finds a second module, and a second text, written at the same virtual time."""
    monkeypatch.syspath_prepend(tmp_path)

    async def main() -> tuple[int, int, int]:
        (tmp_path / "filetimes_one.py").write_text("value = 1")
        importlib.invalidate_caches()
        one = importlib.import_module("filetimes_one").value
        (tmp_path / "filetimes_two.py").write_text("value = 2")
        importlib.invalidate_caches()
        two = importlib.import_module("filetimes_two").value
        (tmp_path / "filetimes_one.py").write_text("value = 111")
        return one, two, importlib.reload(sys.modules["filetimes_one"]).value

    try:
        assert run(main) == (1, 2, 111)
    finally:
        for name in ("filetimes_one", "filetimes_two"):
            sys.modules.pop(name, None)


def test_what_real_processes_write_is_written_when_it_is_seen(tmp_path) -> None:
    """A file that an allowed process made or changed has the time at which the run looks first."""

    async def main() -> None:
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        ours.write_text("x")
        await asyncio.sleep(10)
        command = "import sys; [open(path, 'a').write('more') for path in sys.argv[1:]]"
        with simloop.allow("subprocess"):
            subprocess.run([sys.executable, "-c", command, ours, theirs], check=True)
        assert ages(theirs.stat()) == (0, 0, 0)
        os.utime(ours, ns=(ours.stat().st_atime_ns, ours.stat().st_mtime_ns))
        await asyncio.sleep(10)
        assert ages(theirs.stat()) == (10, 10, 10)
        (entry,) = (each for each in os.scandir(tmp_path) if each.name == "theirs")
        assert ages(entry.stat()) == (10, 10, 10)

    run(main)


def test_what_is_open_and_can_not_be_opened(tmp_path) -> None:
    """A folder, a missing folder and a bad argument are refused as ever, and stamp nothing."""

    async def main() -> None:
        with pytest.raises(IsADirectoryError):
            tmp_path.open("w")
        with pytest.raises(FileNotFoundError):
            (tmp_path / "none" / "file").open("w")
        with pytest.raises(TypeError):
            os.utime(tmp_path / "none", "times")
        with pytest.raises(FileNotFoundError):
            os.utime(tmp_path / "none")
        with tempfile.TemporaryFile(dir=tmp_path) as file:
            file.write(b"x")
            file.flush()
            assert ages(os.fstat(file.fileno()))[1] == 0
        (tmp_path / "link").symlink_to("nowhere")
        assert ages((tmp_path / "link").lstat())[1] == 0
        (tmp_path / "folder").mkdir()
        await asyncio.sleep(5)
        assert ages((tmp_path / "folder").stat()) == (5, 5, 5)
        scanned = {each.name: each.is_dir() for each in os.scandir(tmp_path)}
        assert scanned == {"link": False, "folder": True}
        with os.scandir(tmp_path) as entries:
            entry = next(each for each in entries if each.name == "folder")
            assert (entry.is_file(), entry.is_symlink(), repr(entry)) == (
                False,
                False,
                "<DirEntry 'folder'>",
            )
            assert entry.inode() == (tmp_path / "folder").stat().st_ino
            assert os.fspath(entry) == str(tmp_path / "folder")
        shutil.rmtree(tmp_path / "folder")

    run(main)


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["new", "append", "empty", "rename", "unlink", "utime", "sleep", "truncate"]
        ),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=25,
)


@given(steps)
def test_against_a_naive_model(steps) -> None:  # noqa: C901 - a branch for each call
    """After any calls each file shows when it was last written, by the run's clock."""

    async def main(folder: Path) -> None:  # noqa: C901 - as above
        model: dict[Path, float] = {}
        for step, *numbers in steps:
            path, other = (folder / str(number) for number in numbers)
            now = time.time()
            match step:
                case "sleep":
                    await asyncio.sleep(numbers[0] + 1)
                case "new":
                    path.write_text("text")
                    model[path] = now
                case "append":
                    with path.open("a") as file:
                        file.write("more" * numbers[1])
                    if path not in model or numbers[1]:
                        model[path] = now
                case "empty":
                    path.open("wb").close()
                    model[path] = now
                case _ if path not in model:
                    pass
                case "rename":
                    path.rename(other)
                    model[other] = model.pop(path)
                case "unlink":
                    path.unlink()
                    del model[path]
                case "utime":
                    os.utime(path, (1, numbers[1]))
                    model[path] = numbers[1]
                case "truncate":
                    os.truncate(path, 100 + numbers[1])
                    model[path] = now
            if numbers[0]:
                assert {each: each.stat().st_mtime for each in model} == model
        assert {Path(each.path): each.stat().st_mtime for each in os.scandir(folder)} == model

    with tempfile.TemporaryDirectory() as folder:
        run(main, Path(folder))


def test_links_are_copied_with_their_status(tmp_path) -> None:
    """``shutil`` finds that ``os.stat`` knows links, in a run as outside, and copies a tree."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "file").write_text("here")
    (tmp_path / "from" / "link").symlink_to("file")

    async def main() -> tuple[bool, bool, str]:
        shutil.copytree(tmp_path / "from", tmp_path / "to", symlinks=True)
        link = tmp_path / "to" / "link"
        known = {os.stat, os.utime} <= os.supports_follow_symlinks
        return known, link.is_symlink(), link.read_text()

    assert simloop.run(main()) == (True, True, "here")
