"""Exit statuses: what the command's number says.

Owns: the numbers. A program that ends by itself keeps its own status; ours start at 80, where few
programs have one.
"""

from __future__ import annotations

import enum

__all__ = ["ExitStatus"]


class ExitStatus(enum.IntEnum):
    """What the command's exit status means when the program did not choose it."""

    OK = 0  # The program ended and said nothing else.
    FAILED = 1  # The program ended by an exception; its traceback is on stderr.
    USAGE = 2  # The command was called wrongly, and nothing was run.
    DEADLOCK = 80  # Nothing in the program could ever run again; who waits for what is on stderr.
    LIMIT = 81  # The run passed --max-time or --max-steps, or spun without the clock moving.
    DIFFERS = 82  # --check: the second run was another one than the first.
    INTERRUPTED = 130  # By Ctrl-C, as a shell reports it.
