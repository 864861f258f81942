"""``trace=`` of the mark: where traces of tests go, and what they tell."""

from __future__ import annotations

import json
import textwrap

import pytest

from simloop.show import read

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester, monkeypatch):
    """Return a function that writes a file of tests and runs pytest on it, in this process."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p simloop.testing.plugin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source, *args):
        head = "import asyncio\nimport unittest\nimport pytest\nimport simloop\n"
        pytester.makepyfile(test_suite=head + textwrap.dedent(source))
        return pytester.runpytest_inprocess(*args)

    return run


def test_a_test_is_traced_into_its_file(suite, pytester) -> None:
    """The file has its fixtures and its steps, its name, its seed and its error; the report too."""
    result = suite("""
    @pytest.fixture
    async def bell():
        bell = asyncio.Event()
        yield bell
        await asyncio.sleep(5)

    @pytest.mark.simloop(trace="traces/it.json", seed=3)
    async def test_it(bell):
        await asyncio.sleep(60)
        assert bell.is_set()
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*trace: simloop show traces/it.json"])
    picture = read(pytester.path / "traces/it.json")
    assert picture.about["program"] == "test_suite.py::test_it"
    assert picture.about["seed"] == 3
    assert picture.about["error"].startswith("AssertionError")
    assert picture.end_us == 65_000_000
    step = picture.steps[picture.failing_step]
    assert step.begin_us == 60_000_000


def test_each_test_has_a_file_in_a_folder(suite, pytester) -> None:
    """A folder, or True, takes one file for each test of a class; a nearer mark may say False."""
    suite("""
    @pytest.mark.simloop(trace="runs")
    class TestAll:
        @pytest.mark.parametrize("n", [1, 2])
        async def test_many(self, n):
            await asyncio.sleep(n)

        @pytest.mark.simloop(trace=False)
        async def test_none(self):
            await asyncio.sleep(1)

    @pytest.mark.simloop(trace=True)
    async def test_true():
        await asyncio.sleep(1)
    """).assert_outcomes(passed=4)
    names = sorted(path.name for path in (pytester.path / "runs").iterdir())
    assert names == [
        "test_suite.py-TestAll-test_many-1.json",
        "test_suite.py-TestAll-test_many-2.json",
    ]
    ends = [read(pytester.path / "runs" / name).end_us for name in names]
    assert ends == [1_000_000, 2_000_000]
    assert (pytester.path / ".simloop/traces/test_suite.py-test_true.json").exists()


def test_no_two_tests_share_a_file(suite, pytester) -> None:
    """One test of many cases or seeds has a file for each, also where a single one was named."""
    suite("""
    @pytest.mark.simloop(trace="runs")
    @pytest.mark.parametrize("way", ["a/b", "a-b", "a?b"])
    async def test_many(way):
        await asyncio.sleep(1)

    @pytest.mark.simloop(trace="one.json", seeds=[1, 2])
    async def test_seeds():
        await asyncio.sleep(1)
    """).assert_outcomes(passed=5)
    assert len(list((pytester.path / "runs").iterdir())) == 3
    assert sorted(path.name for path in pytester.path.glob("*.json")) == [
        "one-seed1.json",
        "one-seed2.json",
    ]


def test_the_found_schedule_of_an_explored_test_is_traced(suite, pytester) -> None:
    """Of all schedules the one that broke the test is traced, and so is its replay."""
    source = """
    @pytest.mark.simloop(explore=100, trace="found.json")
    async def test_late():
        async with asyncio.timeout(1):
            await asyncio.sleep(0.9)
    """
    result = suite(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*trace: simloop show found.json"])
    path = pytester.path / "found.json"
    first = json.loads(path.read_text())
    assert first["otherData"]["error"].startswith("TimeoutError")
    path.unlink()
    (line,) = [each for each in result.outlines if "--simloop-replay=" in each][:1]
    token = line.partition("--simloop-replay=")[2].split()[0]
    suite(source, f"--simloop-replay={token}").assert_outcomes(failed=1)
    assert json.loads(path.read_text())["traceEvents"] == first["traceEvents"]


def test_plain_tests_and_cases_are_traced_by_the_mode(suite, pytester) -> None:
    """What the mode lets run in a world is traced as a marked test is."""
    suite(
        """
    pytestmark = pytest.mark.simloop(trace="runs")

    def test_plain():
        asyncio.run(asyncio.sleep(60))

    class Case(unittest.IsolatedAsyncioTestCase):
        async def test_it(self):
            await asyncio.sleep(30)
    """,
        "-o",
        "simloop_mode=all",
    ).assert_outcomes(passed=2)
    ends = {path.name: read(path).end_us for path in (pytester.path / "runs").iterdir()}
    assert ends == {
        "test_suite.py-test_plain.json": 60_000_000,
        "test_suite.py-Case-test_it.json": 30_000_000,
    }


@pytest.mark.parametrize("value", ["7", "('a',)", "''", "1.5", "chr(0)"])
def test_what_names_no_file_is_refused(suite, value) -> None:
    """A value that is no path is told in one line, with what it takes."""
    result = suite(f"""
    @pytest.mark.simloop(trace={value})
    async def test_it():
        pass
    """)
    result.assert_outcomes(errors=1)
    told = repr(eval(value))  # noqa: S307 - those above
    assert f"got trace={told}; it takes the path of a file" in result.stdout.str()


def test_a_file_that_cannot_be_written_is_told(suite, pytester) -> None:
    """The test fails in one line that names the file."""
    (pytester.path / "file").write_text("")
    result = suite("""
    @pytest.mark.simloop(trace="file/it.json")
    async def test_it():
        pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the trace of test_suite.py::test_it can't be written to*"])
