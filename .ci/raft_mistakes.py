"""Whether each classic mistake of Raft is found, and the servers without one are left alone.

    python .ci/raft_mistakes.py                        # each mistake, and 500 schedules without one
    python .ci/raft_mistakes.py --schedules 100 --seed 3 --journals folder

``--seed`` begins another search. A folder of journals keeps what was run, and a command that is
repeated goes on where it was stopped. A line for each search; the exit status is 1 where a mistake
is not found, is not shrunk, or the right servers are accused.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def search(cluster: Any, mistake: str, options: argparse.Namespace) -> bool:
    """Search, print what came of it, and return whether that is as it should be."""
    further: dict[str, Any] = {"seed": options.seed}
    if options.journals is not None:
        name = f"{mistake or 'right'}-{options.seed}".replace(" ", "-")
        further["journal"] = options.journals / f"{name}.sqlite"
    found = cluster.search(mistake, schedules=options.schedules, **further)
    if not found.failures:
        print(f"{mistake or 'no mistake'}: nothing in {found.ran} schedules", flush=True)
        return not mistake
    for failure in found.failures:
        was, left = (len(each.deviations) for each in (failure.original, failure.schedule))
        print(
            f"{mistake or 'no mistake'}: {failure.error} in schedule {failure.found_at}, "
            f"{was} deviations shrunk to {left} by {failure.runs} runs",
            flush=True,
        )
    return bool(mistake)


def main() -> int:
    """Search for all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--schedules", type=int, default=500, help="of each, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the search")
    parser.add_argument("--journals", type=Path, help="a folder that keeps what was run")
    options = parser.parse_args()
    if options.journals is not None:
        options.journals.mkdir(parents=True, exist_ok=True)
    sys.path[:0] = [str(ROOT), str(ROOT / "examples/raft")]
    cluster = importlib.import_module("cluster")
    results = [search(cluster, mistake, options) for mistake in ("", *cluster.MISTAKES)]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
