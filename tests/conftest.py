"""What all tests share: how Hypothesis searches, that Ctrl-C arrives, and what is collected."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import tempfile
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

# Runs of one seed take the same names for temporary files: tests that run beside these, under
# another Python too, have them elsewhere. Pytest keeps its own folders where they were.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="own-")
os.chmod(tempfile.tempdir, 0o1777)  # noqa: PTH101, S103 - as /tmp: some tests are another user for a while
atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)


@pytest.fixture
def nothing_is_left():
    """Collect what runs that were broken off hold: its warnings are no later test's."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
