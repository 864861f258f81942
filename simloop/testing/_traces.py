"""Traces of tests: where the one of a marked test goes, and writing it.

Owns: what ``trace=`` of the mark may be, the names of files, and the line in a failure's report.

Must not know: how a test runs, and what is in a trace.
"""

from __future__ import annotations

import os
import re
import shlex
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from simloop._kernel.safe_looks import message_of
from simloop.world.tracing.trace_file import writing_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simloop.trace import EventFile
    from simloop.world import World

__all__ = ["line_of", "trace_path", "tracing", "with_error"]

_MARK = "simloop"
_FOLDER = ".simloop/traces"
_NAME_MAX = 150
_UNFIT = re.compile(r"[^\w.-]+")
"""What is not for names of files; two tests' parameters may differ in nothing else."""


def trace_path(item: pytest.Item) -> Path | None:
    """Return the file for the trace of a test, as its nearest mark says; None if none does."""
    given: Any = None
    for mark in item.iter_markers(_MARK):
        if "trace" in mark.kwargs:
            given = mark.kwargs["trace"]
            break
    if given is None or given is False:
        return None
    if given is True:
        given = _FOLDER
    if not isinstance(given, str | os.PathLike) or os.fspath(given) == "" or "\0" in str(given):
        pytest.fail(
            f"the mark {_MARK} of {item.nodeid} got trace={given!r}; it takes the path of a file"
            " that ends in .json, or of a folder, or True",
            pytrace=False,
        )
    path = item.config.rootpath / given
    if path.suffix != ".json":
        return path / file_name(item.nodeid)
    case = item.nodeid.partition("[")[2].removesuffix("]")
    return path.with_name(file_name(f"{path.stem}[{case}]")) if case else path


def file_name(nodeid: str) -> str:
    """Return the name of the file for a test's trace, in a folder; two tests never share one.

    >>> file_name("tests/test_chat.py::TestChat::test_it[a-b]")
    'tests-test_chat.py-TestChat-test_it-a-b.json'
    >>> file_name("tests/test_chat.py::TestChat::test_it[a/b]")
    'tests-test_chat.py-TestChat-test_it-a-b-01fba34e.json'
    """
    _, _, case = nodeid.partition("[")
    name = _UNFIT.sub("-", nodeid).strip("-")
    if _UNFIT.search(case.removesuffix("]")) or len(name) > _NAME_MAX:
        name = f"{name[-_NAME_MAX:]}-{zlib.crc32(nodeid.encode()):08x}"
    return f"{name}.json"


@contextmanager
def tracing(world: World, path: Path, name: str) -> Iterator[EventFile]:
    """Write what happens in a world to a file meanwhile.

    Args:
        world: The world.
        path: The file; its folder is made.
        name: The name of the test.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writing = writing_trace(world, str(path), name)
        file = writing.__enter__()
    except OSError as error:
        refusal = f"the trace of {name} can't be written to {str(path)!r}: {error}"
    else:
        try:
            yield file
        finally:
            writing.__exit__(None, None, None)
        return
    pytest.fail(refusal, pytrace=False)


def with_error(file: EventFile, error: BaseException | None) -> None:
    """Tell in a trace by which error the run ended, if by one."""
    if error is not None:
        file.tell(error=message_of(error), status=1)


def line_of(item: pytest.Item, path: Path) -> str:
    """Return the line of a report that says how a trace is drawn."""
    shown = os.path.relpath(path, item.config.invocation_params.dir)
    return f"trace: simloop show {shlex.quote(shown)}\n"
