"""One program that uses every source of time and entropy, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("sources.py")


@pytest.mark.slow
def test_ten_processes_print_the_same(processes):
    """The same seed prints the same text in ten processes with ten hash seeds, another another."""
    texts = processes(PROGRAM, "1", hash_seeds=range(10))
    assert texts == texts[:1] * 10
    (other,) = processes(PROGRAM, "2", hash_seeds=[0])
    lines = list(zip(texts[0].splitlines(), other.splitlines(), strict=True))
    assert len(lines) > 60
    same = [line for line, its in lines if line == its]
    named = ("time", "tasks", "done", "weak", "collected")
    assert all(line.startswith(named) for line in same)
    assert all(line == its for line, its in lines if line.startswith("tasks"))
    assert any(line.startswith("collected") and not line.endswith(" 0") for line, _ in lines)
