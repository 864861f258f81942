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

__all__ = ["EDITORS", "is_editor_address", "page"]

EDITORS = {
    "vscode": "vscode://file{path}:{line}",
    "cursor": "cursor://file{path}:{line}",
    "pycharm": "pycharm://open?file={path}&line={line}",
    "idea": "idea://open?file={path}&line={line}",
    "zed": "zed://file{path}:{line}",
    "none": "",
}
"""Where editors open a line; a path has its leading slash."""

_NO_EDITORS = ("javascript", "data", "vbscript", "blob")
_SOURCE_MAX = 160
_SCRIPTS = ("model.js", "lanes.js", "canvas.js", "page.js")


def page(picture: Picture, *, editor: str = EDITORS["vscode"]) -> str:
    """Return the page for a picture, as the text of an HTML file.

    Args:
        picture: The run.
        editor: The address at which an editor opens a line, with ``{path}`` and ``{line}`` in it;
            empty for no links.
    """
    files = resources.files(__package__)
    title = f"{picture.about.get('program', 'a run')}, drawn by simloop"
    script = [(files / name).read_text("utf-8") for name in _SCRIPTS]
    parts = {
        "title": html.escape(title),
        "style": (files / "page.css").read_text("utf-8"),
        "data": _json({**_columns(picture), "editor": editor}),
        "script": "\n".join(script),
    }
    template = (files / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], template)


def is_editor_address(text: str) -> bool:
    """Return whether an address can be one at which an editor opens a file.

    Example:
        >>> is_editor_address("emacs://{path}?{line}"), is_editor_address("javascript:{path}")
        (True, False)
    """
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", text, re.IGNORECASE)
    return scheme is not None and scheme[1].lower() not in _NO_EDITORS and "{path}" in text


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
    columns |= _of_hosts(picture, text)
    columns["sources"] = _sources([each.where for each in steps] + [each.where for each in waits])
    columns["texts"] = list(text.numbers)
    columns["moments"] = list(moment.numbers)
    return columns


def _of_hosts(picture: Picture, text: _Table) -> dict[str, Any]:
    """Return the columns of what lies on the lanes of hosts."""
    packets, spells, moments = picture.packets, picture.spells, picture.moments
    return {
        "packets": {
            "kind": [text(each.kind) for each in packets],
            "source": [each.source for each in packets],
            "destination": [each.destination for each in packets],
            "from": [text(str(each.about.get("from", ""))) for each in packets],
            "to": [text(str(each.about.get("to", ""))) for each in packets],
            "bytes": [each.about.get("bytes", 0) for each in packets],
            "begins": [text(str(each.about.get("begins", ""))) for each in packets],
            "sender": [each.sender for each in packets],
            "taker": [each.taker for each in packets],
            "begin": [each.begin_us for each in packets],
            "end": [each.end_us for each in packets],
            "at": [each.ended_at for each in packets],
            "why": [text(each.why) for each in packets],
        },
        "spells": [
            [
                each.process,
                each.kind,
                each.state,
                each.begin_us,
                each.end_us,
                each.after,
                each.before,
            ]
            for each in spells
        ],
        "happenings": [
            [each.process, each.kind, each.text, each.at_us, each.step] for each in moments
        ],
    }


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
