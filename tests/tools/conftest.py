"""Tests of other people's tools beside a run; the client of the debug protocol is next to them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
