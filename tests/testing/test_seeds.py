"""Tests that run with many seeds: by the command line, and by their mark."""

from __future__ import annotations

import re

import pytest

pytest_plugins = ["pytester"]

SEEDS = """
import pytest, random

@pytest.mark.simloop
@pytest.mark.parametrize("letter", ["a", "b"])
async def test_drawn(letter, simloop_seed):
    assert random.random() < 0.9, simloop_seed

@pytest.mark.simloop(seed=3)
async def test_of_one_seed(simloop_seed):
    assert simloop_seed == 3

def test_plain(simloop_seed):
    pass

@pytest.mark.simloop
def test_from_outside(simloop_loop, simloop_seed):
    assert simloop_loop.world.seed == simloop_seed
"""


def test_each_test_runs_with_each_seed_of_a_range(suite) -> None:
    """One test a seed, with a name that replays; a mark that names a seed keeps that one."""
    result = suite(SEEDS, "--simloop-seeds=0-7,9,9")
    result.assert_outcomes(passed=25, failed=4)
    text = result.stdout.str()
    line = re.search(r"replay: pytest '(\S+)' (--simloop-seeds=\d+)", text)
    assert line is not None
    suite(SEEDS, line[1], line[2]).assert_outcomes(failed=1)
    assert "[seed9-a]" in suite(SEEDS, "--simloop-seeds=9", "--collect-only", "-q").stdout.str()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--simloop-seeds=9-1", "'9-1' ends before it begins"),
        ("--simloop-seeds=1,x", "'x' is no range of seeds; write 0-49, or 1,5,10-19"),
        ("--simloop-seeds=1 --simloop-seed=2", "give one of them"),
        ("--simloop-seeds=0-99999999", "makes more than 100,000 tests of each one"),
        ("--simloop-seeds=0-60000,70000-999999", "makes more than 100,000 tests of each one"),
    ],
)
def test_a_wrong_range_of_seeds_is_told(suite, line, message) -> None:
    """In one line, before anything runs."""
    result = suite(SEEDS, *line.split())
    assert message in result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR


SOME_FAIL = """
@pytest.mark.simloop
@pytest.mark.parametrize("to", ["a", "seed3"])
async def test_transfer(to):
    world = asyncio.get_running_loop().world
    assert world.seed not in (3, 5) or to == "a"

@pytest.mark.simloop
async def test_fine():
    pass
"""


def test_seeds_that_failed_are_told_together(suite) -> None:
    """How many of a test's seeds failed, and a line that repeats the first, by itself."""
    result = suite(SOME_FAIL, "--simloop-seeds=0-7")
    result.assert_outcomes(passed=22, failed=2)
    lines = result.stdout.lines
    told = next(number for number, line in enumerate(lines) if "= simloop: seeds =" in line)
    assert lines[told + 1].endswith("::test_transfer[seed3]: 2 of 8 seeds failed, the first with 3")
    line = re.fullmatch(r"  replay: pytest '(\S+)' (--simloop-seeds=3)", lines[told + 2])
    assert line is not None
    suite(SOME_FAIL, line[1], line[2]).assert_outcomes(failed=1)
    quiet = suite(SOME_FAIL, "--simloop-seeds=0-2")
    assert "simloop: seeds" not in quiet.stdout.str()


def test_seeds_that_failed_run_first_the_next_time(suite) -> None:
    """They are kept until they pass, also where others ran since, and tests are shuffled."""
    suite(SOME_FAIL, "--simloop-seeds=0-7")
    suite(SOME_FAIL, "--simloop-seeds=0-2").assert_outcomes(passed=9)
    again = suite(SOME_FAIL, "--simloop-seeds=0-7", "-x", "-p", "randomly")
    again.assert_outcomes(failed=1)
    mended = SOME_FAIL.replace("(3, 5)", "(5,)")
    suite(mended, "--simloop-seeds=0-7", "-x").assert_outcomes(passed=1, failed=1)
    suite(mended, "--simloop-seeds=0-7", "-x").assert_outcomes(failed=1)


@pytest.mark.parametrize("options", ["-p no:cacheprovider", "-p xdist -n2"])
def test_failing_seeds_are_told_by_any_runner(suite, options) -> None:
    """Where pytest keeps nothing, they are told all the same, and by workers of xdist, too."""
    result = suite(SOME_FAIL, "--simloop-seeds=0-7", *options.split())
    result.stdout.fnmatch_lines(
        ["*test_transfer[[]seed3[]]: 2 of 8 seeds failed, the first with 3"]
    )


MARKED = """
@pytest.mark.simloop(seeds=SEEDS)
async def test_transfer(simloop_seed):
    world = asyncio.get_running_loop().world
    assert world.seed == simloop_seed
    assert world.seed not in (3, "five")

@pytest.mark.simloop(seed=7)
class TestOfOne:
    async def test_seed(self, simloop_seed):
        assert simloop_seed == 7

    @pytest.mark.simloop(seeds=[1, 2])
    async def test_nearest(self, simloop_seed):
        assert asyncio.get_running_loop().world.seed == simloop_seed != 7
"""


@pytest.mark.parametrize(
    "seeds", ["range(1, 5)", "[1, 2, 3, 'five']", "'1-2,3,4'", "iter([1, 3, 3, 7, 8])"]
)
def test_a_mark_names_the_seeds_of_its_test(suite, seeds) -> None:
    """Each is a test of its own; failures are told together, and repeated without an option."""
    result = suite(MARKED.replace("SEEDS", seeds))
    failed = 1 + ("five" in seeds)
    result.assert_outcomes(passed=7 - failed, failed=failed)
    text = result.stdout.str()
    assert f"test_transfer: {failed} of 4 seeds failed, the first with 3" in text
    line = re.search(r"  replay: pytest '(\S+)'\n", text)
    assert line is not None
    suite(MARKED.replace("SEEDS", seeds), line[1]).assert_outcomes(failed=1)


def test_the_command_line_goes_before_the_seeds_of_a_mark(suite) -> None:
    """For a long night there are more seeds than for each commit."""
    result = suite(MARKED.replace("SEEDS", "range(9)"), "--simloop-seeds=10-11")
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("()", "got seeds=(); it takes seeds, from one to 100,000: range(50)"),
        ("3", "got seeds=3; it takes seeds"),
        ("[True]", "got seeds=[True]; it takes seeds"),
        ("range(10**9)", "got seeds=range(0, 1000000000); it takes seeds, from one to 100,000"),
        ("'1-x'", "test_transfer: seeds=1-x: '1-x' is no range of seeds; write 0-49"),
        ("[1], seed=2", "has seed= and seeds=: give one of them"),
    ],
)
def test_a_marks_wrong_seeds_are_told(suite, seeds, message) -> None:
    """At the test's name, before anything runs."""
    result = suite(MARKED.replace("SEEDS", seeds))
    assert message in result.stdout.str() + result.stderr.str()
    result.stdout.no_fnmatch_line("*plugin.py:*")  # The message says it all.
    assert result.ret == pytest.ExitCode.INTERRUPTED
