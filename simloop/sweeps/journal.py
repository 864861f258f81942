"""The journal: what a sweep has done and found, in a file that outlives it.

Owns: the file, a SQLite database in WAL mode (https://www.sqlite.org/wal.html), its tables, and
which sweep a file is of. A part is one transaction, so a process that is killed at any moment loses
the parts that its workers had not told yet, and nothing else.

Must not know: what numbers stand for. Details are values of JSON to it.

Invariants:

- Parts of one sweep do not overlap, so each number is counted once.
- A file may hold several sweeps of one program (other seeds, say), each with what it is about. A
  sweep that is about something else is refused, and the difference is named.
- One process at a time writes a file.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import attrs

from simloop._sandbox.time import real_clock
from simloop.errors import UsageError
from simloop.net.linux import platform_module

from .ranges import Ranges
from .sweeping import KeepError, LostRun
from .work import Finding, Part

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

__all__ = ["Journal", "Kept", "merge", "read_journal"]

_VERSION = 1
_TABLES = f"""
PRAGMA user_version = {_VERSION};
CREATE TABLE IF NOT EXISTS sweeps (
    id INTEGER PRIMARY KEY, about TEXT NOT NULL UNIQUE, begun REAL NOT NULL);
CREATE TABLE IF NOT EXISTS parts (
    sweep INTEGER NOT NULL, first INTEGER NOT NULL, "end" INTEGER NOT NULL, at REAL NOT NULL,
    seconds REAL NOT NULL, numbers TEXT NOT NULL, tallies TEXT NOT NULL,
    PRIMARY KEY (sweep, first));
CREATE TABLE IF NOT EXISTS findings (
    sweep INTEGER NOT NULL, first INTEGER NOT NULL, number INTEGER NOT NULL,
    failure TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (sweep, number, failure));
CREATE TABLE IF NOT EXISTS refined (
    sweep INTEGER NOT NULL, failure TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (sweep, failure));
CREATE TABLE IF NOT EXISTS lost (
    sweep INTEGER NOT NULL, number INTEGER NOT NULL, how TEXT NOT NULL, told TEXT NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (sweep, number));
"""
_APPLICATION = 0x51D7009  # So that another program's database is not taken for a journal.
_LOCKED_S = 3.0
"""How long workers of a process that was killed may still hold its lock."""
_OF_PROGRAM = ("kind", "program", "source", "python", "simloop")
"""What all sweeps of one file share."""


class Journal:
    """The journal of one sweep, open for writing.

    Args:
        path: The file, which is made if there is none.
        about: What the sweep is about: values of JSON by name, which another one must share to go
            on with it.

    Raises:
        UsageError: The path is none, the file is of another sweep, is no journal, can't be
            written, or another process writes it.
    """

    def __init__(self, path: str | os.PathLike[str], about: Mapping[str, Any]) -> None:
        try:
            self.path: Path = Path(path)
        except TypeError:
            raise UsageError(f"journal={path!r}; it takes the path of a file") from None
        if path == "":  # Which would be the current folder.
            raise UsageError("journal='', which is no path; it takes the path of a file")
        try:
            with ExitStack() as opened:
                self._connection: sqlite3.Connection = _opened(self.path)
                opened.enter_context(closing(self._connection))
                self._lock: IO[bytes] = opened.enter_context(_locked(self.path))
                self._sweep: int = self._find(about)
                opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"the journal {self.path} can't be written: {error}") from None

    def _find(self, about: Mapping[str, Any]) -> int:
        about = json.loads(_canonical(about))  # As it will be read.
        text = _canonical(about)
        connection = self._connection
        rows = connection.execute("SELECT id, about FROM sweeps ORDER BY id").fetchall()
        for number, known in rows:
            if known == text:
                return int(number)
        if rows:
            told = difference(json.loads(rows[0][1]), about)
            raise UsageError(
                f"the journal {self.path} is of another sweep: {told}; name another file, or run"
                " what it is of"
            )
        with connection:
            row = connection.execute(
                "INSERT INTO sweeps (about, begun) VALUES (?, ?)", (text, real_clock.time())
            )
        assert row.lastrowid is not None
        return row.lastrowid

    def kept(self) -> Kept:
        """Return what was kept so far."""
        return _kept(self._connection, self._sweep)

    def keep(self, part: Part) -> None:
        """Keep a part, in one transaction.

        Raises:
            KeepError: It can't be written; the disk is full, say.
        """
        with self._writing():
            _insert_part(self._connection, self._sweep, part, real_clock.time())

    def keep_lost(self, lost: LostRun) -> None:
        """Keep a run that broke its process."""
        with self._writing():
            _insert_lost(self._connection, self._sweep, lost, real_clock.time())

    def keep_refined(self, failure: str, detail: Any) -> None:
        """Keep what refining has made of a failure."""
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO refined VALUES (?, ?, ?)",
                (self._sweep, failure, json.dumps(detail)),
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._connection:
                yield
        except sqlite3.Error as error:
            raise KeepError(f"the journal {self.path} can't be written any more: {error}") from None

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._connection.close()
        self._lock.close()


@attrs.define
class Kept:
    """What a journal holds of one sweep."""

    about: dict[str, Any]
    begun_s: float
    """When it began, in POSIX seconds."""
    parts: list[Part] = attrs.Factory(list)
    at_s: list[float] = attrs.Factory(list)
    """When each part was done, in POSIX seconds."""
    lost: list[LostRun] = attrs.Factory(list)
    refined: dict[str, Any] = attrs.Factory(dict)

    @property
    def done(self) -> Ranges:
        """The numbers that are done."""
        done = Ranges()
        for part in self.parts:
            done.add(part.first, part.end)
        for lost in self.lost:
            done.add(lost.number, lost.number + 1)
        return done

    def findings(self) -> list[Finding]:
        """Return each failure at its lowest number, in order."""
        best: dict[str, Finding] = {}
        for part in self.parts:
            for each in part.findings:
                if each.failure not in best or each.number < best[each.failure].number:
                    best[each.failure] = each
        return sorted(best.values(), key=lambda each: each.number)


def read_journal(path: str | os.PathLike[str]) -> list[Kept]:
    """Return what a journal holds, sweep by sweep.

    Raises:
        UsageError: There is no such file, or it is no journal.
    """
    if not Path(path).is_file():
        raise UsageError(f"there is no journal {path}")
    try:
        with closing(_opened(Path(path))) as connection, _one_moment(connection):
            rows = connection.execute("SELECT id FROM sweeps ORDER BY id").fetchall()
            return [_kept(connection, number) for (number,) in rows]
    except sqlite3.Error as error:
        raise UsageError(f"the journal {path} can't be read: {error}") from None


def merge(paths: list[str], output: str) -> list[Kept]:
    """Write what several journals of one program hold into a new one, each number once.

    Of parts that overlap the first counts; a number that only the other has is missing then, and
    is run by whoever goes on with the merged sweep.

    Raises:
        UsageError: They are of different programs, or the new one is there already.
    """
    if Path(output).exists():
        raise UsageError(f"{output} is there already; name a new file for the merged journal")
    read = [(path, each) for path in paths for each in read_journal(path)]
    for path, each in read[1:]:
        one, other = (
            {name: it.about.get(name) for name in _OF_PROGRAM} for it in (read[0][1], each)
        )
        if one != other:
            raise UsageError(
                f"{path} and {read[0][0]} are journals of different programs:"
                f" {difference(one, other)}; merge those of one program"
            )
    try:
        with closing(_opened(Path(output))) as connection:
            for _, each in read:
                _merge_one(connection, each)
    except sqlite3.Error as error:
        raise UsageError(f"the journal {output} can't be written: {error}") from None
    return read_journal(output)


def _merge_one(connection: sqlite3.Connection, kept: Kept) -> None:
    text = _canonical(kept.about)
    with connection:
        connection.execute(
            "INSERT OR IGNORE INTO sweeps (about, begun) VALUES (?, ?)", (text, kept.begun_s)
        )
        connection.execute(
            "UPDATE sweeps SET begun = min(begun, ?) WHERE about = ?", (kept.begun_s, text)
        )
        query = "SELECT id FROM sweeps WHERE about = ?"
        (number,) = connection.execute(query, (text,)).fetchone()
        done = _kept(connection, number).done
        for part, at_s in zip(kept.parts, kept.at_s, strict=True):
            if next(done.missing(part.first, part.end), None) == (part.first, part.end):
                done.add(part.first, part.end)
                _insert_part(connection, number, part, at_s)
        for lost in kept.lost:
            if done.add(lost.number, lost.number + 1):
                _insert_lost(connection, number, lost, kept.begun_s)
        for failure, detail in kept.refined.items():
            connection.execute(
                "INSERT OR IGNORE INTO refined VALUES (?, ?, ?)",
                (number, failure, json.dumps(detail)),
            )


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return what differs between two sweeps, in words.

    Example:
        >>> difference({"seed": 1, "program": "a:main"}, {"seed": 2, "program": "a:main"})
        'seed was 1 and is 2'
    """
    names = dict.fromkeys([*one, *other])
    told = [
        f"{name} was {one.get(name)!r} and is {other.get(name)!r}"
        for name in names
        if one.get(name) != other.get(name)
    ]
    return ", ".join(told)


# The file -----------------------------------------------------------------------------------------


def _canonical(about: Mapping[str, Any]) -> str:
    return json.dumps(about, sort_keys=True, default=repr)


def _locked(path: Path) -> IO[bytes]:
    """Return an open file that is locked as long as it is open.

    It is one of its own beside the journal: whoever closes a descriptor of the database itself
    would drop the locks that SQLite has on it (fcntl(2), "advisory record locks").

    Raises:
        UsageError: Another process has it.
    """
    file = Path(f"{path}-lock").open("ab")  # noqa: SIM115 - it is open as long as the journal
    until_s = real_clock.monotonic() + _LOCKED_S
    while True:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # Unix's, Windows'.
            if real_clock.monotonic() > until_s:
                file.close()
                raise UsageError(
                    f"another process writes the journal {path}; give each its own, and merge them:"
                    " simloop sweep merge A B -o C"
                ) from None
            real_clock.sleep(0.05)
        else:
            return file


def _lock(file: IO[bytes]) -> None:
    """Lock a file for this process, or raise the system's error where another one has it."""
    fcntl = platform_module("fcntl")
    if hasattr(fcntl, "flock"):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    msvcrt = platform_module("msvcrt")
    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def _opened(path: Path) -> sqlite3.Connection:
    """Open a journal, or make one of an empty file.

    Raises:
        UsageError: It is another program's, or of another version.
    """
    connection = sqlite3.connect(path, timeout=10)
    try:
        with _one_moment(connection):
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        if tables:
            _check_kind(path, application, version)
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL nothing is lost to a process that is killed; a power cut may take the last parts.
        connection.execute("PRAGMA synchronous = NORMAL")
        if not tables:
            connection.executescript(
                f"BEGIN; PRAGMA application_id = {_APPLICATION};{_TABLES}COMMIT;"
            )
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Read all of it as of one moment, whatever another process writes meanwhile.

    A transaction that only reads sees the file as it was at its first read, and makes no writer
    wait (https://www.sqlite.org/isolation.html).
    """
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


def _check_kind(path: Path, application: int, version: int) -> None:
    if application != _APPLICATION:
        raise UsageError(f"{path} is no journal of a sweep, but another program's database")
    if version != _VERSION:
        raise UsageError(
            f"the journal {path} is of version {version}, and this simloop writes {_VERSION}"
        )


def _insert_part(connection: sqlite3.Connection, sweep: int, part: Part, at_s: float) -> None:
    connection.execute(
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            sweep,
            part.first,
            part.end,
            at_s,
            part.seconds,
            json.dumps(part.numbers),
            json.dumps(part.tallies),
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?)",
        [
            (sweep, part.first, each.number, each.failure, json.dumps(each.detail))
            for each in part.findings
        ],
    )


def _insert_lost(connection: sqlite3.Connection, sweep: int, lost: LostRun, at_s: float) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO lost VALUES (?, ?, ?, ?, ?)",
        (sweep, lost.number, lost.how, json.dumps(lost.told), at_s),
    )


def _kept(connection: sqlite3.Connection, sweep: int) -> Kept:
    def rows(query: str) -> Iterator[Any]:
        return iter(connection.execute(query, (sweep,)))

    ((about, begun_s),) = rows("SELECT about, begun FROM sweeps WHERE id = ?")
    kept = Kept(json.loads(about), begun_s)
    by_first: dict[int, Part] = {}
    for first, end, at_s, seconds, numbers, tallies in rows(
        'SELECT first, "end", at, seconds, numbers, tallies FROM parts WHERE sweep = ?'
        " ORDER BY first"
    ):
        read = {
            name: (kind, asked, true) for name, (kind, asked, true) in json.loads(tallies).items()
        }
        part = Part(first, end, numbers=json.loads(numbers), tallies=read, seconds=seconds)
        by_first[first] = part
        kept.parts.append(part)
        kept.at_s.append(at_s)
    for first, number, failure, detail in rows(
        "SELECT first, number, failure, detail FROM findings WHERE sweep = ? ORDER BY number"
    ):
        by_first[first].findings.append(Finding(number, failure, json.loads(detail)))
    for number, how, told in rows("SELECT number, how, told FROM lost WHERE sweep = ? ORDER BY 1"):
        kept.lost.append(LostRun(number, how, tuple(json.loads(told))))
    for failure, detail in rows("SELECT failure, detail FROM refined WHERE sweep = ?"):
        kept.refined[failure] = json.loads(detail)
    return kept
