"""SQLite in a run: its dates are the run's, its random numbers the seed's."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simloop


def ask(sql: str, *args) -> tuple:
    """Ask a new connection in memory for one row."""
    connection = sqlite3.connect(":memory:")
    row = connection.execute(sql, args).fetchone()
    connection.close()
    return row


def run(function, *args, after=60.0, **options):
    """Call a function in a run, some seconds after its start."""

    async def main():
        await asyncio.sleep(after)
        return function(*args)

    return simloop.run(main(), **options)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_TIME",
            ("2024-01-01 00:01:00", "2024-01-01", "00:01:00"),
        ),
        ("SELECT date(), time(), datetime()", ("2024-01-01", "00:01:00", "2024-01-01 00:01:00")),
        ("SELECT date('NOW'), datetime('now', '+1 day')", ("2024-01-01", "2024-01-02 00:01:00")),
        ("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')", ("2024-01-01 00:01:00.500",)),
        ("SELECT strftime('%s')", ("1704067260",)),
        ("SELECT unixepoch(), unixepoch('now')", (1_704_067_260, 1_704_067_260)),
        ("SELECT julianday('now') - julianday('2024-01-01') BETWEEN 0.00069 AND 0.0008", (1,)),
        (
            "SELECT datetime('2020-02-03'), date(0, 'unixepoch')",
            ("2020-02-03 00:00:00", "1970-01-01"),
        ),
        ("SELECT date(NULL), date('no date'), strftime(NULL, 'now')", (None, None, None)),
    ],
)
def test_now_is_the_run_s(sql, expected) -> None:
    """Functions of dates take ``now``, and a missing time, for the run's; others as ever."""
    assert run(ask, sql, after=60.5) == expected


@given(st.floats(0, 1e9))
def test_dates_agree_with_python(after) -> None:
    """``CURRENT_TIMESTAMP`` is ``datetime.now``, cut to seconds."""

    def both() -> tuple[str, str]:
        (shown,) = ask("SELECT CURRENT_TIMESTAMP")
        return shown, dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M:%S")

    shown, expected = run(both, after=after)
    assert shown == expected


def test_a_column_s_default_is_the_run_s() -> None:
    """A default that a table's definition names is evaluated at each insertion."""

    async def main() -> list[tuple]:
        base = sqlite3.connect(":memory:")
        base.executescript(
            "CREATE TABLE t (id INTEGER, at TEXT DEFAULT CURRENT_TIMESTAMP,"
            " day TEXT DEFAULT (date('now')), dice INTEGER DEFAULT (abs(random() % 6)))"
        )
        for number in range(2):
            await asyncio.sleep(86_400)
            base.execute("INSERT INTO t (id) VALUES (?)", (number,))
        rows = base.execute("SELECT id, at, day FROM t WHERE at <= datetime('now')").fetchall()
        base.close()
        return rows

    assert simloop.run(main()) == [
        (0, "2024-01-02 00:00:00", "2024-01-02"),
        (1, "2024-01-03 00:00:00", "2024-01-03"),
    ]


def test_random_numbers_follow_the_seed() -> None:
    """``random`` and ``randomblob`` draw a new value for each row, the same for the same seed."""

    def draw() -> list[tuple]:
        connection = sqlite3.connect(":memory:")
        rows = connection.execute(
            "WITH n(i) AS (VALUES (1), (2), (3)) SELECT random(), hex(randomblob(4)) FROM n"
        ).fetchall()
        rows += connection.execute("SELECT length(randomblob(0)), random()").fetchall()
        connection.close()
        return rows

    first, again, other = run(draw), run(draw), run(draw, seed=1)
    assert first == again != other
    assert len(dict(first)) == len(first)
    assert all(-(2**63) <= row[0] < 2**63 for row in first)


def test_indexes_may_use_dates() -> None:
    """A function of a column's date may stand in an index, a check and a generated column."""

    def main() -> list[tuple]:
        base = sqlite3.connect(":memory:")
        base.execute(
            "CREATE TABLE t (at TEXT CHECK (date(at) > '2000'), day TEXT AS (date(at)) STORED)"
        )
        base.execute("CREATE INDEX by_day ON t (date(at))")
        base.execute("INSERT INTO t (at) VALUES (CURRENT_TIMESTAMP)")
        rows = base.execute("SELECT day FROM t WHERE date(at) = '2024-01-01'").fetchall()
        base.close()
        return rows

    assert run(main) == [("2024-01-01",)]


def test_a_connection_may_outlive_its_run() -> None:
    """Outside it tells the real date again, and in the next run that one's."""
    kept = []

    def main() -> None:
        if not kept:
            kept.append(sqlite3.connect(":memory:", check_same_thread=False))
        return kept[0].execute("SELECT CURRENT_TIMESTAMP, date('now')").fetchone()

    assert run(main) == ("2024-01-01 00:01:00", "2024-01-01")
    today, same = main()
    assert today[:10] == same > "2024-06"
    assert run(main, start_date=dt.datetime(2030, 5, 6, tzinfo=dt.UTC))[1] == "2030-05-06"
    assert kept[0].execute("SELECT random() <> random(), length(randomblob(3))").fetchone() == (
        1,
        3,
    )
    kept.pop().close()


def test_connections_outside_of_runs_are_left_alone() -> None:
    """What is connected outside has SQLite's own functions, and the real date."""
    assert ask("SELECT date('now') > '2024-06'") == (1,)


def test_a_connection_of_before_the_run() -> None:
    """A connection that a fixture made outside has the run's date and dice once a run uses it."""
    base = sqlite3.connect(":memory:", check_same_thread=False)
    base.row_factory = sqlite3.Row
    base.execute("CREATE TABLE t (id INTEGER, at TEXT DEFAULT CURRENT_TIMESTAMP)")

    def main() -> list[tuple]:
        with base:
            base.cursor().execute("INSERT INTO t (id) VALUES (1)")
        base.executemany("INSERT INTO t (id) VALUES (?)", [(2,)])
        rows = base.execute("SELECT at, random() FROM t").fetchall()
        base.execute("DELETE FROM t")
        return [tuple(row) for row in rows]

    first, again = run(main), run(main)
    assert first == again
    assert [at for at, _ in first] == ["2024-01-01 00:01:00"] * 2
    base.close()

    def closed() -> None:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            base.execute("SELECT 1")

    run(closed)


def test_a_program_may_have_functions_of_its_own() -> None:
    """What the program registers under such a name is what is called."""

    def main() -> tuple:
        base = sqlite3.connect(":memory:")
        base.create_function("random", 0, lambda: 4)
        row = base.execute("SELECT random()").fetchone()
        base.close()
        return row

    assert run(main) == (4,)


def test_sqlalchemy_s_defaults() -> None:
    """``func.now()`` as a server's default and in a query, by SQLAlchemy, is the run's."""
    sqlalchemy = pytest.importorskip("sqlalchemy")

    def main() -> tuple:
        engine = sqlalchemy.create_engine("sqlite://")
        table = sqlalchemy.Table(
            "t",
            sqlalchemy.MetaData(),
            sqlalchemy.Column("id", sqlalchemy.Integer),
            sqlalchemy.Column("at", sqlalchemy.DateTime, server_default=sqlalchemy.func.now()),
        )
        with engine.begin() as base:
            table.create(base)
            base.execute(table.insert().values(id=1))
            row = base.execute(sqlalchemy.select(table.c.at, sqlalchemy.func.now())).one()
        engine.dispose()
        return tuple(row)

    assert run(main) == (dt.datetime(2024, 1, 1, 0, 1),) * 2  # noqa: DTZ001


def test_aiosqlite(tmp_path) -> None:
    """A connection that a thread of the run makes and asks tells the run's date, too."""
    aiosqlite = pytest.importorskip("aiosqlite")

    async def main() -> tuple:
        async with aiosqlite.connect(tmp_path / "base") as base:
            await asyncio.sleep(3600)
            async with base.execute("SELECT CURRENT_TIMESTAMP, random()") as cursor:
                return await cursor.fetchone()

    first, again = simloop.run(main()), simloop.run(main())
    assert first == again
    assert first[0] == "2024-01-01 01:00:00"
