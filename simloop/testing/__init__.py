"""Tests in virtual time, in whatever framework: pytest, unittest, plain functions.

The pytest plugin registers itself as ``simloop_engine`` when the distribution is installed: mark
an ``async def`` test with ``@pytest.mark.simloop``. For unittest there is :class:`SimTestCase`,
and :func:`virtual_time` makes a plain function of an async one, for everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._case import SimTestCase
    from ._clock import Clock
    from ._decorator import virtual_time

__all__ = ["Clock", "SimTestCase", "virtual_time"]


if not TYPE_CHECKING:  # Or a checker takes any name for one of ours.

    def __getattr__(name: str) -> object:
        """Import what is asked for: pytest loads this package in every run, for the plugin."""
        if name == "SimTestCase":
            from ._case import SimTestCase  # noqa: PLC0415 - the point of this function

            return SimTestCase
        if name == "Clock":
            from ._clock import Clock  # noqa: PLC0415 - the same

            return Clock
        if name == "virtual_time":
            from ._decorator import virtual_time  # noqa: PLC0415 - the same

            return virtual_time
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
