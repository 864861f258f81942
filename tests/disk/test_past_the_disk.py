"""What opens files by itself, past the functions of os: refused, and nothing became real."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import ssl
from functools import partial

import pytest

import simloop


class OwnFile(io.FileIO):
    """A class over io.FileIO that was made before any run, and so opens by itself."""


def refused(call, *args):
    """What the error of a refused call says."""
    with pytest.raises(simloop.UnsupportedError, match="virtual disk") as caught:
        call(*args)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that the real process works in, too: where C would write."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH 'db' AS x",
        "attach 'file:db?mode=rwc' as x",
        "VACUUM INTO 'copy'",
        "/* a */ attach ? as x",
        "create table t(a); attach 'db' as x",
    ],
)
@pytest.mark.usefixtures("folder")
def test_sql_opens_no_database_past_the_disk(statement):
    """ATTACH and VACUUM INTO of a file are refused with the reason, by connections and cursors."""

    async def main():
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            for runs_it in (connection, connection.cursor()):
                if ";" in statement:
                    told = refused(runs_it.executescript, statement)
                    runs_it.execute("drop table t")
                else:
                    told = refused(runs_it.execute, statement, ("db",) * statement.count(" ? "))
                assert "in C" in told
            connection.execute("attach ':memory:' as y")
            connection.execute("vacuum")
            with pytest.raises(sqlite3.OperationalError, match="syntax"):
                connection.execute("selec")
            with simloop.allow("files"):
                connection.execute("attach 'real' as z")
        with simloop.allow("files"):
            os.remove("real")

    simloop.run(main(), disk=True)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "name",
    ["file:db?mode=memory&mode=rwc", "file:db?vfs=unix&mode=rw%63", "file::memory:?mode=rwc", "db"],
)
def test_no_name_of_a_database_leads_past_the_disk(name):
    """The last mode of a URI counts, as for SQLite; and a URI is a plain name unless asked for."""

    async def main():
        for kind in (sqlite3.connect, sqlite3.Connection):

            def open_(name, *, uri=False, kind=kind):
                with contextlib.closing(kind(name, uri=uri)) as connection:
                    connection.execute("create table t(a)")

            refused(partial(open_, name, uri=True))
            for as_built in ("file:db?mode=memory", "file::memory:"):
                with contextlib.suppress(simloop.UnsupportedError):
                    open_(as_built)  # Debian's SQLite takes each name for a URI, others don't.
            open_("file:db?mode=memory", uri=True)
            open_("file::memory:?cache=shared", uri=True)

    simloop.run(main(), disk=True)


@pytest.mark.usefixtures("folder")
def test_a_programs_own_authorizer_opens_no_way_past_the_disk():
    """It is asked after ours, and hears of what ours lets pass; without it ours is still there."""
    asked = []

    def allow_all(*of):
        asked.append(of)
        return sqlite3.SQLITE_OK

    async def main():
        for connection in (sqlite3.connect(":memory:"), sqlite3.Connection(":memory:")):
            with contextlib.closing(connection):
                connection.set_authorizer(allow_all)
                refused(connection.execute, "attach 'db' as x")
                connection.execute("attach ':memory:' as y")
                connection.set_authorizer(None)
                refused(connection.execute, "attach 'db' as x")
                connection.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
                with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
                    connection.execute("select 1")

    simloop.run(main(), disk=True)
    assert (sqlite3.SQLITE_ATTACH, ":memory:", None, None, None) in asked


@pytest.mark.usefixtures("folder")
def test_a_database_is_read_from_bytes():
    """What one connection gives as bytes another one takes, in memory."""
    if not hasattr(sqlite3.Connection, "deserialize"):
        pytest.skip("this SQLite was built without it")

    async def main():
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("create table t(a)")
            connection.execute("insert into t values (7)")
            connection.commit()
            data = connection.serialize()
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(data)
            refused(connection.execute, "attach 'x' as x")
            return connection.execute("select a from t").fetchall()

    assert simloop.run(main(), disk=True) == [(7,)]


@pytest.mark.usefixtures("folder")
def test_openssl_writes_no_keys_past_the_disk():
    """The file of keys is refused when it is set, also where the environment names one."""

    async def main():
        context = ssl.create_default_context()
        told = refused(setattr, context, "keylog_filename", "keys")
        os.environ["SSLKEYLOGFILE"] = "keys"
        try:
            refused(ssl.create_default_context)
        finally:
            del os.environ["SSLKEYLOGFILE"]
        context.keylog_filename = None
        return told, context.keylog_filename

    told, value = simloop.run(main(), disk=True)
    assert "SSLKEYLOGFILE" in told
    assert value is None


def test_what_reads_by_itself_gets_no_stale_file(tmp_path):
    """A class that opens by itself reads real files, but not one that the run has changed."""
    (tmp_path / "f").write_text("real")

    async def main():
        with OwnFile(tmp_path / "f") as file:
            assert file.read() == b"real"
        with open(tmp_path / "f", "r+") as file:
            file.write("R")
            file.flush()
            os.pread(file.fileno(), 4, 2)  # What lies below is read on.
        told = refused(OwnFile, tmp_path / "f")
        refused(OwnFile, tmp_path / "new", "w")
        (tmp_path / "made").write_text("x")
        refused(OwnFile, tmp_path / "made")
        with pytest.raises(FileNotFoundError):
            OwnFile(tmp_path / "missing")
        return told, (tmp_path / "f").read_text()

    told, text = simloop.run(main(), disk=True)
    assert "changed in the run" in told
    assert text == "Real"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.usefixtures("folder")
def test_readline_keeps_no_history_past_the_disk():
    """It opens the file by itself: refused, with the way out."""
    readline = pytest.importorskip("readline")

    async def main():
        told = refused(readline.write_history_file, "history")
        refused(readline.read_history_file)
        return told

    assert "get_history_item()" in simloop.run(main(), disk=True)


def test_numpy_saves_arrays_on_a_disk(tmp_path):
    """numpy.save and load go through file objects; a map of a file is refused."""
    numpy = pytest.importorskip("numpy")

    async def main():
        numpy.save(tmp_path / "a.npy", numpy.arange(5))
        numpy.savez(tmp_path / "z", one=numpy.ones(2))
        refused(lambda: numpy.load(tmp_path / "a.npy", mmap_mode="r"))
        return numpy.load(tmp_path / "a.npy").tolist(), list(numpy.load(tmp_path / "z.npz"))

    assert simloop.run(main(), disk=True) == ([0, 1, 2, 3, 4], ["one"])
    assert os.listdir(tmp_path) == []
