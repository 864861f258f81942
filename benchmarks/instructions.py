"""Instructions in user space: a cost that no other program on the machine moves.

    python -m benchmarks.instructions WORKLOAD CONTENDER UNITS      under valgrind; see below

A measurement is a process of its own under valgrind's callgrind, which counts what a processor
would carry out. The stopwatch of the workload calls one function of the C library when it begins,
at which the counts are cleared, and another one when it ends, at which they are written down. What
the kernel does for a system call is not counted.

Owns: that process, and reading what callgrind wrote.

Must not know: what a workload does, or what is made of a count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["count_of", "is_available"]

ROOT = Path(__file__).resolve().parents[1]

_BEGINS, _ENDS = "sched_get_priority_min", "sched_get_priority_max"
"""The two functions, which nothing else calls, and no run has of its own."""

_SHARE = 4
"""Of how many units one is counted: under callgrind a program is some fifty times slower."""


def is_available() -> bool:
    """Tell whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def count_of(workload: str, contender: str, units: int, *, tiny: int = 1) -> float | None:
    """Return the instructions of one unit, None where the workload is measured in processes.

    Args:
        workload: Its name.
        contender: Its name, or that of the floor.
        units: How many units a measurement of its time takes; fewer are counted.
        tiny: How many at least.

    Raises:
        RuntimeError: The process failed; its error is in the text.
    """
    units = max(units // _SHARE, tiny)
    with TemporaryDirectory() as folder:
        command = [
            *("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/counts"),
            *(f"--zero-before={_BEGINS}", f"--dump-before={_ENDS}"),
            *(sys.executable, "-m", "benchmarks.instructions", workload, contender, str(units)),
        ]
        done = subprocess.run(  # noqa: S603 - ours
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}:\n{done.stderr}")
        found = list(_totals(Path(folder)))
    return sum(found) / units if found else None


def _totals(folder: Path) -> Iterator[int]:
    """Yield what was counted between each beginning and its end: the last file is of the rest."""
    for path in folder.glob("counts.*"):
        if re.fullmatch(r"counts\.\d+", path.name):
            text = path.read_text()
            total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
            assert total is not None, path
            yield int(total[1])


def _measure(workload_name: str, contender_name: str, units: int) -> None:
    """Do in this process what is counted, and once before what is done once."""
    from .contenders import BARE, available  # noqa: PLC0415 - the functions above need none
    from .measuring import Stopwatch, as_alone  # noqa: PLC0415 - as above
    from .workloads import WORKLOADS  # noqa: PLC0415 - as above

    workload = WORKLOADS[workload_name]
    marks = [partial(getattr(os, name), os.SCHED_OTHER) for name in (_BEGINS, _ENDS)]
    if contender_name == BARE:
        assert workload.floor is not None
        with Stopwatch.marked(*marks), Stopwatch():
            workload.floor(units)
        return
    (contender,) = available((contender_name,))
    with as_alone(contender):
        workload.measure(contender, max(units // 10, workload.tiny))
        with Stopwatch.marked(*marks):
            workload.measure(contender, units)


if __name__ == "__main__":
    _measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
