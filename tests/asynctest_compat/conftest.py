"""What the tests of asynctest_compat share: running a test class, and the two kinds of loops."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asynctest_compat as asynctest
import simloop

# Suites that the tests run in processes of their own: one of them is there to fail.
collect_ignore_glob = ["suites/*"]

SUITES = Path(__file__).parent / "suites"


@pytest.fixture
def run_case():
    """Run all tests of a test class, or those named, by unittest's own runner."""

    def run(case_class, *names):
        if names:
            suite = asynctest.TestSuite(case_class(name) for name in names)
        else:
            suite = asynctest.TestLoader().loadTestsFromTestCase(case_class)
        return asynctest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)

    return run


@pytest.fixture(params=[None, asyncio.SelectorEventLoop], ids=["virtual", "stock"])
def factory(request):
    """The default loop, and asyncio's own."""
    return request.param


@pytest.fixture(params=[simloop.SimLoop, asyncio.SelectorEventLoop], ids=["virtual", "stock"])
def drive(request):
    """Run a coroutine on a loop of either kind, and return its result."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(coroutine)

    return run


@pytest.fixture
def python():
    """Run the interpreter in the folder of the suites, without the plugins of this run."""
    # Not measured: on 3.11 coverage at times ends a process in which Hypothesis is first imported.
    inherited = {name: os.environ[name] for name in os.environ if "COVERAGE_PROCESS" not in name}

    def run(*arguments, cwd=SUITES):
        return subprocess.run(
            [sys.executable, "-B", *arguments],
            cwd=cwd,
            env={**inherited, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def run_pytest(python):
    """Run pytest in a folder, with this package as asynctest and no other settings."""

    def run(*arguments, settings=os.devnull, **where):
        plugins = ("-p", "asynctest_compat.as_asynctest", "-p", "no:cacheprovider")
        # Settings in a file of one's own, or none: those of this project are not the suite's.
        return python(
            *("-m", "pytest", "-q", *plugins, "-c", settings, "--rootdir", ".", *arguments), **where
        )

    return run
