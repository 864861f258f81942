"""The explanation of a failure: what failed, what went otherwise, where two runs part, the replay.

Owns: the record and its text. The program is run twice for it, undisturbed and under the shrunk
schedule, with a log of its steps.

Must not know: how the failure was found.
"""

from __future__ import annotations

import linecache
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel.safe_looks import printable, text_of
from simloop._loop.asking.thing_names import timer_subject
from simloop.exploration.gates import ByKey
from simloop.exploration.program import quiet
from simloop.exploration.same_failure import identity_of, manner_of, place_of
from simloop.trace.labels import name_of

from .columns import Column, aligned, room, side_by_side
from .step_log import Place, Row, StepLog, place_of_caller, place_of_task
from .words import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simloop.exploration.explored_run import ExploredWorld, Ran
    from simloop.exploration.findings import Failure
    from simloop.exploration.gates import Key, RecordingGate

__all__ = ["Explanation", "end_of", "explain", "explanation_of"]

_TEXT_LINES = 12


@attrs.frozen
class Explanation:
    """What a failure is, in parts."""

    what: str
    """The error and its place."""
    source: str
    """The line of the program that raised it."""
    text: tuple[str, ...]
    """The first lines of the error's text."""
    deviations: tuple[str, ...]
    """What went otherwise, a sentence each."""
    plain: tuple[Row, ...]
    """The steps of the undisturbed run."""
    failing: tuple[Row, ...]
    """Those of the failing run."""
    end: str
    """How that one ended."""
    replay: str
    """What to call to see it again."""
    note: str = ""
    """What a reader must know of the strategy, and of an error that did not end the program."""
    moments_ns: tuple[int, ...] = ()
    """When each deviation came, in nanoseconds; -1 for one that took no time."""

    def pairs(self) -> list[tuple[Row | None, Row | None]]:
        """Return the steps of both runs side by side, from just before they part."""
        return aligned(Column("undisturbed", self.plain), Column("failing", self.failing))

    def __str__(self) -> str:
        lines = [self.what]
        if self.source:
            lines.append(f"    {self.source}")
        lines += [f"  {printable(line)}" for line in self.text]
        lines.append("")
        if self.deviations:
            count = len(self.deviations)
            lines.append(
                f"It fails when {'this' if count == 1 else f'these {count} things'}"
                f" happen{'s' if count == 1 else ''}:"
            )
            for number, each in enumerate(self.deviations, 1):
                lines += wrap(
                    f"  {number}. {printable(each)}", room(), subsequent_indent="     ",
                    break_long_words=False, break_on_hyphens=False,
                )  # fmt: skip
            plain = Column("undisturbed", self.plain)
            lines += ["", *side_by_side(plain, Column("failing", self.failing, self.end))]
        else:
            lines.append("It fails undisturbed: no delay is needed.")
        if self.note:
            lines += ["", *wrap(self.note, room())]
        return "\n".join([*lines, "", f"Replay: {self.replay}"])

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as values of JSON."""
        return attrs.asdict(self)


def explain(failure: Failure) -> str:
    """Return one screen of text that explains a failure."""
    return str(explanation_of(failure))


def explanation_of(failure: Failure) -> Explanation:
    """Run a program twice and return what its failure is."""
    plain = StepLog()
    failing = _FailingRun(failure)
    with quiet():
        permuted = failure.schedule.permuted
        failure.program.play(ByKey({}), permuted=permuted, watchers=(plain,))
        failing.run()
    error = failure.error
    frame = place_of(error)
    source = "" if frame is None else linecache.getline(frame.filename, frame.lineno or 0).strip()
    text = text_of(error).splitlines()
    return Explanation(
        what=f"{failure.program.name} fails: {manner_of(failure.kind)}{identity_of(error)}",
        source=source,
        text=tuple(text[:_TEXT_LINES]),
        deviations=tuple(failing.sentences()),
        plain=tuple(plain.rows),
        failing=tuple(failing.log.rows),
        end=end_of(failing.ran),
        replay=failure.program.replay_line.replace("{token}", failure.schedule.token),
        note=" ".join(_notes(failure, permuted=permuted)),
        moments_ns=tuple(failing.moments_ns()),
    )


def _notes(failure: Failure, *, permuted: bool) -> Iterator[str]:
    if manner_of(failure.kind):
        yield (
            "The error ended nothing: the program went on, and asyncio logs such a one. It counts"
            f" as a failure of the kind {failure.kind!r}, if failures= has that."
        )
    if permuted:
        yield "Ready callbacks were permuted: stricter than asyncio."


def end_of(ran: Ran) -> str:
    """Return when and how a run ended, in a line."""
    time = f"{ran.world.time_ns / 1e9:<9.6g}"
    if ran.error is None:
        return f"{time} the end"
    frame = place_of(ran.error)
    where = "" if frame is None else f" at {Path(frame.filename).name}:{frame.lineno}"
    manner = manner_of(ran.kind or "")
    return f"{time} {'the end; ' if manner else ''}{manner}{type(ran.error).__qualname__}{where}"


class _FailingRun:
    """The run under the shrunk schedule, in which each deviation is put into words."""

    ran: Ran

    def __init__(self, failure: Failure) -> None:
        self._failure = failure
        self._untils: dict[Key, str] = {}
        self._places: dict[Key, Place | None] = {}  # Of threads that were held.
        self.log = StepLog()
        self._gate: RecordingGate | None = None

    def run(self) -> None:
        schedule = self._failure.schedule
        given = ByKey({each.key: each.value for each in schedule.deviations})
        self.ran, self._gate = self._failure.program.play(
            given, permuted=schedule.permuted, watchers=(self.log,), prepare=self._prepare
        )

    def _prepare(self, world: ExploredWorld, gate: RecordingGate) -> None:
        def on_delayed(key: Key, now_ns: int, until_ns: int) -> None:
            del now_ns
            self._untils[key] = _due_at(world.kernel, until_ns)
            if key.kind == "preempt":  # A thread is asked about while it makes the call.
                self._places[key] = place_of_caller()

        gate.on_delayed = on_delayed

    def moments_ns(self) -> list[int]:
        """Return when each deviation came, or -1."""
        assert self._gate is not None
        spans = self._gate.spans
        return [spans.get(each.key, (-1, -1))[0] for each in self._failure.schedule.deviations]

    def sentences(self) -> list[str]:
        """Return a sentence for each deviation, with the time at which it came."""
        assert self._gate is not None
        spans, lines = self._gate.spans, []
        for each in self._failure.schedule.deviations:
            span = spans.get(each.key)
            at = "" if span is None else f"at {span[0] / 1e9:.6g} s "
            words = self._gate.words.get(each.key)  # Of what knows itself what it did: a fault.
            place, until = self._places.get(each.key), self._untils.get(each.key, "")
            if place is not None:
                until = f"{until}, in {place}" if until else f"in {place}"
            lines.append(at + (words or sentence(each, span, until)))
        return lines


def _due_at(kernel: Any, until_ns: int) -> str:
    """Return what a delay lasted until: the timer that is due then, or a nanosecond before."""
    for handle in kernel.wheel:
        if handle._callback is None or until_ns - handle._when_ns not in {0, 1}:
            continue
        what, task = timer_subject(handle)
        if task is None:
            continue
        past = "past" if until_ns > handle._when_ns else "until"
        place = place_of_task(task)
        return f"{past} the {what} of {name_of(task)}{f' in {place}' if place else ''}"
    return ""
