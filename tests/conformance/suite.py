"""CPython's own tests of asyncio, run on ``SimLoop`` module by module.

Owns: finding the modules, a process for each, and what came of it, held against the list of what
does not apply. ``python -m tests.conformance.suite [MODULE ...]`` prints the counts.

Must not hang: a process ends itself when a test takes too long (see the worker), and is killed,
with whatever it started, if it stays silent for longer than that, or does not come to its end.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import attrs

import simloop

from .exceptions import EXCEPTIONS, LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "test.test_asyncio"
LIMIT = 20.0
"""Real seconds that one test may take; the slowest one takes two."""

_MODULE_LIMIT = 180.0
_PROCESSES_MAX = 3
"""So many processes that hang or crash, and the rest of a module is given up."""

MISSING = (
    "no test.test_asyncio in this Python; on Debian and Ubuntu: apt-get install"
    f" libpython{sys.version_info[0]}.{sys.version_info[1]}-testsuite"
)


@attrs.frozen
class Count:
    """How many tests there are, and what came of them."""

    total: int = 0
    skipped: int = 0
    """Those that skip themselves: Windows, macOS, another build of Python."""
    applicable: int = 0
    passed: int = 0

    def __add__(self, other: Count) -> Count:
        pairs = zip(attrs.astuple(self), attrs.astuple(other), strict=True)
        return Count(*(mine + theirs for mine, theirs in pairs))

    def __str__(self) -> str:
        left_out = self.total - self.skipped - self.applicable
        return (
            f"{self.passed} of {self.applicable} applicable tests passed;"
            f" {left_out} do not apply, {self.skipped} skip themselves"
        )


@attrs.define
class Report:
    """What came of one module."""

    module: str
    """Its name, without the package."""
    outcomes: dict[str, str] = attrs.field(factory=dict)
    """For each test, in order: passed, failed, skipped, or died with its process."""
    told: dict[str, str] = attrs.field(factory=dict)
    stderr: str = ""

    @property
    def reasons(self) -> dict[str, str]:
        """What does not apply, and why."""
        return EXCEPTIONS.get(self.module, {})

    def unexpected(self) -> dict[str, str]:
        """Return the tests that should have passed, with what they told."""
        return {
            name: f"{outcome}: {self.told[name]}"
            for name, outcome in self.outcomes.items()
            if outcome not in {"passed", "skipped"} and name not in self.reasons
        }

    def stale(self) -> list[str]:
        """Return the exceptions that are none: their tests pass."""
        return [name for name in self.reasons if self.outcomes.get(name) == "passed"]

    def count(self) -> Count:
        """Count the tests."""
        ran = {name: each for name, each in self.outcomes.items() if each != "skipped"}
        applicable = [outcome for name, outcome in ran.items() if name not in self.reasons]
        return Count(
            total=len(self.outcomes),
            skipped=len(self.outcomes) - len(ran),
            applicable=len(applicable),
            passed=applicable.count("passed"),
        )


def modules() -> list[str]:
    """Return the names of the modules that apply; none where the package is not installed."""
    try:
        package = importlib.util.find_spec(PACKAGE)
    except ImportError:
        return []
    if package is None or not package.submodule_search_locations:
        return []
    found = Path(package.submodule_search_locations[0]).glob("test_*.py")
    return sorted(path.stem for path in found if path.stem not in LEFT_OUT)


def counts(names: list[str] | None = None) -> dict[str, Count]:
    """Run modules, all of them unless told which, and count for each."""
    return {name: run(name).count() for name in names or modules()}


def run(module: str, *, package: str = PACKAGE, limit: float = LIMIT, path: str = "") -> Report:
    """Run the tests of one module, also if some of them hang or crash.

    Args:
        module: The module.
        package: The package that it is in.
        limit: How many real seconds one test may take.
        path: A folder to import from, beside the usual ones.
    """
    report = Report(module)
    worker = _Worker(f"{package}.{module}".lstrip("."), limit, path)
    for _ in range(_PROCESSES_MAX):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as stderr:
            is_done = worker.run_rest(report, folder, stderr)
            stderr.seek(0)
            report.stderr = stderr.read()[-4000:].decode(errors="replace")
        if is_done:
            return report
    report.outcomes["(the rest)"] = "died"
    report.told["(the rest)"] = f"given up after {_PROCESSES_MAX} processes"
    return report


class _Worker:
    """How a process for a module is started, and when it is given up."""

    def __init__(self, name: str, limit: float, path: str) -> None:
        self._command = [sys.executable, Path(__file__).with_name("worker.py"), name, str(limit)]
        paths = [str(Path(simloop.__file__).parent.parent), path]
        # Measured coverage would cost much, and be lost where the process is ended.
        kept = {key: os.environ[key] for key in os.environ if not key.startswith("COV")}
        self._environ = {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._silence = limit + 10
        self._gives_up_at = time.monotonic() + _MODULE_LIMIT

    def run_rest(self, report: Report, folder: str, stderr: IO[bytes]) -> bool:
        """Run what was not run yet in one process; true if that came to its end."""
        process = subprocess.Popen(
            [*self._command, str(len(report.outcomes))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            env=self._environ,
            start_new_session=True,
        )
        current = None
        try:
            for line in self._lines(process.stdout):
                if "start" in line:
                    current = line["start"]
                elif "end" in line:
                    current = None
                    report.outcomes[line["end"]] = line["outcome"]
                    report.told[line["end"]] = line["told"]
                else:
                    return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)  # It has ended by itself, unless it hangs.
        finally:
            _kill(process)
        name = current or f"(after {len(report.outcomes)} tests)"
        report.outcomes[name] = "died"
        report.told[name] = f"ended its process ({process.returncode}), or took too long"
        return False

    def _lines(self, stream: IO[bytes] | None) -> Iterator[dict[str, str]]:
        """Give the lines of a process, until it ends or falls silent."""
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
        unread = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while selector.select(max(0, min(self._silence, self._gives_up_at - time.monotonic()))):
                data = stream.read()
                if not data:
                    return
                *lines, unread = (unread + data).split(b"\n")
                yield from map(json.loads, lines)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and what its tests started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def main() -> None:
    """Print the counts, and what is wrong."""
    total = Count()
    for name in sys.argv[1:] or modules():
        report = run(name)
        total += report.count()
        print(f"{name}: {report.count()}")
        for test, told in report.unexpected().items():
            print(f"  {test} {told}\n{report.stderr}")
        for test in report.stale():
            print(f"  {test} passes: it is no exception")
    print(f"all: {total}")


if __name__ == "__main__":
    main()
