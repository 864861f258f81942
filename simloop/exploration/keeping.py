"""Keeping: found schedules in a folder, which are tried first the next time.

Owns: the folder ``.simloop``, one JSON file for each schedule, named after its program and its
token's hash.

Must not know: explorations.

Invariants: what cannot be read is left alone; a schedule under which the program does not fail any
more is forgotten, and no other file is touched.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from simloop.errors import UsageError

from .schedules.schedule import Schedule

if TYPE_CHECKING:
    from .findings import Found

__all__ = ["FOLDER", "KeptSchedules"]

FOLDER = ".simloop"
"""What the folder is called."""


class KeptSchedules:
    """The schedules that were found for one program.

    Args:
        folder: Where they are kept; made when there is one.
        program: What the program is called.

    Example:
        >>> KeptSchedules("/no/such/folder", "module:main").load()
        []
    """

    def __init__(self, folder: str | os.PathLike[str], program: str) -> None:
        self._folder = Path(folder)
        self._stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", program).strip("-.") or "program"

    def check(self) -> None:
        """Refuse a folder that could not be made or written, before the work of finding is lost.

        Raises:
            UsageError: It is such.
        """
        there = next(
            each
            for each in (self._folder, *self._folder.absolute().parents)
            if os.path.lexists(each)
        )
        if not there.is_dir() or not os.access(there, os.W_OK):
            why = "is no folder" if not there.is_dir() else "can't be written to"
            raise UsageError(f"schedules can't be kept in {self._folder}: {there} {why}")

    def load(self) -> list[Schedule]:
        """Return the schedules, in the order of their names."""
        schedules = []
        for path in sorted(self._folder.glob(f"{self._stem}@*.json")):
            with suppress(UsageError, OSError):
                schedules.append(Schedule.load(path))
        return schedules

    def path_of(self, schedule: Schedule) -> Path:
        """Return where a schedule is kept."""
        digest = blake2b(schedule.token.encode(), digest_size=4).hexdigest()
        return self._folder / f"{self._stem}@{digest}.json"

    def update(self, tried: list[Schedule], found: Found) -> list[Path]:
        """Keep what was found, and forget what was tried and does not fail any more.

        Returns:
            Where each failure's schedule is.
        """
        paths = []
        for failure in found.failures:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self.path_of(failure.schedule)
            failure.schedule.save(path)
            paths.append(path)
        still = [failure.original.deviations for failure in found.failures]
        for schedule in tried[: max(0, found.ran - 1)]:
            path = self.path_of(schedule)
            if schedule.deviations not in still and path not in paths:
                path.unlink(missing_ok=True)
        return paths
