"""A journal gives back what was kept, each number once, and refuses what is not its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simloop.errors import UsageError
from simloop.sweeps import journal as journals
from simloop.sweeps.journal import Journal, merge, read_journal
from simloop.sweeps.sweeping import KeepError, LostRun
from simloop.sweeps.work import Finding, Part

ABOUT = {"kind": "seeds", "program": "a:main", "source": "1f", "options": {"max_time": 3}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A lock that another holds is waited for no longer than at all."""
    monkeypatch.setattr(journals, "_LOCKED_S", -1.0)


def part(first, end, *failing):
    findings = [Finding(failing[0], "A", {"seed": failing[0], "error": "A"})] if failing else []
    numbers = {"A": list(failing)} if failing else {}
    return Part(first, end, findings, numbers, {"p": ("sometimes", end - first, 1)}, seconds=0.5)


def written(path, parts, about=ABOUT, lost=()):
    with closing(Journal(path, about)) as journal:
        for each in parts:
            journal.keep(each)
        for each in lost:
            journal.keep_lost(each)
    return str(path)


def test_what_was_kept_comes_back(tmp_path) -> None:
    """Parts, what was lost, and what refining made of it, in another process's journal."""
    parts = [part(1, 5, 3, 4), part(9, 12), part(5, 9, 7)]
    lost = LostRun(12, "it died", (["late", "sleep", 1, 3],))
    path = tmp_path / "journal"
    with closing(Journal(path, ABOUT)) as journal:
        for each in parts:
            journal.keep(each)
        journal.keep_lost(lost)
        journal.keep_refined("A", {"seed": 3})
    with closing(Journal(path, ABOUT)) as journal:
        kept = journal.kept()
    assert kept.parts == sorted(parts, key=lambda each: each.first)
    assert kept.lost == [lost]
    assert kept.refined == {"A": {"seed": 3}}
    assert list(kept.done) == [(1, 13)]
    assert [each.number for each in kept.findings()] == [3]
    assert read_journal(path)[0].about == ABOUT


@pytest.mark.parametrize("other", [{"source": "2e"}, {"options": {}}, {"program": "b:main"}])
def test_another_sweep_is_refused_with_the_difference(tmp_path, other) -> None:
    """What differs is named, as it was and as it is."""
    path = written(tmp_path / "journal", [])
    (name,) = other
    with pytest.raises(UsageError, match=f"another sweep: {name} was .* and is ") as refused:
        Journal(path, ABOUT | other)
    assert str(refused.value).count(" was ") == 1


def test_what_is_no_journal_is_refused(tmp_path) -> None:
    """Text, another program's database, another version, a folder, a file that is not there."""
    text, database = tmp_path / "text", tmp_path / "database"
    text.write_text("no database at all" * 100)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE other (x)")
    path = written(tmp_path / "journal", [part(1, 2)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for wrong, why in (
        (text, "not a database"),
        (database, "another program's database"),
        (path, "version 99"),
        (tmp_path, "can't be written"),
        (tmp_path / "no" / "folder", "can't be written"),
    ):
        with pytest.raises(UsageError, match=why):
            Journal(wrong, ABOUT)
    for wrong in (text, database, tmp_path / "nothing", tmp_path):
        with pytest.raises(UsageError, match="journal"):
            read_journal(wrong)


def test_one_process_at_a_time_writes(tmp_path) -> None:
    """A second one is told so, and of the way out; reading is free."""
    path = tmp_path / "journal"
    with closing(Journal(path, ABOUT)) as journal:
        journal.keep(part(1, 4))
        with pytest.raises(UsageError, match=r"another process writes .* sweep merge"):
            Journal(path, ABOUT)
        assert read_journal(path)[0].done.count == 3
    Journal(path, ABOUT).close()


def test_a_full_disk_is_told(tmp_path) -> None:
    """What can't be kept is no part of the file, which stays whole."""
    with closing(Journal(tmp_path / "journal", ABOUT)) as journal:
        journal.keep(part(1, 10))
        (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(KeepError, match="full"):
            journal.keep(Part(10, 20_000, numbers={"A": list(range(10, 20_000))}))
    assert list(read_journal(tmp_path / "journal")[0].done) == [(1, 10)]


@pytest.mark.parametrize("path", ["", 5, None])
def test_what_is_no_path_is_told(path) -> None:
    """An empty string would be the current folder, of which no error could say what was given."""
    with pytest.raises(UsageError, match=f"journal={path!r}.*it takes the path of a file"):
        Journal(path, ABOUT)


CUTS = st.lists(st.integers(1, 40), min_size=2, max_size=12, unique=True).map(sorted)


@given(CUTS, CUTS, st.integers(1, 40))
def test_merged_journals_count_each_number_once(tmp_path_factory, one, other, lost) -> None:
    """Of parts that overlap the first counts; nothing is counted twice, or made up."""
    folder = tmp_path_factory.mktemp("merged")

    def parts(cuts):
        return [part(*each) for each in pairwise(cuts)]

    one, other = parts(one), parts(other)
    paths = [
        written(folder / "one", one),
        written(folder / "other", other, lost=[LostRun(lost, "it died")]),
        written(folder / "third", other, ABOUT | {"options": {}}),
    ]
    first, second = merge(paths, str(folder / "merged"))
    numbers = [each for it in first.parts for each in range(it.first, it.end)]
    assert len(numbers) == len(set(numbers))
    assert all(each in first.parts for each in one)
    assert all(each in one + other for each in first.parts)
    assert first.done.count == len(numbers) + len(first.lost)
    assert second.parts == other


def test_merging_refuses_what_does_not_belong_together(tmp_path) -> None:
    """Journals of two programs, and a file that is there already."""
    one = written(tmp_path / "one", [part(1, 4)])
    other = written(tmp_path / "other", [part(1, 4)], ABOUT | {"source": "2e"})
    with pytest.raises(UsageError, match="source was '1f' and is '2e'"):
        merge([one, other], str(tmp_path / "merged"))
    assert not (tmp_path / "merged").exists()
    with pytest.raises(UsageError, match="there already"):
        merge([one, one], other)
    with pytest.raises(UsageError, match="can't be written"):
        merge([one], str(tmp_path / "no" / "folder"))
