"""The README does what it says: its commands are what CI runs, its links lead somewhere.

Its snippets run with those of the other pages, in tests/docs.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(heading):
    """The text below a heading of the second level."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize(
    ("heading", "parts"),
    [
        ("A day in a second", ["'.[examples]'", "simloop run examples/day_in_the_life.py"]),
        ("Run the tests", ["'.[test]'", 'pytest -n auto -m "not slow"']),
    ],
)
def test_a_command_is_one_line(heading, parts):
    """CI reads each command out of the first shell block below its heading: one line."""
    (command,) = SHELL.findall(section(heading))[0].splitlines()
    assert command.startswith("python -m venv .venv && .venv/bin/pip install ")
    assert all(part in command for part in parts)


def test_links_lead_somewhere():
    """Each file that the README links to is there."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_closing_line_is_as_the_command_writes_it():
    """The line that the README shows has the form that the command's tests pin."""
    assert re.search(
        r"^simloop: 1 day 0:00:00\S* virtual in \d\.\d\d s real, [\d,]+ steps, seed 0,"
        r" digest [0-9a-f]{32}$",
        section("A day in a second"),
        re.MULTILINE,
    )
