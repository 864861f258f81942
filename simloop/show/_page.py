"""The page: a picture, its style and its script in one file.

Owns: the compact form in which the picture travels (columns, and each text and each moment once),
and putting the parts together. The page loads nothing: style, script and data are in it.

Invariant: nothing of a trace can end the block in which it lies, or become markup.
"""

from __future__ import annotations

import html
import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["page"]

_SOURCE_MAX = 160


def page(picture: Picture) -> str:
    """Return the page for a picture, as the text of an HTML file."""
    files = resources.files(__package__)
    title = f"{picture.about.get('program', 'a run')}, drawn by simloop"
    script = [(files / name).read_text("utf-8") for name in ("model.js", "canvas.js", "page.js")]
    parts = {
        "title": html.escape(title),
        "style": (files / "page.css").read_text("utf-8"),
        "data": _json(_columns(picture)),
        "script": "\n".join(script),
    }
    template = (files / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], template)


def _json(value: Any) -> str:
    """Write JSON that can stand in a script element."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _Table:
    """Values by number, each kept once."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self.numbers.setdefault(value, len(self.numbers))


def _columns(picture: Picture) -> dict[str, Any]:
    text, moment = _Table(), _Table()
    steps, waits, messages = picture.steps, picture.waits, picture.messages
    columns = {
        "about": picture.about,
        "end": picture.end_us,
        "processes": picture.processes,
        "tracks": [
            [each.process, each.name, each.coroutine, each.where, each.outcome]
            for each in picture.tracks
        ],
        "steps": {
            "track": [each.track for each in steps],
            "begin": [moment(each.begin_us) for each in steps],
            "end": [moment(each.end_us) for each in steps],
            "name": [text(each.name) for each in steps],
            "where": [text(each.where) for each in steps],
        },
        "waits": {
            "track": [each.track for each in waits],
            "begin": [moment(each.begin_us) for each in waits],
            "end": [moment(each.end_us) for each in waits],
            "reason": [text(each.reason) for each in waits],
            "where": [text(each.where) for each in waits],
            "after": [each.after for each in waits],
            "before": [each.before for each in waits],
        },
        "messages": {
            "kind": [text(each.kind) for each in messages],
            "from": [text(str(each.about.get("from", ""))) for each in messages],
            "to": [text(str(each.about.get("to", ""))) for each in messages],
            "bytes": [each.about.get("bytes", -1) for each in messages],
            "begins": [text(str(each.about.get("begins", ""))) for each in messages],
            "sender": [each.sender for each in messages],
            "taker": [each.taker for each in messages],
        },
    }
    columns["sources"] = _sources([each.where for each in steps] + [each.where for each in waits])
    columns["texts"] = list(text.numbers)
    columns["moments"] = list(moment.numbers)
    return columns


def _sources(places: list[str]) -> dict[str, str]:
    """Find the source line of each ``file:line``, as far as the files are here."""
    found: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    for place in dict.fromkeys(places):
        name, _, rest = place.partition(" in ")[0].rpartition(":")
        if not (name and rest.isdecimal()):
            continue
        if name not in files:
            files[name] = _lines(name)
        number = int(rest)
        if 0 < number <= len(files[name]) and (line := files[name][number - 1].strip()):
            found[place] = line[:_SOURCE_MAX]
    return found


def _lines(name: str) -> list[str]:
    try:
        return Path(name).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return []
