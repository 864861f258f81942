"""The examples, each run by both engines, in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simloop import _speed

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = [each for each in sorted(EXAMPLES.glob("*.py")) if each.stem != "live_page"]
"""All but the one that goes with the real clock."""


def told(program, pure):
    """What the command says of a run: output, errors but for where they passed, digest, steps."""
    environment = {**os.environ, "SIMLOOP_PURE": pure, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "simloop", "run", program.name]
    done = subprocess.run(
        command, cwd=program.parent, env=environment, capture_output=True, text=True, check=False
    )
    said = re.sub(r"in \S+ s real", "", done.stderr).splitlines()
    return done.returncode, done.stdout, [line for line in said if not line.startswith("  ")]


@pytest.mark.slow
@pytest.mark.skipif(_speed.twins is None, reason="the accelerator is not built")
@pytest.mark.parametrize("program", PROGRAMS, ids=[each.stem for each in PROGRAMS])
def test_an_example_is_the_same_run(program):
    """Output, digest, steps and exit status are equal."""
    assert told(program, "1") == told(program, "")
