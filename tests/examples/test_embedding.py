"""The examples of embedding print what is pinned beside them."""

from __future__ import annotations

import importlib.util
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import simloop.embed

EXAMPLES = Path(__file__).parents[2] / "examples"

NEEDS = {
    "simpy_factory.py": "simpy",
    "salabim_lock.py": "salabim",
    "live_page.py": "trio",
    "fmi_valve.py": "pythonfmu",
    "two_loops.py": "simloop",
    "gym_queue.py": "gymnasium",
    "mosaik_heating.py": "mosaik",
    "cocotb_mailbox/bench.py": "cocotb",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_an_example_prints_what_is_pinned(name, tmp_path) -> None:
    """Run as a script, in a folder of its own, it prints its `.out` file, without a warning."""
    if importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    if "cocotb" in name and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    script = EXAMPLES / name
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == script.with_suffix(".out").read_text()


def test_every_adapter_has_an_example() -> None:
    """Each module of simloop.embed is imported by one of the examples that are run here."""
    used = "".join((EXAMPLES / name).read_text() for name in NEEDS)
    adapters = [found.name for found in pkgutil.iter_modules(simloop.embed.__path__)]
    assert not [
        name
        for name in adapters
        if not name.startswith("_") and f"from simloop.embed.{name} import" not in used
    ]
