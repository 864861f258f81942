"""The histories of Porcupine's test suite: clients of etcd, where they are on this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import simloop

FOLDER = Path("/work/shared/data/porcupine-etcd")
VERDICTS = FOLDER / "VERDICTS.txt"
LINE = re.compile(r"INFO\s+jepsen\.util - (\d+)\s+:(\w+)\s+:(\w+)\s+(.*)")
STATES = 2000
"""What the worst of them takes is about 1,300."""

pytestmark = pytest.mark.skipif(not VERDICTS.exists(), reason="the histories are not here")


def read(path):
    """Record what a log tells; a compare-and-set that fails is one that found something else."""
    history, going_on = simloop.History(), {}
    for line in path.read_text().splitlines():
        client, kind, op, told = LINE.match(line).groups()
        args = re.findall(r"\d+", told)
        match kind, op:
            case "invoke", _:
                going_on[client] = history.invoke(client, op, *args)
            case "info", _:
                going_on.pop(client).unknown()
            case "fail", "cas":
                going_on.pop(client).ok(False)
            case "fail", _:
                going_on.pop(client).failed()
            case "ok", "read":
                going_on.pop(client).ok(args[0] if args else None)
            case "ok", _:
                going_on.pop(client).ok(True)
    return history


def verdicts():
    """Give the name and the verdict of each."""
    lines = VERDICTS.read_text().splitlines() if VERDICTS.exists() else []
    return [line.split() for line in lines]


@pytest.mark.parametrize(("name", "verdict"), verdicts())
def test_a_history_of_etcd_is_judged_right(name, verdict):
    """The verdict is the known one, after few states, and the report names the last read or cas."""
    found = read(FOLDER / name).judge(simloop.Register())
    assert found.holds is (verdict == "true")
    assert found.states < STATES
    if not found.holds:
        assert str(found).startswith("not linearizable: ")
        assert "this can't be" in str(found)
