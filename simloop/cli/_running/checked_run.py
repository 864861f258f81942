"""The check: the same program again, in a fresh process with another hash seed, and compared.

Owns: the second process, what it hands back, and the comparison. Two processes share no memory
and no hashes, so what is the same in both is what the seed decides. Where they differ, more
processes look for the cause.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop.cli._format import say
from simloop.trace.causes import diagnose
from simloop.trace.recorder import first_difference, first_output_difference, tell_difference
from simloop.world.fresh.fresh_process import attempt, emptied, without_aslr

from .step_file import read_steps

if TYPE_CHECKING:
    from simloop.cli._arguments import RunArguments
    from simloop.trace.causes import Observed

    from .execution import Ending

__all__ = ["is_same_again", "write_report"]

_HASH_SEED = "PYTHONHASHSEED"
_HASH_SEEDS = 2**32

_LEFT_BEHIND = (
    "Runs in more processes, each with an empty folder for temporary files, are the same. Likely"
    " cause: a file that the first run left behind; or the real time, or another process."
)


def write_report(path: str, ending: Ending) -> None:
    """Leave for the checking process how this one ended."""
    report = {"digest": ending.digest, "status": ending.status}
    Path(path).write_text(json.dumps(report), encoding="utf-8")


def is_same_again(arguments: RunArguments, ending: Ending, steps: str, folder: str) -> bool:
    """Run the program again, say whether it was the same run, and return that.

    Args:
        arguments: What was asked for the first time.
        ending: How the first run ended.
        steps: The file that holds the first run's steps.
        folder: Where files of the second run may be.
    """
    second_steps = str(Path(folder, "second.jsonl"))
    report = Path(folder, "report.json")
    hash_seeds = _two_hash_seeds()
    done = _run_elsewhere(
        [*_command(arguments), "--steps", second_steps, "--report", str(report)],
        arguments,
        hash_seeds[1],
    )
    if not report.exists():
        say(f"check: the second run broke off with status {done.returncode}:\n{done.stderr}")
        return False
    second = json.loads(report.read_text(encoding="utf-8"))
    if second["digest"] == ending.digest:
        say(f"check: equal, in two processes with {_HASH_SEED} {' and '.join(hash_seeds)}")
        return True
    told = _difference(ending, second, steps, second_steps)
    say(f"check: not the same run again; {told}{_cause(arguments, folder)}")
    return False


def _cause(arguments: RunArguments, folder: str) -> str:
    """Run the program some more times, and say why it differs, if they do."""
    seen = Path(folder, "seen")

    def ask(hash_seed: str, memory: str, number: int | None = None) -> Observed | None:
        say(f"check: looks for the cause: {attempt(hash_seed, memory, number)}")
        seen.unlink(missing_ok=True)
        line = [*_command(arguments), "--look", str(seen), "--memory", memory]
        if number is not None:
            line += ["--number", str(number)]
        where = emptied(Path(folder, "tmp"))
        _run_elsewhere(line, arguments, hash_seed, where, still=memory == "still")
        # What it holds was written by ourselves, in the other process.
        return pickle.loads(seen.read_bytes()) if seen.exists() else None  # noqa: S301

    others = ("2", "3", "4")
    diagnosis = diagnose(ask, tuple(dict.fromkeys([*_two_hash_seeds(), *others])))
    if diagnosis is None:
        return ""
    return f"\n{diagnosis}" if diagnosis.differs else f"\n{_LEFT_BEHIND}"


def _run_elsewhere(
    line: list[str],
    arguments: RunArguments,
    hash_seed: str,
    environ: dict[str, str] | None = None,
    *,
    still: bool = False,
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *line, "--", *arguments.program_args]
    return subprocess.run(  # noqa: S603 - ourselves
        without_aslr(command) if still else command,
        env={**os.environ, **(environ or {}), _HASH_SEED: hash_seed},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def _two_hash_seeds() -> tuple[str, str]:
    """Return this process's hash seed and another one."""
    first = os.environ.get(_HASH_SEED, "random")
    other = (int(first) + 1) % _HASH_SEEDS if first.isdecimal() else 0
    return first, str(other)


def _command(arguments: RunArguments) -> list[str]:
    """Return the line that asks a fresh process for the same run, without the program's own."""
    line = [*_way_here(), "run", arguments.program, "--seed", str(arguments.seed)]
    if arguments.max_time is not None:
        line += ["--max-time", repr(arguments.max_time)]
    if arguments.max_steps is not None:
        line += ["--max-steps", str(arguments.max_steps)]
    if arguments.clock_tick is not None:
        line += ["--clock-tick", repr(arguments.clock_tick)]
    if arguments.start_date is not None:
        line += ["--start-date", arguments.start_date.isoformat()]
    if arguments.tz is not None:
        line += ["--tz", arguments.tz]
    if arguments.disk:
        line.append("--disk")
    if arguments.hosts is not None:
        line += ["--hosts", arguments.hosts]
    if arguments.allow:
        line += ["--allow", ",".join(arguments.allow)]
    return line


def _way_here() -> list[str]:
    """Return the interpreter's options and what started simloop, as they were for this process."""
    started = sys.orig_argv[1:]
    if "run" in started:
        way = started[: started.index("run")]
        if way[-2:] == ["-m", "simloop"] or (way and Path(way[-1]).stem == "simloop"):
            return way
    return ["-m", "simloop"]


def _difference(ending: Ending, second: dict[str, Any], steps: str, second_steps: str) -> str:
    return tell_difference(
        first_difference(read_steps(steps), read_steps(second_steps)),
        first_output_difference(read_steps(steps), read_steps(second_steps)),
        "every step was the same, but the ends differ: status"
        f" {ending.status} and {second['status']}, digest {ending.digest} and {second['digest']}",
    )
