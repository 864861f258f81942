"""What all tests share: how Hypothesis looks for counterexamples, and that Ctrl-C arrives."""

from __future__ import annotations

import os
import signal

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
