"""One program that uses every source of time and entropy, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import simloop

PROGRAM = Path(__file__).with_name("sources.py")


def output(seed, hash_seed):
    """Run the program in a new process and return what it printed."""
    done = subprocess.run(
        [sys.executable, PROGRAM, str(seed)],
        env={
            **os.environ,
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONPATH": str(Path(simloop.__file__).parents[1]),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    return done.stdout


@pytest.mark.slow
def test_processes_print_the_same():
    """The same seed prints the same text in every process, and another seed another text."""
    texts = [output(1, hash_seed) for hash_seed in range(10)]
    assert len(texts[0].splitlines()) > 30
    assert texts == [texts[0]] * 10
    other = output(2, 0)
    same_lines = [
        line
        for line, its in zip(texts[0].splitlines(), other.splitlines(), strict=True)
        if line == its
    ]
    assert all(line.startswith("time.") for line in same_lines)
