"""Waits of a run that has no threads of its own: they are real, and so they end."""

from __future__ import annotations

import concurrent.futures
import queue
import subprocess
import sys
import threading

import pytest

from simloop._sandbox import allow


def test_waits_for_locks_end(make):
    """A wait with a timeout ends though the virtual clock stands still."""
    with make():
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=0.01)
        condition = threading.Condition()
        with condition:
            assert not condition.wait_for(lambda: False, timeout=0.01)
        assert not threading.Event().wait(0.01)
        with pytest.raises(concurrent.futures.TimeoutError):
            concurrent.futures.Future().result(0.01)
        with pytest.raises(concurrent.futures.TimeoutError):
            list(concurrent.futures.as_completed([concurrent.futures.Future()], 0.01))


def test_an_allowed_process_is_waited_for_in_real_time(make, clock):
    """A timeout of a wait for a real process is real, and takes no virtual time."""
    command = [sys.executable, "-S", "-c", "import time; time.sleep(0.05)"]
    with make(), allow("subprocess"), subprocess.Popen(command) as process:
        assert process.wait(timeout=60) == 0
    assert clock.now_ns == 0
