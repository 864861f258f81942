"""Another process, with another hash seed, in which what was found is to be found again."""

from __future__ import annotations

import subprocess
import sys


def assert_replayed(main, failure, *ways) -> None:
    """Replay a failure of a program of these tests in each way: the same end, the same digest."""
    code = (
        "import sys, simloop\n"
        f"from {main.__module__} import {main.__name__} as main\n"
        "for way in sys.argv[1:]:\n"
        "    outcome = simloop.replay(main, way)\n"
        "    print(repr(outcome.error), outcome.digest)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, ways)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
    )
    expected = f"{failure.outcome.error!r} {failure.outcome.digest}"
    assert done.stdout.splitlines() == [expected] * len(ways), done.stderr
