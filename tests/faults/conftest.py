"""The programs of this folder, found by their name."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def replicated(monkeypatch):
    """Give the module of small distributed programs."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("replicated")
