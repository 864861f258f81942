"""Fixtures of the tests between machines."""

from __future__ import annotations

import pytest

from .machines import Machines


@pytest.fixture
def machines():
    """Return a function that makes machines, which are closed after the test."""
    made = []

    def make(*more, **conditions):
        made.append(Machines(*more, **conditions))
        return made[-1]

    yield make
    for each in made:
        each.close()
