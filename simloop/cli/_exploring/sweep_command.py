"""``simloop sweep``: many seeds of one program, and the journals of sweeps.

Owns: the reports and the exit statuses. Must not know how seeds are run, and how journals are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from simloop.cli._format import count, say
from simloop.cli._program import NoProgramError, find_function
from simloop.cli._status import ExitStatus
from simloop.errors import NondeterminismError, UnsupportedError, UsageError
from simloop.exploration.sweeping.journal_report import report_of
from simloop.exploration.sweeping.seed_sweep import SeedSweep
from simloop.show import sweep_page
from simloop.sweeps.journal import merge, read_journal
from simloop.sweeps.worker_options import WorkerOptions

from .sweep_arguments import (
    SweepArguments,
    SweepMergeArguments,
    SweepRunArguments,
    SweepShowArguments,
)
from .sweep_progress import SweepProgress, add_summary, check_journal

__all__ = ["carry_out"]


def carry_out(arguments: SweepArguments) -> int:
    """Do what was asked, and return the exit status."""
    try:
        if isinstance(arguments, SweepShowArguments):
            return _show(arguments)
        if isinstance(arguments, SweepMergeArguments):
            return _merge(arguments)
        return _run(arguments)
    except (NoProgramError, UsageError, UnsupportedError, NondeterminismError) as error:
        say(f"error: {error}")
        return ExitStatus.USAGE


def _run(arguments: SweepRunArguments) -> int:
    main = find_function(arguments.program)
    check_journal(arguments.journal, resume=arguments.resume)
    disk = " --disk" if arguments.disk else ""
    workers = WorkerOptions.of(
        arguments.jobs, arguments.real_run_limit, arguments.memory_limit << 20
    )
    sweep = SeedSweep(
        main,
        arguments.seeds,
        {"disk": True} if arguments.disk else {},
        workers,
        journal=arguments.journal,
        name=arguments.program,
        replay_line=f"simloop run {arguments.program} --seed {{seed}}{disk}",
    )
    progress = SweepProgress("seeds", len(arguments.seeds), arguments.seconds)
    swept = sweep.run(stop=arguments.stop, seconds=arguments.seconds, progress=progress)
    progress.end()
    sys.stdout.write(f"{swept}\n")
    add_summary(arguments.program, str(swept))
    if swept.interrupted:
        return ExitStatus.INTERRUPTED
    return ExitStatus.FAILED if swept.failures or swept.lost else ExitStatus.OK


def _show(arguments: SweepShowArguments) -> int:
    kept = read_journal(arguments.journal)
    report = report_of(kept)
    sys.stdout.write(f"{report}\n")
    output = arguments.output or str(Path(arguments.journal).with_suffix(".html"))
    if Path(output).absolute() == Path(arguments.journal).absolute():
        raise UsageError(f"the page would be written over the journal {output!r}; name another: -o")
    try:
        Path(output).write_text(sweep_page(report), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the page can't be written to {output!r}: {error}") from None
    say(f"{output}: progress over time, and what was found; open it in a browser")
    return ExitStatus.OK


def _merge(arguments: SweepMergeArguments) -> int:
    merged = merge(list(arguments.journals), arguments.output)
    done = sum(each.done.count for each in merged)
    found = len(dict.fromkeys(it.failure for each in merged for it in each.findings()))
    which = "sweep" if len(merged) == 1 else "sweeps"
    say(
        f"{arguments.output}: {count(done)} runs of {len(merged)} {which}, {found} different"
        f" failure{'' if found == 1 else 's'}"
    )
    return ExitStatus.OK
