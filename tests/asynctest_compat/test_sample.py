"""A suite of 2019 runs as it is, whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "sample_of_2019"
UNITTEST = ("-m", "asynctest_compat")
PYTEST = (
    *("-m", "pytest", "-q", "-p", "asynctest_compat.as_asynctest", "-p", "no:cacheprovider"),
    *("-c", "/dev/null", "--rootdir", "."),
)


def run(*arguments):
    """Run the interpreter in the suite's folder."""
    return subprocess.run(
        [sys.executable, "-B", "-W", "error", *arguments],
        cwd=SAMPLE,
        # The plugins of this suite's own run are not the sample's.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["virtual", "stock"])
def test_it_passes_under_unittest(loop) -> None:
    """The runner of unittest finds eight tests, of which one is expected to fail."""
    done = run(*UNITTEST, "--loop", loop, "suite_stock_client")
    assert "Ran 8 tests" in done.stderr, done.stderr
    assert "OK (expected failures=1)" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["virtual", "stock"])
def test_it_passes_under_pytest(loop) -> None:
    """Eight tests in pytest, too."""
    done = run(*PYTEST, "--asynctest-loop", loop, "suite_stock_client.py")
    assert "7 passed, 1 xfailed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [(*UNITTEST, "--loop", "nonsense"), (*PYTEST, "--asynctest-loop=x")]
)
def test_an_unknown_loop_is_refused(way) -> None:
    """A loop that nobody knows ends the run before a test, with the choices."""
    done = run(*way)
    assert done.returncode != 0
    assert "give 'virtual', 'stock', a factory or 'module:factory'" in done.stdout + done.stderr
