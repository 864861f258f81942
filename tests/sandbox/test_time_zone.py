"""Local time in a run is that of the run's zone, which is UTC unless it was told another one."""

# ruff: noqa: DTZ006, DTZ011, DTZ012 - the zone is what is asked for

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import logging
import os
import subprocess
import sys
import time
import zoneinfo
from contextlib import contextmanager

import pytest

import simloop

CENTRAL_EUROPE = "CET-1CEST,M3.5.0,M10.5.0/3"
"""A rule, which needs no rules of zones on the machine."""


async def tell():
    """Return all that tells local time."""
    record = logging.makeLogRecord({"msg": "told"})
    now = dt.datetime.now()  # noqa: DTZ005 - the zone is what is asked for
    return {
        "localtime": (*time.localtime(), time.localtime().tm_zone, time.localtime().tm_gmtoff),
        "of a time": (time.ctime(1e9), *time.localtime(1e9), time.mktime((2024, 7, 1, *[0] * 6))),
        "variables": (time.tzname, time.timezone, time.altzone, time.daylight),
        "formats": (
            time.strftime("%c %Z %z"),
            time.asctime(),
            email.utils.formatdate(localtime=True),
        ),
        "now": (now, now.astimezone(), now.timestamp(), repr(now.astimezone().tzinfo)),
        "dates": (dt.date.today(), dt.datetime.fromtimestamp(1e9), dt.date.fromtimestamp(1e9)),
        "log": logging.Formatter("%(asctime)s").format(record),
        "machine": zoneinfo.ZoneInfo.no_cache("localtime").utcoffset(now),
        "environment": os.environ["TZ"],
    }


@contextmanager
def process_in(zone):
    """Let the process be in a zone."""
    known = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
        assert os.environ["TZ"] == zone
        assert time.tzname == tuple(zone.split(",")[0].replace("-1", " ").split())
        assert time.localtime(1e9).tm_gmtoff == 7200
    finally:
        if known is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = known
        time.tzset()


def test_the_zone_is_utc_wherever_the_process_is():
    """What tells local time tells UTC, and the process has its own zone again."""
    told = simloop.run(tell())
    assert told["localtime"][-2:] == ("UTC", 0)
    assert told["variables"] == (("UTC", "UTC"), 0, 0, 0)
    with process_in(CENTRAL_EUROPE):
        assert simloop.run(tell()) == told


def test_a_run_may_have_another_zone():
    """The zone of a run is what it was told, by a name or by a rule."""

    async def main():
        now = dt.datetime.now().astimezone()
        return now.isoformat(), time.strftime("%Z"), os.environ["TZ"]

    july = dt.datetime(2024, 7, 1, tzinfo=dt.UTC)
    there = ("2024-07-01T02:00:00+02:00", "CEST")
    assert simloop.run(main(), tz=CENTRAL_EUROPE, start_date=july) == (*there, CENTRAL_EUROPE)
    assert simloop.run(main(), tz="Europe/Berlin", start_date=july) == (*there, "Europe/Berlin")
    assert simloop.run(main(), start_date=july)[1] == "UTC"
    world = simloop.World(tz="Europe/Berlin")
    assert simloop.run(tell(), world=world)["machine"] == dt.timedelta(hours=1)


def test_a_program_may_change_its_zone():
    """``TZ`` and ``tzset`` act as ever, for the rest of the run."""

    async def main():
        os.environ["TZ"] = CENTRAL_EUROPE
        time.tzset()
        await asyncio.sleep(1)
        changed = time.tzname
        del os.environ["TZ"]
        time.tzset()
        return changed, time.tzname

    before = os.environ.get("TZ"), time.tzname
    assert simloop.run(main()) == (("CET", "CEST"), ("UTC", "UTC"))
    assert simloop.run(tell())["variables"][0] == ("UTC", "UTC")
    assert (os.environ.get("TZ"), time.tzname) == before
    with process_in(CENTRAL_EUROPE):
        assert simloop.run(main()) == (("CET", "CEST"), ("UTC", "UTC"))


def test_a_world_keeps_its_zone_from_run_to_run():
    """What a program of a world has set, the next program of that world finds."""

    async def change():
        os.environ["TZ"] = CENTRAL_EUROPE
        time.tzset()

    world = simloop.World()
    simloop.run(change(), world=world)
    assert time.tzname == ("UTC", "UTC") or "TZ" in os.environ
    assert simloop.run(tell(), world=world)["variables"][0] == ("CET", "CEST")
    assert simloop.run(tell())["variables"][0] == ("UTC", "UTC")


def test_worlds_inside_of_worlds_have_their_own():
    """A run that another one drives has its zone, and the outer one has its own after that."""

    async def main():
        inner = simloop.SimLoop(world=simloop.World(tz=CENTRAL_EUROPE))
        try:
            task = inner.create_task(tell())
            inner.run_until_idle()
        finally:
            inner.close()
        return task.result()["variables"][0], time.tzname

    assert simloop.run(main()) == (("CET", "CEST"), ("UTC", "UTC"))


def test_modules_that_are_loaded_in_a_run_see_its_zone():
    """An import is apart from the run, in the same zone."""

    async def main():
        before = time.tzname
        import colorsys  # noqa: F401

        return before, time.tzname

    sys.modules.pop("colorsys", None)
    assert simloop.run(main(), tz=CENTRAL_EUROPE) == (("CET", "CEST"), ("CET", "CEST"))


@pytest.mark.slow
def test_the_command_takes_a_zone(tmp_path):
    """``--tz`` says in which zone the program is, also to the process that ``--check`` starts."""
    program = tmp_path / "program.py"
    program.write_text("import time\ndef main():\n    print(time.strftime('%H %Z'))\n")
    command = [sys.executable, "-m", "simloop", "run", str(program), "--check"]
    for zone, shown in ((), "00 UTC"), (("--tz", "Europe/Berlin"), "01 CET"):
        done = subprocess.run(
            [*command, *zone],
            env={**os.environ, "TZ": "Asia/Tokyo"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == shown + "\n"
