"""The whole folder again, where the kernel itself forbids what a world has no need of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .sealed import NO_FILTERS, SEALED

FOLDER = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.skipif(SEALED in os.environ, reason="this is the process that is sealed")
def test_no_library_makes_a_system_call_for_a_socket_a_pipe_a_process_or_a_timer():
    """Every test here passes in a process that would be ended by the first such call."""
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-q", "-p", "no:randomly"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "--capture=sys", str(FOLDER)]
    # Not measured: a second pytest-cov here would take away the data of the one that runs us.
    inherited = {name: os.environ[name] for name in os.environ if "COVERAGE_PROCESS" not in name}
    done = subprocess.run(
        command,
        cwd=FOLDER.parents[1],
        env={**inherited, "PYTEST_ADDOPTS": "", SEALED: "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if NO_FILTERS in done.stdout:
        pytest.skip(NO_FILTERS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout, done.stdout
