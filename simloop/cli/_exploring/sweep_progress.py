"""Progress of a sweep: a line on a terminal, records elsewhere, and GitHub's summary of a job.

Owns: how far a sweep is, how fast, what it found, when it will end. What is no terminal gets a line
of JSON now and then, for whoever reads the log of a night.

Must not know: what is swept.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

from simloop._sandbox.time import real_clock
from simloop.cli._format import count, virtual
from simloop.errors import UsageError

__all__ = ["SweepProgress", "add_summary", "check_journal"]

_TERMINAL_S = 0.2
_RECORD_S = 10.0
_NS = 1_000_000_000
_CLEAR = "\r\x1b[K"


class SweepProgress:
    """Shows how far a sweep is; a function of what was found so far.

    Args:
        what: What is counted: "schedules" or "seeds".
        total: How many there are; None if that is not known.
        seconds: For how long it goes on; None if there is no such limit.
    """

    def __init__(self, what: str, total: int | None, seconds: float | None = None) -> None:
        self._what = what
        self._total = total
        self._seconds = seconds
        self._is_terminal = sys.stderr.isatty()
        self.counts_orders: bool = self._is_terminal
        """Whether orders of steps are counted, which costs a look at each: for who watches."""
        self._shown_s = real_clock.monotonic()
        self._pause_s = _TERMINAL_S if self._is_terminal else _RECORD_S

    def __call__(self, found: Any) -> None:
        """Show it, if some time has passed."""
        now_s = real_clock.monotonic()
        if now_s - self._shown_s < self._pause_s:
            return
        self._shown_s = now_s
        told = self.record(found)
        if not self._is_terminal:
            sys.stderr.write(json.dumps({"simloop": told}) + "\n")
        else:
            # A line that wraps is not overwritten by the next one, but adds to them.
            width = get_terminal_size().columns - 1
            sys.stderr.write(f"\r{self.line(told)[:width]}\x1b[K")
        sys.stderr.flush()

    def record(self, found: Any) -> dict[str, Any]:
        """Return how far it is, as values of JSON; times in seconds."""
        new = max(0, found.ran - found.resumed)
        rate = new / found.seconds if found.seconds > 0 else 0.0
        lefts = []
        if self._total is not None and rate > 0:
            lefts.append(max(0, self._total - found.ran) / rate)
        if self._seconds is not None:
            lefts.append(max(0.0, self._seconds - found.seconds))
        told = {
            "done": found.ran,
            "of": self._total,
            "what": self._what,
            "per_second": round(rate, 1),
            "found": getattr(found, "found", len(found.failures)),
            "lost": len(found.lost),
            "seconds": round(found.seconds, 1),
            "left": round(min(lefts), 1) if lefts else None,
        }
        orders = getattr(found, "interleavings", None)
        return told if orders is None else {**told, "orders": orders}

    def line(self, told: dict[str, Any]) -> str:
        """Return how far it is, in words."""
        of = "" if told["of"] is None else f" of {count(told['of'])}"
        orders = f", {count(told['orders'])} orders of steps" if "orders" in told else ""
        lost = f", {told['lost']} lost" if told["lost"] else ""
        left = "" if told["left"] is None else f", {virtual(int(told['left']) * _NS)} left"
        return (
            f"{count(told['done'])}{of} {self._what}, {told['per_second']:.0f} a second{orders},"
            f" {told['found']} failure{'' if told['found'] == 1 else 's'}{lost}{left}"
        )

    def end(self) -> None:
        """Clear the line."""
        if self._is_terminal:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


def add_summary(title: str, report: str) -> None:
    """Add a report to the summary of GitHub's job, if this is one: a file that a variable names."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        text = f"### simloop: {title}\n\n```text\n{report}\n```\n\n"
        with suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


def check_journal(path: str | None, *, resume: bool) -> None:
    """Refuse to go on with a journal by mistake, and to resume where there is none.

    Raises:
        UsageError: That is so.
    """
    if path is None:
        if resume:
            raise UsageError("--resume goes on with a journal; name it: --journal FILE")
        return
    is_there = Path(path).exists()
    if is_there and not resume:
        raise UsageError(f"the journal {path} is there; --resume goes on with it")
    if resume and not is_there:
        raise UsageError(f"there is no journal {path} to go on with; leave --resume out")
