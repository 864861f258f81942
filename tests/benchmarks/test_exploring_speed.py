"""The benchmark of schedules a second: its programs hold, and what is measured is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:  # The benchmarks are no part of what is installed.
    sys.path.append(str(ROOT))

import simloop  # noqa: E402 - as its subject is
from benchmarks import exploring  # noqa: E402 - found by the line above


@pytest.mark.parametrize("program", exploring.PROGRAMS)
def test_a_program_is_explored_to_the_end(program):
    """No program fails under any schedule, which would end a measurement early."""
    assert exploring.by_simloop(exploring.PROGRAMS[program], 30) == 30


def test_the_tiny_program_has_its_steps_and_is_swept_to_the_end():
    """The program that is swept has 63 steps, as the goals say, and each of its seeds is run."""

    async def main():
        await exploring.sleeps(exploring.Here())

    assert simloop.simulate(main).steps == 63
    assert exploring.sweep_by_simloop(exploring.sleeps, 20) == 20
    assert exploring.measure("simloop", exploring.SWEPT, 20) > 0
    with pytest.raises(RuntimeError, match="has no sweep"):
        exploring.measure("simloop-pypi", exploring.SWEPT, 20)


def test_a_schedule_is_told_by_a_run_of_the_same_program(capsys, monkeypatch):
    """Where the tiny program is asked for, its cost by one simulate of it is told."""
    monkeypatch.setattr(exploring, "measure_apart", lambda *_: 0.001)
    monkeypatch.setattr(exploring, "by_one_run", lambda *_: 0.75)
    exploring.main(["--only", "sleeps", "--rounds", "1"])
    assert capsys.readouterr().out.splitlines()[-1].endswith("one simulate of it: 0.75")


def test_a_program_that_fails_is_refused():
    """A search that ended early is no measurement."""

    async def failing(_here):
        raise LookupError

    with pytest.raises(RuntimeError, match="ended early"):
        exploring.by_simloop(failing, 5)


def test_the_least_of_the_rounds_is_told(tmp_path, capsys, monkeypatch):
    """The table and the file have the least cost of each tool, ours by the peer's, and dashes."""
    costs = {"simloop": iter([0.004, 0.002]), "detangle": iter([0.001, 0.003]), "simloom": None}
    for peer in ("detangle", "simloom"):
        (tmp_path / peer).mkdir()

    def measured(tool, *_):
        return None if costs[tool] is None else next(costs[tool])

    monkeypatch.setattr(exploring, "measure_apart", measured)
    path = tmp_path / "found.json"
    arguments = ["--peers", str(tmp_path), "--only", "orders", "--rounds", "2"]
    exploring.main([*arguments, "--json", str(path)])
    found = {"orders": {"simloop": 0.002, "detangle": 0.001, "simloom": None}}
    assert json.loads(path.read_text()) == found
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("orders"))
    assert line.split() == ["orders", "500", "1,000", "(0.50)", "-", "detangle"]
