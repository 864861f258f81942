"""What tests of the front doors share: a thread whose current loop is settled, a small suite."""

from __future__ import annotations

import asyncio
import textwrap

import pytest

HEAD = """
import asyncio, random, time
import pytest
"""


@pytest.fixture(autouse=True)
def no_current_loop() -> None:
    """Say that this thread has no loop.

    Until somebody says so, Python before 3.14 makes one for whoever asks, as pytest-asyncio does
    when it runs in this process, and nobody closes it.
    """
    asyncio.set_event_loop(None)


@pytest.fixture
def suite(pytester, monkeypatch):
    """Return a function that writes a file of tests and runs pytest on it, in this process."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p simloop.testing.plugin")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)  # pytest shortens its summary elsewhere.

    def run(source, *args):
        pytester.makepyfile(test_suite=HEAD + textwrap.dedent(source))
        return pytester.runpytest_inprocess(*args)

    return run
