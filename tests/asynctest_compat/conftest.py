"""What the tests of asynctest_compat share: running a test class, and the two kinds of loops."""

from __future__ import annotations

import asyncio
import io

import pytest

import asynctest_compat as asynctest

# Suites that the tests run in processes of their own: one of them is there to fail.
collect_ignore_glob = ["suites/*"]


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
