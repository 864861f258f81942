"""Programs on real libraries are the same run in every process, whatever its hash seed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from .programs import NEEDS

PROGRAMS = Path(__file__).with_name("programs.py")


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_three_processes_run_the_same(name, processes):
    """Three processes with three hash seeds print one digest; another seed is another run."""
    for module in NEEDS[name]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    texts = processes(PROGRAMS, name)
    assert re.search(r"^[0-9a-f]{32} [\d.]+ \d+$", texts[0], re.MULTILINE)
    assert texts == texts[:1] * 3
    (other,) = processes(PROGRAMS, name, "1", hash_seeds=(1,))
    assert other != texts[0]
