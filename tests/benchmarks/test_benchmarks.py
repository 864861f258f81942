"""The benchmarks do not rot: each workload runs, and what is measured is told as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:  # The benchmarks are no part of what is installed.
    sys.path.append(str(ROOT))

from benchmarks import measuring  # noqa: E402 - found by the line above
from benchmarks.__main__ import main  # noqa: E402 - the same
from benchmarks.contenders import BARE, SUBJECT, available  # noqa: E402 - the same
from benchmarks.goals import judge  # noqa: E402 - the same
from benchmarks.instructions import count_of, is_available  # noqa: E402 - the same
from benchmarks.measuring import Row, geometric_means, measure  # noqa: E402 - the same
from benchmarks.report import cost  # noqa: E402 - the same
from benchmarks.workloads import WORKLOADS  # noqa: E402 - the same

CONTENDERS = available((SUBJECT, "asyncio"))


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_workload_runs(workload):
    """Each workload does a few units on simloop and, where it can, on the real loop."""
    able = [contender.name for contender in CONTENDERS if contender.can(workload.needs)]
    row = measure(workload, CONTENDERS, tiny=True)
    assert SUBJECT in able
    assert [name for name in row.costs if name != BARE] == able
    assert row.count == workload.tiny


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_workload_says_what_a_unit_is(workload):
    """Tables and documentation say of every number what it is the number of."""
    assert workload.unit.startswith("one ")
    assert workload.count >= workload.tiny >= 1


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    """One command prints the table and writes the same ratios as JSON."""
    path = tmp_path / "found.json"
    main(["--tiny", "--only", "call_soon", "--peers", "asyncio", "--json", str(path)])
    printed = capsys.readouterr().out
    found = json.loads(path.read_text())
    assert [row["workload"] for row in found["rows"]] == ["call_soon_chain", "call_soon_burst"]
    for row in found["rows"]:
        (line,) = (line for line in printed.splitlines() if line.startswith(row["workload"]))
        assert f"{row['ratios']['asyncio']:.2f}" in line
    assert found["date"] in printed
    assert found["python"] in printed
    assert "asyncio" in found["geometric_means"]


needs_valgrind = pytest.mark.skipif(not is_available(), reason="valgrind is not installed")


@needs_valgrind
@pytest.mark.slow
def test_instructions_are_the_same_each_time():
    """What is counted is the work alone: twice as many units cost twice as much, each time."""
    first, again = (count_of("call_soon_burst", BARE, 40_000) for _ in range(2))
    twice = count_of("call_soon_burst", BARE, 80_000)
    assert first == again
    assert first == pytest.approx(twice, rel=0.1)
    assert 100 < first < 5_000


@needs_valgrind
@pytest.mark.slow
def test_instructions_stand_beside_time(tmp_path, capsys, monkeypatch):
    """The command prints both ratios, and writes the counts; imports are processes of their own."""
    # What is counted is another test's: here a count of each contender would take a minute.
    counts = {SUBJECT: 100.0, "asyncio": 250.0, BARE: 50.0}
    monkeypatch.setattr(
        measuring,
        "count_of",
        lambda workload, name, *_, **__: counts[name] if workload != "importing_engine" else None,
    )
    path = tmp_path / "found.json"
    only = "call_soon_burst,importing_engine"
    main(["--tiny", "--instructions", "--only", only, "--peers", "asyncio", "--json", str(path)])
    burst, importing = json.loads(path.read_text())["rows"]
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("call_soon_burst"))
    assert f"{burst['ratios']['asyncio']:.2f} ({burst['counted_ratios']['asyncio']:.2f})" in line
    assert burst["instructions"] == counts
    assert burst["counted_ratios"] == {"asyncio": 2.5, BARE: 0.5}
    assert importing["instructions"] == {}


def test_a_count_that_fails_tells_why():
    """The error of the process that was counted is in the error."""
    if not is_available():
        pytest.skip("valgrind is not installed")
    with pytest.raises(RuntimeError, match="KeyError: 'no such workload'"):
        count_of("no such workload", SUBJECT, 1)


def test_counting_needs_valgrind(monkeypatch, capsys):
    """Where it is not installed, the command says so at once."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit):
        main(["--instructions"])
    assert "valgrind, which is not installed here" in capsys.readouterr().err


def test_the_workloads_are_listed(capsys):
    """Whoever wants one workload is told the names."""
    main(["--list", "--peers", "asyncio"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(WORKLOADS)


def test_a_picture_is_drawn(tmp_path, capsys):
    """The picture for the documentation names every workload, and is the same every time."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "ratios.svg"
    main(["--tiny", "--only", "sleep_zero", "--peers", "asyncio", "--svg", str(path)])
    assert "sleep_zero" in path.read_text()
    assert capsys.readouterr().out


def test_growth_is_measured(tmp_path, capsys):
    """The table of growth has a line for every kind and size, with time and weight."""
    path = tmp_path / "growth.json"
    main(["--growth", "--tiny", "--json", str(path)])
    lines = json.loads(path.read_text())["growth"]
    assert {line["kind"]: line["number"] for line in lines} == {
        "timers": 20,
        "timers cancelled": 20,
        "tasks": 20,
        "connections": 20,
    }
    assert capsys.readouterr().out.count("\n") == len(lines) + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sealing", "testing"])
def test_a_smaller_command_runs(name):
    """The commands beside the large one run, too."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--tiny"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def row_of(name, **ratios):
    workload = WORKLOADS[name]
    return Row(workload, 1, {}, {peer: [ratio] for peer, ratio in ratios.items()})


def test_goals_of_instructions_name_the_rows_that_miss():
    """Rows of turns have a goal of their own, and each counts for the mean."""
    rows = [
        Row(WORKLOADS[name], 1, {}, {}, {SUBJECT: 10.0, "uvloop": theirs})
        for name, theirs in (("sleep_zero", 5.0), ("tcp_echo_1", 45.0))
    ]
    told = {goal.text: goal.is_met for goal in judge(rows)}
    assert {text: is_met for text, is_met in told.items() if "instructions" in text} == {
        "instructions: at least 0.6 of uvloop, every row of turns (sleep_zero 0.50)": False,
        "instructions: a geometric mean of at least 1 against uvloop (1.50)": True,
    }


def test_goals_name_the_rows_that_miss():
    """A goal that is missed tells where, and one that is met how near it is."""
    rows = [
        row_of("sleep_zero", asyncio=0.9, uvloop=2.0),
        row_of("loop_life", asyncio=3.0, uvloop=12.0),
        row_of("memory_timer", asyncio=0.5),
    ]
    told = {goal.text: goal.is_met for goal in judge(rows)}
    assert told == {
        "at least 1 against asyncio, every row (sleep_zero 0.90)": False,
        "at least 0.5 against uvloop, every row (lowest: sleep_zero 2.00)": True,
        "at least 10 against uvloop, loop_life (lowest: loop_life 12.00)": True,
        "a geometric mean of at least 1.5 against uvloop (4.90)": True,
    }


def test_means_are_of_time_only():
    """The mean is geometric, over rows of time; bytes are no speed."""
    rows = [row_of("sleep_zero", uvloop=2.0), row_of("memory_timer", uvloop=100.0)]
    assert geometric_means([*rows, row_of("loop_life", uvloop=8.0)]) == {"uvloop": pytest.approx(4)}


@pytest.mark.parametrize(
    ("value", "quantity", "told"),
    [
        (0.25e-6, "seconds", "250 ns"),
        (2.5e-6, "seconds", "2.5 us"),
        (0.0042, "seconds", "4.2 ms"),
        (2, "seconds", "2 s"),
        (5400.4, "bytes", "5,400 B"),
    ],
)
def test_costs_are_told_in_their_size(value, quantity, told):
    """A cost is told in the unit in which it has few digits."""
    assert cost(value, quantity) == told


def test_a_peer_that_is_named_must_be_there():
    """Peers that are not installed are left out, unless they were asked for."""
    with pytest.raises(KeyError):
        available(("nosuchloop",))
    assert available()[0].name == SUBJECT
