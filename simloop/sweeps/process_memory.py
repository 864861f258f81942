"""How much memory a process has, and how much it may have.

Owns: reading ``/proc`` (proc(5)) and the limit on data (setrlimit(2)): since Linux 4.7 it holds for
every private writable mapping, not the heap alone.

Must not know: why. Where there is no ``/proc``, nothing is known and nothing is limited.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["limit_growth", "resident_bytes"]


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has in place, in bytes; 0 where that is not known."""
    return _pages(pid, 1)


def limit_growth(size: int) -> None:
    """Let this process have so many more bytes than it has, and no more; its allocations fail."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - of Unix

        data = _pages(os.getpid(), 5)
        if data:
            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            limit = data + size
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _pages(pid: int, field: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[field]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
