"""What a test in virtual time costs over a plain test function.

    python benchmarks/testing.py [--tiny]

Runs pytest on a file of a thousand tests, once as plain functions and once in each way of running
async ones in virtual time, where each sleeps for an hour. A plugin in pytest takes the time of each
test, with its set-up and its end, but for the first, which imports. The ways take turns, so that a
slow moment of the machine meets all of them; what is printed are medians over the rounds, and over
a plain function the medians of the differences within a round.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from simloop._sandbox.time import real_clock

HEAD = """
import asyncio, pytest
from simloop.testing import SimTestCase, virtual_time
NUMBERS = pytest.mark.parametrize("n", range({count}))
"""

PLAIN = "plain function"
WAYS = {
    PLAIN: """
@NUMBERS
def test(n): pass
""",
    "pytest.mark.simloop": """
@pytest.mark.simloop
@NUMBERS
async def test(n): await asyncio.sleep(3600)
""",
    "virtual_time": """
@NUMBERS
@virtual_time
async def test(n): await asyncio.sleep(3600)
""",
    "SimTestCase": """
async def sleep(self): await asyncio.sleep(3600)
TestCase = type("TestCase", (SimTestCase,), {{f"test_{{n}}": sleep for n in range({count})}})
""",
    "pytest_asyncio": """
@pytest.mark.asyncio
@NUMBERS
async def test(n): await asyncio.sleep(3600)
""",
    "anyio": """
@pytest.fixture
def anyio_backend(): return "asyncio", {{"loop_factory": simloop.SimLoop}}
@pytest.mark.anyio
@NUMBERS
async def test(n): await asyncio.sleep(3600)
""",
}
PLUGINS = {"pytest_asyncio": "pytest_asyncio.plugin", "anyio": "anyio.pytest_plugin"}

CONFTEST = """
import pathlib, time
import pytest, simloop

took_s = []

def pytest_asyncio_loop_factories(config, item):
    return {"simloop": simloop.SimLoop}

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    began_s = time.perf_counter()
    result = yield
    took_s.append(time.perf_counter() - began_s)
    return result

def pytest_sessionfinish():
    pathlib.Path("took.txt").write_text(str(sum(took_s[1:]) / len(took_s[1:])))
"""


def run(way: str, count: int, folder: Path) -> tuple[float, float]:
    """Run one way; return the seconds that one test takes, and those of all of pytest."""
    source = (HEAD + "import simloop\n" + WAYS[way]).format(count=count)
    (folder / "test_it.py").write_text(source)
    conftest = CONFTEST
    plugins = ["-p", "simloop.testing.plugin"]
    if way in PLUGINS:
        plugins += ["-p", PLUGINS[way]]
    if way != "pytest_asyncio":  # Its hook is known to it alone.
        conftest = conftest.replace("pytest_asyncio_loop_factories", "unused")
    (folder / "conftest.py").write_text(conftest)
    # Nothing of what the caller has set for its own run of pytest, as CI does, belongs here.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    began_s = real_clock.perf_counter()
    subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, "test_it.py"],
        cwd=folder,
        env={**inherited, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return float((folder / "took.txt").read_text()), real_clock.perf_counter() - began_s


def main() -> None:
    """Print a line per way."""
    is_tiny = "--tiny" in sys.argv
    count, rounds = (10, 1) if is_tiny else (1000, 5)
    ways = [way for way in WAYS if way not in PLUGINS or importlib.util.find_spec(way)]
    took: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for way in ways if number % 2 == 0 else reversed(ways):
                took[way].append(run(way, count, Path(folder)))
    plain_s = [test_s for test_s, _ in took[PLAIN]]
    for way, pairs in took.items():
        test_us = median(test_s for test_s, _ in pairs) * 1e6
        line = f"{way:20} {test_us:7.0f} us per test"
        if way != PLAIN:
            over_s = [test_s - plain for (test_s, _), plain in zip(pairs, plain_s, strict=True)]
            line += f", {median(over_s) * 1e6:7.0f} over a plain one"
            line += f"; {count} hours in {median(all_s for _, all_s in pairs):.1f} s"
        print(line)


if __name__ == "__main__":
    main()
