"""One module of ``test.test_asyncio`` in a process of its own, told line by line.

``python worker.py MODULE LIMIT START`` runs the module's tests from number START on. It writes one
JSON object per line to the descriptor that standard output was: ``{"start": id}`` before each test,
``{"end": id, "outcome": ..., "told": ...}`` after it, and ``{"done": true}`` at the end.

Must not hang whoever waits for it: a test that takes LIMIT seconds ends the process, with a dump of
all threads on standard error, by a watchdog that needs no Python code to run.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import sys
import traceback
import unittest
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))

from exceptions import REPEATS
from swap import ThreadBridge, swap_in


class Teller(unittest.TestResult):
    """A result that tells each test's outcome at once."""

    def __init__(self, module, stream, limit) -> None:
        super().__init__()
        self._prefix = f"{module}."
        self._stream = stream
        self._limit = limit
        self._around = ThreadBridge()
        self._outcome = "passed"
        self._told = ""

    def tell(self, **line) -> None:
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()

    def startTest(self, test) -> None:
        self._outcome, self._told = "passed", ""
        self.tell(start=self._name(test))
        faulthandler.dump_traceback_later(self._limit, exit=True)
        self._around.enter()

    def stopTest(self, test) -> None:
        self._around.leave()
        if self._outcome == "failed":
            gc.collect()  # What it left open is not to be found in the middle of another test.
        faulthandler.cancel_dump_traceback_later()
        self.tell(end=self._name(test), outcome=self._outcome, told=self._told)

    def _name(self, test) -> str:
        """Return ``Class.method``."""
        return test.id().removeprefix(self._prefix)

    def _failed(self, error) -> None:
        self._outcome = "failed"
        self._told += "".join(traceback.format_exception(*error))

    def addError(self, test, err) -> None:
        self._failed(err)
        if not isinstance(test, unittest.TestCase):  # A class or module that can't be set up.
            self.tell(end=str(test), outcome=self._outcome, told=self._told)

    def addFailure(self, test, err) -> None:
        self._failed(err)

    def addSubTest(self, test, subtest, err) -> None:
        if err is not None:
            self._failed(err)

    def addSkip(self, test, reason) -> None:
        self._outcome, self._told = "skipped", reason

    def addExpectedFailure(self, test, err) -> None:
        pass

    def addUnexpectedSuccess(self, test) -> None:
        self._outcome, self._told = "failed", "unexpected success"


def flat(suite) -> Iterator[unittest.TestCase]:
    """Give every test of a suite, in order."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flat(each)
        else:
            yield each


def main(module: str, limit: str, start: str) -> None:
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What a test prints is not for whoever reads the lines.
    warnings.simplefilter("default")
    swap_in()
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    tests = [test for test in flat(suite) if type(test).__name__ not in REPEATS]
    teller = Teller(module, stream, float(limit))
    unittest.TestSuite(tests[int(start) :]).run(teller)
    teller.tell(done=True)
    os._exit(0)  # Threads that a failed test left behind are nobody's business.


if __name__ == "__main__":
    main(*sys.argv[1:])
