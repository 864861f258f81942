"""A schedule: the few deviations that made a run what it was, and under what they were made.

Owns: the record, its file (JSON with a version), and its token (see :mod:`.token`).

Must not know: how a run is made of it.

Invariants: a deviation's value is above 0; what is saved and loaded is equal; a file or a token
that is damaged, of another format or of a later version is refused.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs

import simloop
from simloop.errors import UsageError
from simloop.exploration.delays import Delays
from simloop.exploration.gates import Key

__all__ = ["Deviation", "Schedule"]

FORMAT = "simloop schedule"
VERSION = 1


@attrs.frozen
class Deviation:
    """One thing that went otherwise than undisturbed.

    Example:
        >>> print(Deviation("stall", "Task-2 (worker)", 1, 1))
        stall, Task-2 (worker), time 1: 1
    """

    kind: str
    """What sort of decision it is ("stall", "late", "hold", "order", ...)."""
    name: str
    """What it is about, named alike in every run."""
    nth: int
    """How many times this was asked about this thing, this time included."""
    value: int
    """What was answered, a delay code or the index of an option."""

    @property
    def key(self) -> Key:
        """What the deviation is kept under."""
        return Key(self.kind, self.name, self.nth)

    def __str__(self) -> str:
        return f"{self.kind}, {self.name or 'the start'}, time {self.nth}: {self.value}"


def _sorted(deviations: Any) -> tuple[Deviation, ...]:
    return tuple(deviations)


@attrs.frozen
class Schedule:
    """What to do to a program so that it runs the same way again.

    Example:
        >>> import simloop
        >>> late = simloop.Deviation("late", "sleep of Task-1 (main)", 1, 90)
        >>> schedule = simloop.Schedule([late])
        >>> simloop.Schedule.of_token(schedule.token).token == schedule.token
        True
    """

    deviations: tuple[Deviation, ...] = attrs.field(default=(), converter=_sorted)
    """What went otherwise, in the order in which it came."""
    delays: Delays = attrs.field(factory=Delays, kw_only=True)
    """The caps under which it was found."""
    options: dict[str, Any] = attrs.field(factory=dict, kw_only=True)
    """The options of the run that were given, its seed among them."""
    program: str = attrs.field(default="", kw_only=True)
    """The program, ``module:function``."""
    error: str = attrs.field(default="", kw_only=True)
    """How it failed, by the error's type and place, and its text; "" if it did not."""
    digest: str = attrs.field(default="", kw_only=True)
    """The digest of that run; "" where it is not known."""
    strategy: str = attrs.field(default="", kw_only=True)
    """What found it."""
    permuted: bool = attrs.field(default=False, kw_only=True)
    """Whether ready callbacks were permuted, which asyncio runs first in, first out."""
    hashed: dict[str, int] = attrs.field(factory=dict, kw_only=True, repr=False)
    """Deviations of which a token gave no more than a hash, in hexadecimal digits."""

    @property
    def token(self) -> str:
        """The schedule as one short word, to be pasted into an issue or a command."""
        from .token import token_of  # noqa: PLC0415 - it makes schedules, too

        return token_of(self)

    @classmethod
    def of_token(cls, token: str) -> Schedule:
        """Return the schedule that a token stands for.

        Raises:
            UsageError: It is no whole token.
        """
        from .token import schedule_of_token  # noqa: PLC0415 - as above

        return schedule_of_token(token)

    def save(self, path: str | Path) -> None:
        """Write the schedule to a file, as JSON."""
        text = json.dumps(self.to_json(), indent=2, sort_keys=False, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """Return the schedule as values of JSON."""
        record = attrs.asdict(self)
        if not self.hashed:
            del record["hashed"]
        return {"format": FORMAT, "version": VERSION, "simloop": simloop.__version__, **record}

    @classmethod
    def load(cls, path: str | Path) -> Schedule:
        """Read a schedule from a file.

        Raises:
            UsageError: The file holds none, or one of a later version.
            OSError: It cannot be read.
        """
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"Schedule.load({path!r}): it takes the path of a file")
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{path} holds no schedule: it is no JSON ({error})") from None
        return cls.from_json(record, str(path))

    @classmethod
    def from_json(cls, record: Any, source: str = "the record") -> Schedule:
        """Return the schedule that values of JSON describe.

        Raises:
            UsageError: They describe none, or one of a later version.
        """
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise UsageError(f"{source} holds no schedule: there is no 'format': {FORMAT!r} in it")
        if record.get("version") != VERSION:
            raise UsageError(
                f"{source} holds a schedule of version {record.get('version')!r}, and this simloop"
                f" ({simloop.__version__}) reads version {VERSION}; replay it with the simloop that"
                f" wrote it ({record.get('simloop', 'unknown')}), or explore again"
            )
        names = [field.name for field in attrs.fields(cls)]
        try:
            values = {name: record[name] for name in names if name in record}
            values["deviations"] = [Deviation(**each) for each in record["deviations"]]
            values["delays"] = Delays(**record["delays"])
        except (KeyError, TypeError) as error:
            raise UsageError(f"{source} holds a schedule that is damaged: {error!r}") from None
        texts = ("program", "error", "digest", "strategy")
        for name in texts:
            if not isinstance(values.get(name, ""), str):
                raise UsageError(f"{source} holds a schedule that is damaged: {name} is no text")
        if not isinstance(values.get("options", {}), dict):
            raise UsageError(f"{source} holds a schedule that is damaged: options are no names")
        return cls(**values)
