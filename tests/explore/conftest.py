"""What every test of explorations needs: what failing programs left open goes with the test."""

from __future__ import annotations

import gc
import warnings

import pytest


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    """Collect what failed runs hold, whose warnings are nothing that a later test is to hear."""
    yield
    if not getattr(request.module, "HEARS_NO_WARNINGS", False):
        _collect()


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_by_many():
    """Do so once for a module that hears no warnings: it takes as long as the process is large."""
    yield
    _collect()


def _collect():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
