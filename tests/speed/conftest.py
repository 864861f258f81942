"""The accelerator's tests: both engines in one process, one after the other."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

import simloop.world  # noqa: F401 - which puts the twins in place
from simloop import _speed


@contextmanager
def engine(*, accelerated: bool):
    """Have one engine meanwhile."""
    before = _speed.is_on()
    _speed.switch(on=accelerated)
    try:
        yield
    finally:
        _speed.switch(on=before)


@pytest.fixture
def both(nothing_is_left):
    """Give a function that calls another one under each engine, and returns both results."""
    if _speed.twins is None:
        pytest.skip("the accelerator is not built")

    def call(function, *args):
        with engine(accelerated=False):
            plain = function(*args)
        with engine(accelerated=True):
            fast = function(*args)
        return plain, fast

    return call


@pytest.fixture
def accelerated(nothing_is_left):
    """Have the accelerator on."""
    if _speed.twins is None:
        pytest.skip("the accelerator is not built")
    with engine(accelerated=True):
        yield
