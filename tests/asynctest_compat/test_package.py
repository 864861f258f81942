"""The package as a whole: every name that asynctest 0.13 had, and everything of unittest."""

from __future__ import annotations

import inspect
import subprocess
import sys
import unittest

import pytest

import asynctest_compat as asynctest

CASE = "TestCase FunctionTestCase ClockedTestCase ignore_loop fail_on strict lenient"
MOCKS = """
    Mock MagicMock NonCallableMock NonCallableMagicMock CoroutineMock create_autospec mock_open
    patch return_once PatchScope LIMITED GLOBAL ANY DEFAULT PropertyMock call sentinel
    AsyncMagicMixin FakeInheritanceMeta MockMetaMixin IsCoroutineArgMeta async_magic_coroutines
"""
SELECTOR = """
    FileDescriptor fd isfilemock FileMock SocketMock SSLSocketMock TestSelector set_read_ready
    set_write_ready get_registered_events fail_on_active_selector_callbacks
    fail_on_before_test_active_selector_callbacks
"""
OTHER = "exhaust_callbacks case mock selector helpers _fail_on DEFAULTS safe_repr strclass"


@pytest.mark.parametrize("name", f"{CASE} {MOCKS} {SELECTOR} {OTHER}".split())
def test_a_name_of_asynctest_is_there(name) -> None:
    """Each public name of asynctest 0.13, documented or not, is at the top level."""
    assert hasattr(asynctest, name)


@pytest.mark.parametrize("name", unittest.__all__)
def test_a_name_of_unittest_is_there(name) -> None:
    """Everything that unittest exports can be had from here, so that one import is enough."""
    assert hasattr(asynctest, name)


SIGNATURES = {
    "patch": "target new spec create spec_set autospec new_callable scope kwargs",
    "create_autospec": "spec spec_set instance _parent _name kwargs",
    "mock_open": "mock read_data",
    "return_once": "value then",
    "TestSelector": "selector",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_is_asynctest_s(name) -> None:
    """Arguments have asynctest's names in asynctest's order."""
    assert list(inspect.signature(getattr(asynctest, name)).parameters) == SIGNATURES[name].split()


def test_the_ladder_of_mocks_is_asynctest_s() -> None:
    """Every mock is a NonCallableMock; only a CoroutineMock is one; unittest knows them too."""
    assert isinstance(asynctest.MagicMock(), asynctest.Mock)
    assert isinstance(asynctest.CoroutineMock(), asynctest.Mock)
    assert not isinstance(asynctest.MagicMock(), asynctest.CoroutineMock)
    assert isinstance(asynctest.Mock(), asynctest.NonCallableMock)
    assert isinstance(asynctest.MagicMock(), unittest.mock.MagicMock)


@pytest.mark.slow
def test_import_asynctest_gives_ours_after_install() -> None:
    """install() makes the old imports work, in a process of its own."""
    code = (
        "import asynctest_compat; asynctest_compat.install()\n"
        "import asynctest\nfrom asynctest.mock import patch\n"
        "assert asynctest.TestCase is asynctest_compat.TestCase\n"
        "assert patch is asynctest_compat.patch\nprint('ours')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "ours\n", done.stderr
