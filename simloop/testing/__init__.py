"""Tests in virtual time, in whatever framework: pytest, unittest, plain functions.

The pytest plugin registers itself as ``simloop_engine`` when the distribution is installed: mark
an ``async def`` test with ``@pytest.mark.simloop``. For unittest there is :class:`SimTestCase`,
and :func:`virtual_time` makes a plain function of an async one, for everything else.
"""

from __future__ import annotations

from ._case import SimTestCase
from ._decorator import virtual_time

__all__ = ["SimTestCase", "virtual_time"]
