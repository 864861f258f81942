"""What every test of explorations needs: what failing programs left open goes with the test."""

from __future__ import annotations

import gc
import warnings

import pytest

_DEAF = ("ignore::pytest.PytestUnraisableExceptionWarning",)
"""How a test says that it hears none: what its programs left open goes whenever that is."""


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    """Collect what failed runs hold, whose warnings are nothing that a later test is to hear."""
    yield
    if not any(each.args == _DEAF for each in request.node.iter_markers("filterwarnings")):
        _collect()


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_by_many():
    """Do so once for tests that hear no warnings: it takes as long as the process is large."""
    yield
    _collect()


def _collect():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
