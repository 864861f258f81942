"""Temporary names: the seed's in an empty folder, and never those of what is left there."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

import simloop
from simloop._sandbox import passed_over


async def make(folder: Path) -> list[str]:
    """Make temporary things in all ways, leave something beside each, and return their names."""
    handle, file = tempfile.mkstemp(dir=folder, prefix="case_", suffix=".txt")
    os.close(handle)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as named:
        pass
    directory = tempfile.mkdtemp(dir=folder)
    in_bytes = os.fsdecode(tempfile.mkdtemp(dir=os.fsencode(folder)))
    unmade = tempfile.mktemp(dir=folder)  # noqa: S306 - its name is what is asked for
    made = [Path(each) for each in (file, named.name, directory, in_bytes)]
    for path in made:
        assert not path.with_name(path.name + ".1").exists()
        path.rename(path.with_name(path.name + ".1"))
    return [each.name for each in (*made, Path(unmade))]


def test_names_do_not_repeat_where_something_is_left(tmp_path) -> None:
    """Each run in one folder has names of its own, also where the old ones are parts of others."""
    runs = [simloop.run(make(tmp_path)) for _ in range(3)]
    made = [name for names in runs for name in names[:4]]
    assert len(dict.fromkeys(made)) == len(made)


def test_names_follow_the_seed_in_an_empty_folder(tmp_path) -> None:
    """Two empty folders get the same names, and another seed gives others."""
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
    first, again = (simloop.run(make(folder)) for folder in folders[:2])
    assert first == again
    assert simloop.run(make(folders[2]), seed=1) != first


def test_two_runs_at_a_time(tmp_path) -> None:
    """Runs whose steps alternate in one folder never have the same name."""
    loops = [simloop.SimLoop() for _ in range(2)]
    seen: list[str] = []

    async def several() -> None:
        for _ in range(5):
            seen.extend((await make(tmp_path))[:4])  # The fifth is not made.
            await asyncio.sleep(1)

    tasks = [loop.create_task(several()) for loop in loops]
    while any(not task.done() for task in tasks):
        for loop in loops:
            loop.run_for(1)
    for task, loop in zip(tasks, loops, strict=True):
        task.result()
        loop.close()
    assert len(seen) == len(dict.fromkeys(seen)) == 40


def test_a_folder_that_is_not_there() -> None:
    """What can't be listed is no reason to fail: what makes the file says it."""

    async def main() -> str:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            tempfile.mkdtemp(dir="/nowhere")
        return tempfile.mktemp(dir="/nowhere")  # noqa: S306 - as above

    assert simloop.run(main()).startswith("/nowhere/")


@pytest.mark.parametrize("make_one", [tempfile.mkstemp, tempfile.mkdtemp])
def test_a_name_that_is_taken_at_the_last_moment_counts(make_one, tmp_path, monkeypatch) -> None:
    """Another process may come between the look and the making, and the name be another by that."""
    # Comparing processes asks whether names were passed over, and then lets them run one by one.
    taken = [True]

    def first_taken(real):
        def make(*args, **kwargs):
            if taken:
                taken.pop()
                raise FileExistsError
            return real(*args, **kwargs)

        return make

    monkeypatch.setattr(os, "open", first_taken(os.open))
    monkeypatch.setattr(os, "mkdir", first_taken(os.mkdir))

    async def main() -> None:
        make_one(dir=tmp_path)

    before = len(passed_over)
    simloop.run(main())
    assert len(passed_over) == before + 1
