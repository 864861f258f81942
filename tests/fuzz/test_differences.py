"""What differs by design is told in the docs, and still differs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .by_design import BY_DESIGN, LOOP_DESIGN, is_upgrade_old
from .stream_programs import Streams

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "differences.md"

# Programs leave transports open, as both arms do.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.mark.parametrize("difference", BY_DESIGN, ids=lambda difference: difference.name)
def test_what_differs_by_design_still_does(difference, check):
    """The example of each entry is answered otherwise, and that entry explains it."""
    assert check(difference.example) is difference


@pytest.mark.parametrize("difference", LOOP_DESIGN, ids=lambda difference: difference.name)
def test_what_differs_of_the_loop_still_does(difference, check_loop):
    """So is the example of each entry of the loop's, on a Python that has the older way."""
    assert check_loop(Streams, difference.example) is (difference if is_upgrade_old() else None)


def test_the_page_tells_what_differs():
    """The page has a row for each entry of the list, and no others."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [difference.name for difference in [*BY_DESIGN, *LOOP_DESIGN]]
