"""The pytest plugin and the command: options, the removed names, and the fixture ``clock``."""

from __future__ import annotations

import pytest

COMMAND = ("-m", "asynctest_compat")


@pytest.mark.slow
def test_issue_109_the_clock_is_a_fixture_and_a_function(run_pytest) -> None:
    """Plain functions and coroutines of any framework move the clock without the class."""
    done = run_pytest("-W", "error", "-p", "simloop.testing.plugin", "suite_with_a_clock.py")
    assert "12 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_the_clock_works_under_pytest_asyncio(run_pytest, tmp_path) -> None:
    """A test of pytest-asyncio, on a stock loop, moves its clock by the fixture."""
    (tmp_path / "test_day.py").write_text(
        "import asyncio\n"
        "async def test_day(clock):\n"
        "    task = asyncio.create_task(asyncio.sleep(86400, 'a day'))\n"
        "    await clock.advance(86400)\n"
        "    assert task.result() == 'a day'\n"
        "async def test_real_time():\n"
        "    await asyncio.sleep(0.001)\n"
    )
    done = run_pytest("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto", cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        (
            *("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto"),
            *("-o", "asyncio_default_fixture_loop_scope=function"),
        ),
        ("-p", "simloop.testing.plugin", "-o", "simloop_mode=auto"),
    ],
    ids=["pytest-asyncio", "simloop"],
)
def test_mocks_and_patches_live_beside_fixtures(run_pytest, options) -> None:
    """Coroutine tests of either plugin take mocks of patches and fixtures, in this order."""
    done = run_pytest("-W", "error", *options, "suite_of_pytest.py")
    assert "10 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["virtual", "stock"])
def test_removed_names_come_back_under_pytest(run_pytest, loop) -> None:
    """A suite of 2014 passes with the option, on either loop."""
    arguments = ("--asynctest-removed-names", f"--asynctest-loop={loop}", "suite_of_2014.py")
    done = run_pytest(*arguments)
    assert "13 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_removed_names_come_back_under_unittest(python) -> None:
    """The command has the option too, also together with a name inside the suite."""
    done = python(*COMMAND, "--removed-names", "suite_of_2014")
    assert "Ran 13 tests" in done.stderr, done.stderr
    assert done.stderr.endswith("OK\n"), done.stderr
    done = python(*COMMAND, "--removed-names", "suite_of_2014.TestOldNames.test_loaders")
    assert "Ran 1 test " in done.stderr, done.stderr


@pytest.mark.slow
def test_removed_names_stay_away_by_default(run_pytest, python) -> None:
    """Without the option Python is left as it is, and the suite can't even be imported."""
    done = run_pytest("suite_of_2014.py")
    assert "has no attribute 'coroutine'" in done.stdout, done.stdout
    done = python(*COMMAND, "suite_of_2014")
    assert "has no attribute 'coroutine'" in done.stderr, done.stderr


SETTINGS = """
[pytest]
asynctest_loop = suite:my_loop
asynctest_removed_names = true
"""
SUITE = """
import asyncio, asynctest, simloop

def my_loop():
    return simloop.SimLoop(seed="of the suite")

class Test(asynctest.TestCase):
    async def test_it(self):
        assert self.loop.world.seed == "of the suite"
        assert asyncio.coroutine
"""


@pytest.mark.slow
def test_a_file_of_settings_chooses(run_pytest, tmp_path) -> None:
    """Both options can be set in pytest's ini file; the command line wins."""
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "suite.py").write_text(SUITE)
    done = run_pytest("suite.py", settings="pytest.ini", cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    done = run_pytest("suite.py", "--asynctest-loop=stock", settings="pytest.ini", cwd=tmp_path)
    assert "has no attribute 'world'" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_takes_a_factory(python, tmp_path) -> None:
    """--loop names a factory in a module of the suite."""
    (tmp_path / "suite.py").write_text(SUITE.replace("assert asyncio.coroutine", "pass"))
    done = python(*COMMAND, "--loop", "suite:my_loop", "suite", cwd=tmp_path)
    assert done.stderr.endswith("OK\n"), done.stderr


@pytest.mark.slow
def test_the_command_tells_its_options(python) -> None:
    """--help has those of this package and those of unittest."""
    done = python(*COMMAND, "--help")
    assert done.returncode == 0
    for option in ("--loop", "--removed-names", "--failfast"):
        assert option in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["nonsense", "suite:missing"])
def test_an_unknown_loop_is_refused(python, run_pytest, loop) -> None:
    """A loop that nobody knows ends the run before a test, with its name."""
    for done in (python(*COMMAND, "--loop", loop), run_pytest(f"--asynctest-loop={loop}")):
        assert done.returncode != 0
        assert repr(loop) in done.stdout + done.stderr
