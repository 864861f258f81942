"""Make the badges of README.md: what pyproject.toml says of the project, as images of our own.

Owns: their texts and their drawing. Nothing is asked of a server, so they say what is true of the
files beside them. Run it in the project's folder after a change of pyproject.toml::

    python .ci/badges.py

That they are up to date is held by ``tests/house/test_project_files.py``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images"
_CHARACTER = 6.6
_PADDING = 14


def badges() -> dict[str, str]:
    """Return each badge's file name, and its text as SVG."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = content["project"]
    marks = [each.rpartition(" :: ")[2] for each in project["classifiers"]]
    versions = [each for each in marks if each.startswith("3.")]
    told = {
        "python": ("python", f"{versions[0]} to {versions[-1]}", "#1f5fbf"),
        "license": ("license", project["license"], "#4d7a2c"),
    }
    if content["tool"]["mypy"].get("strict"):
        told["types"] = ("types", "mypy --strict", "#6a4bb0")
    if content["tool"]["ruff"]["lint"]["select"] == ["ALL"]:
        told["lint"] = ("ruff", "all rules", "#8a5a00")
    return {f"badge-{name}.svg": _drawn(*words) for name, words in told.items()}


def _drawn(left: str, right: str, color: str) -> str:
    one, other = (round(len(each) * _CHARACTER + _PADDING) for each in (left, right))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{one + other}" height="20" role="img"'
        f' aria-label="{left}: {right}"><title>{left}: {right}</title>'
        f'<rect width="{one + other}" height="20" rx="3" fill="#444c56"/>'
        f'<path d="M{one} 0h{other - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1 -3 3h-{other - 3}z"'
        f' fill="{color}"/><g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif"'
        f' font-size="11" text-anchor="middle"><text x="{one / 2}" y="14">{left}</text>'
        f'<text x="{one + other / 2}" y="14">{right}</text></g></svg>\n'
    )


if __name__ == "__main__":
    for name, text in badges().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
