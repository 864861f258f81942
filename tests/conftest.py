"""What all tests share: how Hypothesis looks for counterexamples."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "simloop",
    deadline=None,  # A machine that is busy with something else is no counterexample,
    suppress_health_check=[HealthCheck.too_slow],  # and no reason to give up.
    derandomize=bool(os.environ.get("CI")),  # There, the same examples each time.
)
settings.load_profile("simloop")
