"""The folder for temporary files, found without a trial: a run's files have the same numbers.

Owns: which of the folders that :mod:`tempfile` has in mind may be written to on a disk. Python
makes a file in one to find out, once in a process: in whatever run that was, each later file had
another inode than in the next, and the folder another time.

Must not know: what is made in it.
"""

from __future__ import annotations

import errno
import os
import sys

from simloop._sandbox.entropy import first_use

from .callers import calls_of_paths

__all__: list[str] = []


def _find() -> str | None:
    """Return the first that may be written to, as ``tempfile`` tries them; None without a disk.

    Raises:
        FileNotFoundError: There is none.
    """
    if calls_of_paths() is None:
        return None
    candidates: list[str] = sys.modules["tempfile"]._candidate_tempdir_list()
    for each in candidates:
        folder = each if each == os.curdir else os.path.abspath(each)  # noqa: PTH100 - as it does
        if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):  # noqa: PTH112 - the same
            return folder
    raise FileNotFoundError(errno.ENOENT, f"No usable temporary directory found in {candidates}")


first_use.find_temporary_folder = _find
