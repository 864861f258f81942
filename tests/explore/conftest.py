"""What every test of explorations needs: what failing programs left open goes with the test."""

from __future__ import annotations

import gc
import warnings

import pytest


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Collect what failed runs hold, whose warnings are nothing that a later test is to hear."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
