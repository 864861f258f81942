"""What ``simloop explore`` writes of a finding beside its report: a page, and JSON.

Owns: running both runs again with traces. Must not know how pages look.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from simloop._kernel.safe_looks import message_of
from simloop.exploration.explaining import explanation_of
from simloop.exploration.gates import ByKey
from simloop.exploration.program import quiet
from simloop.show import finding_page, read
from simloop.world.tracing.trace_file import writing_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simloop.exploration import Failure
    from simloop.exploration.explored_run import ExploredWorld
    from simloop.show import Picture
    from simloop.trace import EventFile

__all__ = ["write_json", "write_page"]


def write_page(failure: Failure, path: str) -> None:
    """Write the page of a failure.

    Raises:
        OSError: It can't be written.
    """
    deviations = {each.key: each.value for each in failure.schedule.deviations}
    with tempfile.TemporaryDirectory(prefix="simloop-page-") as folder:
        plain = _traced(failure, ByKey({}), Path(folder, "plain.json"))
        failing = _traced(failure, ByKey(deviations), Path(folder, "failing.json"))
    text = finding_page(explanation_of(failure), plain, failing)
    Path(path).write_text(text, encoding="utf-8")


def write_json(failures: Sequence[Failure], path: str) -> None:
    """Write what explains failures, as JSON: a list of objects.

    Raises:
        OSError: It can't be written.
    """
    told = [
        {**explanation_of(each).to_json(), "token": each.schedule.token, "found_at": each.found_at}
        for each in failures
    ]
    Path(path).write_text(json.dumps(told, indent=1), encoding="utf-8")


def _traced(failure: Failure, pick: ByKey, path: Path) -> Picture:
    program = failure.program
    with ExitStack() as stack:
        files: list[EventFile] = []

        def prepare(world: ExploredWorld, _gate: object) -> None:
            files.append(stack.enter_context(writing_trace(world, str(path), program.name)))

        with quiet():
            ran, _ = program.play(pick, permuted=failure.schedule.permuted, prepare=prepare)
        if ran.error is not None:
            files[0].tell(error=message_of(ran.error))
    return read(path)
