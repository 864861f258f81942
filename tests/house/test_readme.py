"""The README does what it says: its snippets run, and its commands are what CI runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

BLOCK = re.compile(
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$(?:\n+^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
SNIPPETS = [
    pytest.param(found["text"], found["output"], id=f"line{README[: found.start()].count(chr(10))}")
    for found in BLOCK.finditer(README)
    if found["language"] == "python"
]


def section(heading):
    """The text below a heading of the second level."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def test_there_are_snippets():
    """Each use has one."""
    assert len(SNIPPETS) >= 4


@pytest.mark.slow
@pytest.mark.parametrize(("source", "output"), SNIPPETS)
def test_a_snippet_runs(source, output, tmp_path):
    """A snippet runs as a file of its own, without a warning, and prints what is shown below it."""
    (tmp_path / "snippet.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "error", "snippet.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == (output or "")


@pytest.mark.parametrize(
    ("heading", "parts"),
    [
        ("A day in a second", ["'.[examples]'", "simloop run examples/day_in_the_life.py"]),
        ("Run the tests", ["'.[test]'", "pytest"]),
    ],
)
def test_a_command_is_one_line(heading, parts):
    """CI reads each command out of the first shell block below its heading: one line."""
    blocks = [found for found in BLOCK.finditer(section(heading)) if found["language"] == "sh"]
    (command,) = blocks[0]["text"].splitlines()
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
