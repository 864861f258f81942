"""The example: a day under the command, twice, in processes with different string hashes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
DAY = EXAMPLES / "day_in_the_life.py"

# What happens in the day whatever the seed; lines of one moment are in order of their text.
STORY = """\
06:00:00  hub      open
13:00:00  hub      maintenance begins: 503 to everybody
13:05:02  watch    bench is silent
13:05:02  watch    door is silent
13:05:02  watch    roof is silent
13:30:00  hub      power off: connections are refused
13:59:00  hub      power on
14:00:00  watch    bench is back
14:00:00  watch    door is back
14:00:00  watch    roof is back
00:00:00  report   the day that ends
06:00:00  hub      closed
""".splitlines()


@pytest.fixture(scope="module")
def days():
    """Two runs of the example, side by side."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "simloop", "run", str(DAY)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    return [(*each.communicate(timeout=300), each.returncode) for each in started]


@pytest.mark.slow
def test_the_day_ends_well(days):
    """The example's own bookkeeping holds, and the command says that a day has passed."""
    for _, err, status in days:
        assert status == 0, err
        assert re.fullmatch(r"simloop: 1 day 0:00:00 virtual in .* digest [0-9a-f]{32}\n", err)


@pytest.mark.slow
def test_the_day_is_the_same_in_every_process(days):
    """Report and digest do not depend on the process or on PYTHONHASHSEED."""
    (first_out, first_err, _), (second_out, second_err, _) = days
    assert first_out == second_out
    assert first_err.split()[-1] == second_err.split()[-1]


@pytest.mark.slow
def test_the_report_tells_the_story(days):
    """The printed day has the outage in it, the sensors that went silent, and no loss."""
    out = days[0][0]
    told = [line for line in out.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    moments = list(dict.fromkeys(line[:8] for line in told[1:-1]))
    story = [told[0]]
    for moment in moments:
        story += sorted(line for line in told[1:-1] if line.startswith(moment))
    assert [*story, told[-1]] == STORY
    assert out.endswith("\n1440 readings measured, 1440 stored, none lost, none twice.\n")
    rows = re.findall(r"^\d\d:00 (.*)$", out, re.MULTILINE)
    assert len(rows) == 24


def test_the_example_knows_nothing_of_simloop():
    """The example is a program as anyone would write it: no import of ours."""
    source = DAY.read_text()
    assert not re.search(r"^\s*(?:import|from) (?:simloop|asynctest_compat)", source, re.MULTILINE)
