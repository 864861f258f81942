"""What tests of hosts share: programs that can be imported by their name."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def programs(monkeypatch):
    """Give the module of programs, as a program finds it that imports it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = importlib.import_module("hosted_programs")
    module.SEEN.clear()
    module.COUNT = 0
    return module
