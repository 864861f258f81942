"""The command that compares many seeds of real programs; here a few seeds of each."""

from __future__ import annotations

import functools
import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def run(run_tool):
    """Run the tool."""
    return functools.partial(run_tool, "one_digest.py")


def test_every_program_is_one_run_a_seed(run, tmp_path):
    """README's example and a program for each library have one digest and one output a seed."""
    pytest.importorskip("aiohttp")
    journal = tmp_path / "runs.jsonl"
    done = run("--seeds", 1, "--journal", journal)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(records) == len(run("--list").stdout.splitlines()) > 20
    assert done.stdout.splitlines()[1].split()[-4:] == ["1", "4", "1", "0"]
    again = run("--seeds", 1, "--journal", journal)
    assert again.stdout == done.stdout
    assert not again.stderr  # Nothing was left to run.


def test_a_difference_is_told(run, tmp_path):
    """Runs that differ are shown, with the process of each, and the status says so."""
    journal = tmp_path / "runs.jsonl"
    runs = [[digest, "output", 1, 2, "None"] for digest in ("a", "a", "b", "a")]
    record = {"name": "tenacity", "seed": 0, "python": "3", "digest": "a", "differ": runs}
    journal.write_text(json.dumps(record) + "\n")
    done = run("--seeds", 1, "--journal", journal, "tenacity")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "tenacity seed 0"
    assert "    7 0 shuffled b output 1 2 None (pure)" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1].split() == ["tenacity", "1", "4", "1", "1"]
