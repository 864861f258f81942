"""Two runs beside each other, from their first difference on.

Owns: where two pictures part, that both begin there, and the page of the two. The page loads
nothing, as each picture's.

Must not know: how the runs came about.
"""

from __future__ import annotations

import html
import re
from importlib import resources
from typing import TYPE_CHECKING

from ._page import EDITORS, page

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["begin_where_they_part", "pair_page"]


def pair_page(
    one: Picture, other: Picture, names: tuple[str, str], *, editor: str = EDITORS["vscode"]
) -> str:
    """Return the page of two runs, as the text of an HTML file.

    Args:
        one: A run.
        other: Another one; both are given the step at which they part.
        names: What they are called.
        editor: Where an editor opens a line, as :func:`page` takes it.
    """
    files = resources.files(__package__)
    parted = begin_where_they_part(one, other)
    parts = {
        "title": html.escape(f"{names[0]} and {names[1]}, drawn by simloop"),
        "what": html.escape(f"{names[0]} and {names[1]}"),
        "style": (files / "page.css").read_text("utf-8") + (files / "pair.css").read_text("utf-8"),
        "parted": html.escape(_told(one, other, parted, names)),
        "first": html.escape(names[0]),
        "second": html.escape(names[1]),
        "one": html.escape(page(one, editor=editor)),
        "other": html.escape(page(other, editor=editor)),
    }
    template = (files / "pair.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], template)


def begin_where_they_part(one: Picture, other: Picture) -> int | None:
    """Have two pictures begin at their first step that is not the same in both.

    Returns:
        Its number, counted from 0; None if both have the same steps at the same times.
    """
    sides = [_steps(one), _steps(other)]
    shorter = min(map(len, sides))
    parted = next((at for at in range(shorter) if sides[0][at] != sides[1][at]), shorter)
    if parted == len(sides[0]) == len(sides[1]):
        times = [[each.begin_us for each in picture.steps] for picture in (one, other)]
        late = (at for at in range(shorter) if times[0][at] != times[1][at])
        parted = next(late, -1)
    for picture, steps in zip((one, other), sides, strict=True):
        picture.about["focus"] = min(max(parted, 0), len(steps) - 1)
    return None if parted < 0 else parted


def _steps(picture: Picture) -> list[tuple[str, str, str]]:
    """Return what each step is; where its file lies is no difference."""
    return [
        (
            picture.tracks[each.track].name,
            each.name,
            each.where.replace("\\", "/").rpartition("/")[2],
        )
        for each in picture.steps
    ]


def _told(one: Picture, other: Picture, parted: int | None, names: tuple[str, str]) -> str:
    """Say where two runs part."""
    if parted is None:
        return "Both runs took the same steps at the same times."
    sides = []
    for picture, name in zip((one, other), names, strict=True):
        if parted >= len(picture.steps):
            sides.append(f"{name} had ended")
            continue
        step = picture.steps[parted]
        where = step.where.rpartition("/")[2]
        track = picture.tracks[step.track]
        who = track.name
        if len(picture.processes) > 1:
            who = f"{who} on {picture.processes[track.process]}"
        sides.append(f"in {name}, {who} ran {where or step.name} at {step.begin_us / 1e6:.9g} s")
    return f"They part at step {parted + 1:,}: {'; '.join(sides)}."
