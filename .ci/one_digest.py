"""Whether one seed is one run: many seeds of real programs, each in four processes.

    python .ci/one_digest.py                           # every program, three seeds
    python .ci/one_digest.py --seeds 1000 --journal runs.jsonl
    python .ci/one_digest.py --seeds 1000 aiohttp redis
    python .ci/one_digest.py --list

The programs are README's example, the one of Raft with all kinds of faults, those of
``tests/determinism/programs.py``, and what each test of
``tests/libraries/test_many_peers.py`` runs: a server and its clients of one library each, with the
sets that it keeps them in. The processes have two hash seeds of strings and two heaps, each with a
garbage collector of its own; and a history of their own: the one runs all in order, the others
backwards, shuffled, or after other runs and with the modules loaded in the opposite order. Where
the accelerator is built, two of them are accelerated and two are pure. Digest, output, result,
steps and time of each run are compared.

A process runs a chunk of seeds, so that the imports are paid once for many. ``--journal`` keeps
what was compared, and a command that is repeated goes on where it was stopped. The result is a
table; the exit status is 1 if anything differed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import importlib.util
import itertools
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from moved_sets import disturb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = "README's example"
RAFT = "Raft with all faults"
PEERS = "many peers: "


class Arm(NamedTuple):
    """One of the processes: what is its own."""

    hash_seed: int
    heap: int
    order: str
    pure: bool


ARMS = (
    Arm(1, 0, "in order", pure=False),
    Arm(1, 2, "backwards", pure=True),
    Arm(7, 0, "shuffled", pure=True),
    Arm(7, 3, "after others", pure=False),
)


# Programs ----------------------------------------------------------------------------------


class _Caught(BaseException):
    """Carries what a test would run out of it."""


def load(path: str) -> Any:
    """Import a file of this tree by its path, as part of the folder that it lies in."""
    return importlib.import_module(path.removesuffix(".py").replace("/", "."))


def main_of_test(test: Callable[[Any], None]) -> Any:
    """Return the coroutine function that a test gives to its fixture ``live``."""

    def live(main: Any, **_options: Any) -> None:
        raise _Caught(main)

    try:
        test(live)
    except _Caught as caught:
        return caught.args[0]
    raise AssertionError(f"{test.__name__} runs nothing")


def names() -> list[str]:
    """Return the names of all programs."""
    peers = vars(load("tests/libraries/test_many_peers.py"))
    tests = [name.removeprefix("test_") for name in peers if name.startswith("test_")]
    programs = load("tests/determinism/programs.py").PROGRAMS
    return [EXAMPLE, RAFT, *programs, *[f"{PEERS}{name}" for name in tests]]


def program(name: str) -> Any:
    """Return a program's coroutine function; None where what it needs is not installed."""
    try:
        if name == EXAMPLE:
            return load("examples/day_in_the_life.py").main
        if name == RAFT:
            sys.path.insert(0, str(ROOT / "examples/raft"))
            return importlib.import_module("cluster").main
        if name.startswith(PEERS):
            peers = load("tests/libraries/test_many_peers.py")
            peers.COUNT = 6  # Enough for a set to have many orders.
            return main_of_test(getattr(peers, f"test_{name.removeprefix(PEERS)}"))
        programs = load("tests/determinism/programs.py")
        missing = [each for each in programs.NEEDS[name] if importlib.util.find_spec(each) is None]
        return None if missing else programs.PROGRAMS[name]
    except BaseException as error:
        if type(error).__name__ == "Skipped":  # pytest's, for what can't be imported.
            return None
        raise


# In a process -------------------------------------------------------------------------------


@contextlib.contextmanager
def caught_output(file: Any) -> Iterator[None]:
    """Let what is written to the two standard descriptors go to a file."""
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, real in enumerate(kept, 1):
            os.dup2(real, number)
            os.close(real)


def run(main: Any, seed: int) -> list[Any]:
    """Run a program; return what is compared."""
    import simloop  # noqa: PLC0415 - in a child only

    with tempfile.TemporaryFile() as file:
        with caught_output(file):
            outcome = simloop.simulate(main, seed=seed)
            if outcome.error is not None:
                print(*traceback.format_exception_only(outcome.error), flush=True)
        file.seek(0)
        output = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    value = repr(outcome.value)
    if outcome.error is not None:
        value = f"{type(outcome.error).__name__}: {outcome.error}"
    return [outcome.digest, output, outcome.steps, outcome.time_ns, value]


def in_process(number: int, jobs: list[tuple[str, int]]) -> None:
    """Be one of the processes: run programs, and write a line for each."""
    arm = ARMS[number]
    disturb(arm.heap)
    warnings.simplefilter("ignore")  # What a library warns about is not ours.
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
    wanted = list(dict.fromkeys(name for name, _ in jobs))
    if arm.order in ("backwards", "after others"):
        wanted.reverse()
        jobs.reverse()
    mains = {name: program(name) for name in wanted}
    if arm.order == "shuffled":
        random.Random(len(jobs)).shuffle(jobs)  # noqa: S311 - no cryptography
    if arm.order == "after others":
        jobs = jobs[::2] + jobs[1::2]
        for name in wanted[:3]:
            if mains[name] is not None:
                run(mains[name], 10**6)
    for name, seed in jobs:
        told = None if mains[name] is None else run(mains[name], seed)
        print(json.dumps([name, seed, told]), flush=True)


# All processes ------------------------------------------------------------------------------


def told_by(number: int, jobs: list[tuple[str, int]], folder: Path) -> dict[str, Any]:
    """Run programs in one of the processes; return what came of each."""
    arm = ARMS[number]
    temporary = folder / f"temporary{number}"
    temporary.mkdir(exist_ok=True)
    environ = {
        **os.environ, "PYTHONHASHSEED": str(arm.hash_seed), "TMPDIR": str(temporary),
        "SIMLOOP_PURE": "1" if arm.pure else "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    done = subprocess.run(  # noqa: S603 - this file
        [sys.executable, __file__, "--process", str(number)],
        cwd=ROOT, env=environ, input=json.dumps(jobs),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    told = {f"{name} {seed}": what for name, seed, what in map(json.loads, lines)}
    assert len(told) == len(jobs), f"process {number} ended with status {done.returncode}"
    return told


def compare(jobs: list[tuple[str, int]], folder: Path) -> list[dict[str, Any]]:
    """Run programs in all processes, one process after the other; return a record for each."""
    told = [told_by(number, jobs, folder) for number in range(len(ARMS))]
    records = []
    for name, seed in jobs:
        runs = [each[f"{name} {seed}"] for each in told]
        record = {"name": name, "seed": seed, "python": sys.version.split()[0]}
        record["digest"] = runs[0] and runs[0][0]
        if any(run != runs[0] for run in runs):
            record["differ"] = runs
        records.append(record)
    return records


def chunks(
    wanted: list[str], seeds: range, done: set[tuple[str, int]], size: int
) -> Iterator[list[Any]]:
    """Return lists of programs and seeds: all programs of that many seeds, then of the next."""
    left = [(name, seed) for seed in seeds for name in wanted if (name, seed) not in done]
    it = iter(left)
    while chunk := list(itertools.islice(it, size * len(wanted))):
        yield chunk


def table(records: list[dict[str, Any]]) -> list[str]:
    """Return the result, a line for each program."""
    lines = [f"{'program':44} {'seeds':>6} {'runs':>7} {'digests':>8} {'differ':>7}"]
    for name in dict.fromkeys(record["name"] for record in records):
        mine = [record for record in records if record["name"] == name]
        if all(record["digest"] is None for record in mine):
            lines.append(f"{name:44} not installed")
            continue
        differing = sum("differ" in record for record in mine)
        digests = len({record["digest"] for record in mine})
        runs = len(mine) * len(ARMS)
        lines.append(f"{name:44} {len(mine):6} {runs:7} {digests:8} {differing:7}")
    return lines


def main() -> int:
    """Run the processes and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("programs", nargs="*", help="names, or parts of them; none: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--chunk", type=int, default=5, help="seeds that a process runs (5)")
    parser.add_argument("--journal", type=Path, help="a file that keeps what was compared")
    parser.add_argument("--list", action="store_true", help="print the names of the programs")
    parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process is not None:
        in_process(options.process, [tuple(job) for job in json.load(sys.stdin)])
        return 0
    sys.path.insert(0, str(ROOT))
    wanted = [
        name
        for name in names()
        if not options.programs or any(part in name for part in options.programs)
    ]
    if options.list or not wanted:
        print(*(wanted or names()), sep="\n")
        return int(not wanted)
    seeds = range(options.first, options.first + options.seeds)
    records = []
    if options.journal and options.journal.exists():
        records = [json.loads(line) for line in options.journal.read_text().splitlines()]
        records = [each for each in records if each["name"] in wanted and each["seed"] in seeds]
    done = {(record["name"], record["seed"]) for record in records}
    with tempfile.TemporaryDirectory() as folder:
        for chunk in chunks(wanted, seeds, done, options.chunk):
            found = compare(chunk, Path(folder))
            records += found
            if options.journal:
                with options.journal.open("a") as file:
                    file.writelines(f"{json.dumps(record)}\n" for record in found)
            differing = sum("differ" in record for record in records)
            print(
                f"{len(records)} of {len(wanted) * len(seeds)} compared, {differing} differ",
                file=sys.stderr, flush=True,
            )  # fmt: skip
    for record in records:
        if "differ" in record:
            print(record["name"], "seed", record["seed"])
            for arm, told in zip(ARMS, record["differ"], strict=True):
                engine = "pure" if arm.pure else "accelerated, if built"
                print("   ", *arm[:3], *map(str, told or ()), f"({engine})")
    print(*table(records), sep="\n")
    return int(any("differ" in record for record in records))


if __name__ == "__main__":
    sys.exit(main())
