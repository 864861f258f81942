"""Unmodified libraries that keep files, on hosts that are killed, crash and boot again."""

from __future__ import annotations

import asyncio
import dbm.dumb
import logging
import logging.handlers
import shelve

import pytest

import simloop

from .test_add_host import world
from .test_host_disks import HERE, LOG

LOGGER = logging.getLogger("tests.hosts.served")


@pytest.fixture(autouse=True)
def _loud():
    """Let the logger take everything, and have no handler left over."""
    LOGGER.setLevel(logging.INFO)
    yield
    assert LOGGER.handlers == []


def lines(host, path=LOG):
    return host.disk.read(str(path)).decode().splitlines()


async def log_and_wait(name, make=logging.FileHandler):
    """Log to a file, as a server does that sets up logging when it starts."""
    HERE.mkdir(exist_ok=True)
    handler = make(LOG)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    LOGGER.addHandler(handler)
    LOGGER.info("%s begins", name)
    await asyncio.to_thread(LOGGER.info, "%s in a thread", name)
    await asyncio.sleep(10)
    LOGGER.info("%s goes on", name)
    await asyncio.sleep(1e6)


def test_each_host_logs_to_its_own_file():
    """A handler takes what its own process logs, by its clock; another boot adds to the file."""

    async def main():
        one = world().add_host("one", log_and_wait, args=("one",))
        other = world().add_host("other", log_and_wait, args=("other",), skew=3600.0)
        await asyncio.sleep(5)
        LOGGER.info("of the test")
        one.processes[0].kill()
        one.restart()
        await asyncio.sleep(15)
        return lines(one), lines(other)

    one, other = simloop.run(main())
    assert one[-3:] == ["00:00:05 one begins", "00:00:05 one in a thread", "00:00:15 one goes on"]
    assert other == [
        "01:00:00 other begins",
        "01:00:00 other in a thread",
        "01:00:10 other goes on",
    ]


def test_a_handler_of_the_test_hears_all(caplog, tmp_path):
    """What hosts log reaches the handlers that the test has made, into its real file."""

    async def main():
        handler = logging.FileHandler(tmp_path / "all")
        LOGGER.addHandler(handler)
        world().add_host("one", log_and_wait, args=("one",))
        await asyncio.sleep(5)
        LOGGER.removeHandler(handler)
        handler.close()

    with caplog.at_level(logging.INFO):
        simloop.run(main())
    assert (tmp_path / "all").read_text().splitlines() == ["one begins", "one in a thread"]
    assert [each.getMessage() for each in caplog.records] == ["one begins", "one in a thread"]


def test_a_rotating_log_rotates_on_its_host():
    """RotatingFileHandler renames its files on the host's disk."""

    async def program():
        await asyncio.wait_for(log_and_wait("one", rotating), 20)

    def rotating(path):
        return logging.handlers.RotatingFileHandler(path, maxBytes=30, backupCount=2)

    async def main():
        host = world().add_host("one", program)
        await asyncio.sleep(15)
        return [lines(host, LOG.with_name(name)) for name in ("log", "log.1", "log.2")]

    assert simloop.run(main()) == [
        ["00:00:10 one goes on"],
        ["00:00:00 one in a thread"],
        ["00:00:00 one begins"],
    ]


def count_starts():
    """Count in a database how often it was started."""
    HERE.mkdir(exist_ok=True)
    with shelve.open(str(HERE / "shelf")) as shelf:  # noqa: S301 - its own
        shelf["starts"] = shelf.get("starts", 0) + 1
        return shelf["starts"]


def test_shelves_of_two_hosts_count_each_for_itself():
    """Shelve keeps what it wrote over restarts of the program, on each host."""

    async def main():
        one, other = world().add_host("one"), world().add_host("other")
        codes = [await one.start(count_starts).exited() for _ in range(3)]
        return [*codes, await other.start(count_starts).exited()]

    assert simloop.run(main()) == [1, 2, 3, 1]
    assert not HERE.exists()


def test_a_power_cut_breaks_dbm_dumb_as_it_may():
    """Over seeds a database that syncs nothing is whole, older, or broken; it never is another."""

    def use():
        HERE.mkdir(exist_ok=True)
        with dbm.dumb.open(str(HERE / "db"), "c") as db:
            db[b"key"] = b"v" * 5000

    def look():
        try:
            with dbm.dumb.open(str(HERE / "db"), "r") as db:
                found.append(db.get(b"key"))
        except OSError as error:
            found.append(type(error).__name__)

    async def main():
        host = world().add_host("one")
        await host.start(use).exited()
        host.crash()
        host.restart()
        await host.start(look).exited()

    found = []
    for seed in range(30):
        simloop.run(main(), seed=seed)
    kinds = {len(each) if isinstance(each, bytes) else each for each in found}
    assert kinds > {5000, "FileNotFoundError"}
    assert kinds <= {5000, 4096, 0, None, "FileNotFoundError"}


def test_aiofiles_on_a_host():
    """Aiofiles opens, writes and reads through its threads on the host's disk."""
    aiofiles = pytest.importorskip("aiofiles")
    aiofiles_os = pytest.importorskip("aiofiles.os")
    seen = []

    async def program():
        await aiofiles_os.makedirs(HERE, exist_ok=True)
        async with aiofiles.open(LOG, "a") as file:
            await file.write("line\n")
        async with aiofiles.open(LOG) as file:
            seen.append([line async for line in file])

    async def main():
        host = world().add_host("one")
        for _ in range(2):
            await host.start(program).exited()
        return lines(host)

    assert simloop.run(main()) == ["line", "line"]
    assert seen == [["line\n"], ["line\n"] * 2]
