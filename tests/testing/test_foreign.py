"""The replay line of tests that other plugins run on our loop: pytest-asyncio, anyio, unittest."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
import unittest
from importlib import metadata

import pytest

import simloop
from simloop._presence import loops_alone
from simloop.testing import SimTestCase

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester, monkeypatch):
    """Return a function that writes files and runs pytest on them, in this process."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p simloop.testing.plugin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source, *args, conftest=""):
        head = "import asyncio, random, unittest\nimport pytest\nimport simloop\n"
        pytester.makepyfile(test_suite=head + textwrap.dedent(source))
        pytester.makeconftest(textwrap.dedent(conftest))
        return pytester.runpytest_inprocess(*args)

    return run


HOOK = """
import simloop

def pytest_asyncio_loop_factories(config, item):
    return {"simloop": simloop.SimLoop}
"""
WITH_ASYNCIO = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")
ANYIO = """
@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": simloop.SimLoop}
"""
FAILS = """
async def test_it():
    await asyncio.sleep(60)
    assert random.random() < 0
"""


def replay_of(result):
    """The line that replays, as words without the command itself, and the number that differs."""
    text = result.stdout.str()
    (line,) = re.findall(r"(?m)^replay: pytest (.*)$", text)
    return shlex.split(line), re.search(r"assert (0\.\d+) < 0", text)[1], text


@pytest.mark.parametrize("seed", [None, "7", "eight"])
def test_a_failure_under_pytest_asyncios_hook_replays(suite, seed) -> None:
    """It tells seed and time; with a seed of the command line the loop has it, and so the line."""
    given = [] if seed is None else [f"--simloop-seed={seed}"]
    source = f"@pytest.mark.asyncio{FAILS}"
    words, drawn, text = replay_of(suite(source, *WITH_ASYNCIO, *given, conftest=HOOK))
    assert words == ["test_suite.py::test_it", *given]
    wanted = 0 if seed is None else int(seed) if seed.isdecimal() else seed
    assert f"seed {wanted!r}, virtual time 60.0 s, " in text
    again = replay_of(suite(source, *WITH_ASYNCIO, *words, conftest=HOOK))
    assert again[1] == drawn


def test_a_loop_of_a_wider_scope_is_told(suite) -> None:
    """A test on the loop of its module is told by that one's world, also if it is not the first."""
    source = """
    on_module = pytest.mark.asyncio(loop_scope="module")

    @on_module
    async def test_first():
        await asyncio.sleep(5)

    @on_module
    async def test_it():
        await asyncio.sleep(60)
        assert random.random() < 0

    def test_plain():
        assert not "on a loop"
    """
    result = suite(source, *WITH_ASYNCIO, conftest=HOOK)
    result.assert_outcomes(passed=1, failed=2)
    words, _, text = replay_of(result)
    assert words == ["test_suite.py::test_it"]
    assert "seed 0, virtual time 65.0 s, " in text


@pytest.mark.skipif(
    tuple(map(int, metadata.version("anyio").split(".")[:2])) < (4, 12), reason="an older anyio"
)
def test_a_failure_under_anyio_replays(suite) -> None:
    """So does one under anyio's plugin, with the seed of the command line."""
    source = f"{ANYIO}\n@pytest.mark.anyio{FAILS}"
    words, drawn, _ = replay_of(suite(source, "-p", "anyio", "--simloop-seed=5"))
    assert words[1:] == ["--simloop-seed=5"]
    assert replay_of(suite(source, "-p", "anyio", *words))[1] == drawn
    other = suite(source, "-p", "anyio", "--simloop-seed=6")
    assert replay_of(other)[1] != drawn


@pytest.mark.skipif(sys.version_info < (3, 13), reason="cases have a loop_factory from 3.13 on")
def test_a_failure_of_a_case_with_our_factory_replays(suite) -> None:
    """A case of unittest whose ``loop_factory`` is ours has the line under pytest."""
    source = """
    class Case(unittest.IsolatedAsyncioTestCase):
        loop_factory = simloop.SimLoop

        async def test_it(self):
            assert random.random() < 0
    """
    words, drawn, text = replay_of(suite(source, "--simloop-seed=5"))
    assert words == ["test_suite.py::Case::test_it", "--simloop-seed=5"]
    assert "seed 5" in text
    assert replay_of(suite(source, *words))[1] == drawn


def test_a_seed_of_the_code_stays(suite) -> None:
    """A factory that names a seed keeps it, and the line has none."""
    hook = HOOK.replace("simloop.SimLoop}", "lambda: simloop.SimLoop(seed=3)}")
    source = f"@pytest.mark.asyncio{FAILS}"
    words, _, text = replay_of(suite(source, *WITH_ASYNCIO, "--simloop-seed=5", conftest=hook))
    assert "seed 3, " in text
    assert words == ["test_suite.py::test_it"]


def test_nothing_is_left_behind(suite) -> None:
    """After a pytest in this process what was said of loops before is said again."""
    before = loops_alone.seed, loops_alone.made
    suite("def test_it(): pass", "--simloop-seed=5").assert_outcomes(passed=1)
    assert (loops_alone.seed, loops_alone.made) == before
    loop = simloop.SimLoop()
    assert loop.world.seed == (0 if before[0] is None else before[0])
    loop.close()


def test_a_case_of_ours_tells_its_line() -> None:
    """The note of a failure under unittest has the line that runs the test again."""

    class Case(SimTestCase):
        seed = 7

        async def test_it(self):
            self.fail("as it should")

    result = unittest.TestResult()
    Case("test_it").run(result)
    ((_, text),) = result.failures
    assert "simloop: seed 7, virtual time 0.0 s, " in text
    assert f"replay: python -m unittest {__name__}.{Case.__qualname__}.test_it" in text


@pytest.mark.parametrize("mode", ["auto", "all"])
def test_a_case_that_runs_coroutines_itself_has_a_world(suite, mode) -> None:
    """Coroutine functions of a case that is no async one of unittest, as Django's, are virtual."""
    source = """
    import time

    class SelfRunning(unittest.TestCase):
        def _callTestMethod(self, method):
            asyncio.run(method())

    class Case(SelfRunning):
        async def test_hour(self):
            began = time.monotonic()
            await asyncio.sleep(3600)
            self.assertEqual(time.monotonic() - began, 3600)
    """
    suite(source, "-o", f"simloop_mode={mode}").assert_outcomes(passed=1)


@pytest.mark.slow
def test_the_line_of_a_script_runs_it(tmp_path) -> None:
    """In a script, which ``-m unittest`` may not find, it names the script, and fails the same."""
    source = """
    import random, unittest
    from simloop.testing import SimTestCase

    class Case(SimTestCase):
        async def test_it(self):
            self.assertLess(random.random(), 0)

        async def test_other(self):
            pass

    if __name__ == "__main__":
        unittest.main()
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(source))
    line, said = ["python", "script.py"], []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, *line[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        said.append(re.search(r"AssertionError: (.*)", done.stderr)[1])
        line = shlex.split(re.search(r"replay: (.*)", done.stderr)[1])
        assert line == ["python", "script.py", "Case.test_it"]
    assert said[0] == said[1]
    assert "Ran 1 test" in done.stderr
