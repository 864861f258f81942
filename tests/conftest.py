"""What all tests share: how Hypothesis searches, that Ctrl-C arrives, and what is collected."""

from __future__ import annotations

import gc
import os
import signal
import warnings

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "simloop",
    deadline=None,  # A machine that is busy with something else is no counterexample,
    suppress_health_check=[HealthCheck.too_slow],  # and no reason to give up.
    derandomize=bool(os.environ.get("CI")),  # There, the same examples each time.
)
settings.load_profile("simloop")

# A shell that runs the tests in the background has them, and what they start, ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def nothing_is_left():
    """Collect what runs that were broken off hold: its warnings are no later test's."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
