"""What the tests of disks share: a look at real files, which must be as they were."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SEEN = (HERE, HERE.parents[1] / "examples")
"""Folders of real files that runs read: the tests' own, and the programs that they run."""

LISTED = (HERE.parents[1], Path("/"))
"""Where a file would appear that a program writes by a relative path, or at the top."""


def checksums():
    """Each real file below those folders, with its mode and a checksum of its bytes."""
    return {
        str(path): (path.stat().st_mode, blake2b(path.read_bytes()).hexdigest())
        for folder in SEEN
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def names():
    """What lies in the folders that are only listed; hidden files are other tools'."""
    return {
        str(folder): sorted(path.name for path in folder.iterdir() if path.name[0] != ".")
        for folder in LISTED
        if folder.is_dir()
    }


@pytest.fixture(scope="module", autouse=True)
def _real_files_are_as_they_were():
    """Compare real files before and after the tests of each module, byte for byte."""
    before, there = checksums(), names()
    yield
    assert checksums() == before
    new = [name for folder, now in names().items() for name in now if name not in there[folder]]
    assert new == []
