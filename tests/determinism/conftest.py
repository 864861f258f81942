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
def run_tool():
    """Run one of the repository's own tools; skip where the tree came without them."""

    def run_tool(name, *line):
        tool = Path(__file__).parents[2] / ".ci" / name
        if not tool.exists():
            pytest.skip("this tree came without its CI")
        command = [sys.executable, str(tool), *map(str, line)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run_tool


@pytest.fixture
def processes(tmp_path):
    """Run a command line of Python in several processes at once; return what each wrote.

    Each has a folder of its own for temporary files: their names follow the seed, and where one is
    taken, by a process with the same seed, the next is drawn.
    """

    def folder(number):
        path = tmp_path / f"temporary {number}"
        path.mkdir(exist_ok=True)
        return str(path)

    def processes(*line, hash_seeds=(1, 2, 3), **options):
        started = [
            subprocess.Popen(
                [sys.executable, *line],
                env={
                    **os.environ,
                    "PYTHONHASHSEED": str(seed),
                    "PYTHONPATH": ROOT,
                    "TMPDIR": folder(number),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **options,
            )
            for number, seed in enumerate(hash_seeds)
        ]
        ended = [(*process.communicate(), process.returncode) for process in started]
        for out, err, status in ended:
            assert status == 0, out + err
        return [out for out, _, _ in ended]

    return processes
