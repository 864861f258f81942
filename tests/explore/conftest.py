"""What every test of explorations needs: what failing programs left open goes with the test."""

from __future__ import annotations

import gc
import warnings

import pytest


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    """Collect what failed runs hold, whose warnings are nothing that a later test is to hear.

    It takes as long as the process is large, so a test whose programs do not fail says so.
    """
    yield
    if request.node.get_closest_marker("leaves_nothing") is not None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
