"""The trace: a run on its way to a file that Perfetto and ``simloop show`` open.

Owns: putting watcher, file and world together, and the file's end however the run ends.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simloop._loop.diagnosis.wait_summary import summary_of
from simloop._version import __version__
from simloop.trace import ChromeTrace, EventFile

from .host_states import host_states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simloop.world import World

__all__ = ["writing_trace"]


@contextmanager
def writing_trace(world: World, path: str, program: str) -> Iterator[EventFile]:
    """Write what happens in a world to a file meanwhile.

    Raises:
        OSError: The file can't be opened. If it can't be written to later, the run goes on, and
            the error is the file's.
    """
    about = {"simloop": __version__, "program": program, "seed": world.seed, "complete": False}
    file = EventFile(Path(path), about)
    trace = ChromeTrace(
        file,
        lambda: world.time_ns,
        lambda: world.network.fabric.receiver,
        summary_of,
        lambda: host_states(world),
    )
    world.watch(trace)
    try:
        yield file
    finally:
        world.unwatch(trace)
        trace.close(world.time_ns)
        file.tell(complete=True, steps=world.steps)
        file.close()
