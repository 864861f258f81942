"""A suite of 2019 runs as it is, whoever runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "sample_of_2019"
LOOPS = pytest.mark.parametrize("loop", ["virtual", "stock"])


@pytest.mark.slow
@LOOPS
def test_it_passes_under_unittest(python, loop) -> None:
    """The runner of unittest finds eight tests, of which one is expected to fail."""
    command = ("-W", "error", "-m", "asynctest_compat", "--loop", loop, "suite_stock_client")
    done = python(*command, cwd=SAMPLE)
    assert "Ran 8 tests" in done.stderr, done.stderr
    assert "OK (expected failures=1)" in done.stderr


@pytest.mark.slow
@LOOPS
def test_it_passes_under_pytest(run_pytest, loop) -> None:
    """Eight tests in pytest, too."""
    arguments = ("-W", "error", "--asynctest-loop", loop, "suite_stock_client.py")
    done = run_pytest(*arguments, cwd=SAMPLE)
    assert "7 passed, 1 xfailed" in done.stdout, done.stdout + done.stderr


INSTALL = """
import sys, unittest
sys.path.insert(0, "")
import asynctest_compat
asynctest_compat.install()
unittest.main(module=None, argv=["suite", "suite_stock_client"])
"""


@pytest.mark.slow
def test_it_passes_after_install(python) -> None:
    """One line that runs first does for the plain runner of unittest."""
    done = python("-W", "error", "-c", INSTALL, cwd=SAMPLE)
    assert "OK (expected failures=1)" in done.stderr, done.stderr


def test_it_imports_asynctest_only() -> None:
    """Nothing in the suite knows this package: its imports are those of 2019."""
    texts = [path.read_text() for path in sorted(SAMPLE.glob("*.py"))]
    assert any("import asynctest\n" in text for text in texts)
    assert any("from asynctest.mock import" in text for text in texts)
    assert not any("asynctest_compat" in text or "simloop" in text for text in texts)
