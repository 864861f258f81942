"""The page that compares us names the versions of our neighbours that we test with."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "comparison.md"
if not PAGE.exists():
    pytest.skip("the documentation is not beside these tests", allow_module_level=True)

NEIGHBOURS = ("async-solipsism", "looptime", "pytest-asyncio", "trio's MockClock", "seedloop")


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_the_version_is_the_one_that_is_installed(name):
    """A column's head names a version; where that project is installed, it is of this version."""
    found = re.search(rf"\| {re.escape(name)} (\d+(?:\.\d+)+) \|", PAGE.read_text(encoding="utf-8"))
    assert found, name
    try:
        installed = metadata.version(name.partition("'")[0])
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    written = found[1].split(".")
    assert installed.split(".")[: len(written)] == written
