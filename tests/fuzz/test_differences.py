"""What differs by design is told in the docs, and still differs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .by_design import BY_DESIGN

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "differences.md"


@pytest.mark.parametrize("difference", BY_DESIGN, ids=lambda difference: difference.name)
def test_what_differs_by_design_still_does(difference, check):
    """The example of each entry is answered otherwise, and that entry explains it."""
    assert check(difference.example) is difference


def test_the_page_tells_what_differs():
    """The page has a row for each entry of the list, and no others."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [difference.name for difference in BY_DESIGN]
