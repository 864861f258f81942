"""Fresh processes, each with a hash seed of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import simloop

ROOT = str(Path(simloop.__file__).parents[1])


@pytest.fixture
def processes():
    """Run a command line of Python in several processes at once; return what each wrote."""

    def processes(*line, hash_seeds=(1, 2, 3), **options):
        started = [
            subprocess.Popen(
                [sys.executable, *line],
                env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": ROOT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **options,
            )
            for seed in hash_seeds
        ]
        ended = [(*process.communicate(), process.returncode) for process in started]
        for out, err, status in ended:
            assert status == 0, out + err
        return [out for out, _, _ in ended]

    return processes
