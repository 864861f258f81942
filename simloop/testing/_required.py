"""Properties that a test requires: each must be true at some time in its runs.

Owns: reading ``require=`` of the marks, and failing the test by a line that needs no frames.

Must not know: how the test was run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simloop.errors import PropertyError
from simloop.exploration.properties.tallies import demand

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simloop.exploration.properties.tallies import Tally

__all__ = ["demand_of_test", "required_of"]

_MARK = "simloop"


def required_of(item: pytest.Item) -> list[str]:
    """Return the properties that a test's marks require to be true, the furthest mark's first."""
    names: list[str] = []
    for mark in reversed(list(item.iter_markers(_MARK))):
        given = mark.kwargs.get("require", ())
        if isinstance(given, str) or not all(isinstance(name, str) for name in given):
            pytest.fail(
                f"the mark {_MARK} of {item.nodeid} got require={given!r};"
                " it takes a list of names",
                pytrace=False,
            )
        names += given
    return list(dict.fromkeys(names))


def demand_of_test(total: Mapping[str, Tally], names: Iterable[str]) -> None:
    """Fail the test if one of these properties was never true."""
    try:
        demand(total, names)
    except PropertyError as error:
        refusal = str(error)
    else:
        return
    pytest.fail(refusal, pytrace=False)
