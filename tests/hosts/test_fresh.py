"""Module state of processes: shared, or their own where ``fresh`` names the package."""

from __future__ import annotations

import asyncio
import sys

import pytest

import simloop

from .test_add_host import world


@pytest.fixture(autouse=True)
def _as_before(programs):
    yield
    assert sys.modules[programs.__name__] is programs


def counted(programs, **options):
    """Start, restart and start elsewhere a program that counts in its module; return the counts."""

    async def main():
        world().add_host("a", programs.count_and_wait, **options)
        await asyncio.sleep(1)
        world().hosts["a"].restart()
        world().add_host("b", f"{programs.__name__}:count_and_wait", **options)
        await asyncio.sleep(1)

    simloop.run(main())
    return programs.COUNT


def test_modules_are_shared(programs):
    """Without ``fresh`` the globals of a module are one for all processes, and the test."""
    assert counted(programs) == 3
    assert [count for _, count in programs.SEEN] == [1, 2, 3]


def test_fresh_modules_are_made_anew_at_each_start(programs):
    """A package that ``fresh`` names has its own globals in each process, from each start on."""
    assert counted(programs, fresh=(programs.__name__,)) == 0
    assert programs.SEEN == []


def test_a_fresh_module_stays_the_process_s_own(programs):
    """What a process imports later is its own copy, and keeps its state from step to step."""
    seen = []
    name = programs.__name__

    async def program(expected):
        for _ in range(3):
            own = __import__(name, fromlist=["COUNT"])
            own.COUNT += expected
            await asyncio.sleep(1)
        seen.append((expected, own.COUNT, own is programs))

    async def main():
        for number, host in enumerate("ab", 1):
            world().add_host(host, program, args=(number,), fresh=(name,))
        await asyncio.sleep(5)
        return programs.COUNT

    assert simloop.run(main()) == 0
    assert seen == [(1, 3, False), (2, 6, False)]


def test_a_package_is_fresh_with_its_modules():
    """``fresh`` takes a package with all that is in it, also of the standard library."""
    seen = []

    async def program():
        import json
        import json.decoder

        seen.append((json, json.decoder, json.loads("[1]")))

    async def main():
        process = world().add_host("a", fresh=("json",)).start(program)
        await process.exited()

    import json

    simloop.run(main())
    ((own, decoder, value),) = seen
    assert own is not json
    assert decoder is own.decoder
    assert decoder is not json.decoder
    assert value == [1]
    assert sys.modules["json"] is json


def test_what_a_fresh_module_draws_at_its_import_is_its_process_s(tmp_path, monkeypatch):
    """Its identifiers and times are another process's at each start, and the same in each run."""
    # An identifier of the instance and the time of its start are the usual globals of a server.
    source = "import random, time, uuid\nOWN = time.time(), uuid.uuid4().hex, random.random()\n"
    (tmp_path / "instance_of.py").write_text(source + "def main(seen):\n    seen.append(OWN)\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def main():
        seen = []
        host = world().add_host("a", "instance_of:main", args=(seen,), fresh=("instance_of",))
        await asyncio.sleep(100)
        host.restart()
        world().add_host("b", "instance_of:main", args=(seen,), fresh=("instance_of",), skew=5)
        await asyncio.sleep(1)
        return seen

    seen = simloop.run(main())
    sys.modules.pop("instance_of", None)
    assert [moment - seen[0][0] for moment, *_ in seen] == [0, 100, 105]
    assert len(dict.fromkeys(own[1:] for own in seen)) == 3
    assert simloop.run(main()) == seen
    sys.modules.pop("instance_of", None)
