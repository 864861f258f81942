"""What the tests of the house share: they read the sources, by hundreds of syntax trees."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_finalizers() -> Iterator[None]:
    """Collect nothing meanwhile.

    In CPython 3.11 a finalizer that runs in the middle of ``ast.parse`` can end it with a
    SystemError ("AST constructor recursion depth mismatch").
    """
    gc.disable()
    yield
    gc.enable()
