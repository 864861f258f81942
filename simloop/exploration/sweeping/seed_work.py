"""Seeds as the work of a sweep: each number is a seed of one program's world.

Owns: running a seed, and what is told of one that failed.

Must not know: other workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._sandbox import Disturbed
from simloop.exploration.properties.tallies import add_up
from simloop.exploration.same_failure import identity_of
from simloop.world.fresh.fresh_process import is_good_exit
from simloop.world.running import run_in
from simloop.world.world import World, world_of

from .kept_world import KeptWorld
from .schedule_work import error_line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from simloop.exploration.properties.tallies import Tally
    from simloop.world.run_options import RunOptions

__all__ = ["SeedWork"]


class SeedWork:
    """The seeds of one sweep.

    Args:
        main: The program.
        options: Of its runs, but for the seed.
        seeds: The seeds; the first is number 1.
    """

    def __init__(
        self,
        main: Callable[[], Coroutine[Any, Any, Any]],
        options: RunOptions,
        seeds: Sequence[int | str],
    ) -> None:
        self._main = main
        self._options = options
        self._seeds = seeds
        self._tallies: dict[str, Tally] = {}
        self._detail: dict[str, Any] = {}
        self._kept: KeptWorld[World] = KeptWorld(
            lambda seed: world_of("sweep()", options._replace(seed=seed)), World.renew, options
        )

    def open(self) -> None:
        """Do nothing: a seed depends on nothing else."""

    def skip_to(self, number: int) -> None:
        """Do nothing."""

    def run(self, number: int) -> str | None:
        """Run a seed; return how it failed."""
        if number > len(self._seeds):
            return None
        seed = self._seeds[number - 1]
        error = self._error_of(seed)
        if error is None or is_good_exit(error):
            return ""
        if isinstance(error, MemoryError):
            raise error
        self._detail = {"seed": seed, "error": error_line(error)}
        return str(identity_of(error))

    def _error_of(self, seed: int | str) -> BaseException | None:
        world = self._kept.take(seed)
        error = None
        with Disturbed(world.kernel.limits):
            try:
                run_in(world, self._main(), self._options)
            except KeyboardInterrupt:
                raise
            except BaseException as caught:  # noqa: BLE001 - whatever ended the program is its outcome
                error = caught
        if world.properties is not None:
            add_up(self._tallies, world.properties.tallies())
        return error

    def detail(self) -> dict[str, Any]:
        """Return the seed that failed, and its error."""
        return self._detail

    def take_tallies(self) -> dict[str, tuple[str, int, int]]:
        """Return the sums over properties since the last call."""
        tallies, self._tallies = self._tallies, {}
        return {name: (each.kind, each.asked, each.true) for name, each in tallies.items()}

    def refine(self, detail: dict[str, Any]) -> dict[str, Any]:
        """Return the detail: a seed is as small as it is."""
        return detail

    def run_told(self, number: int, tell: Callable[[Any], object]) -> str | None:
        """Run a seed: all that is to be told of it is its number."""
        del tell
        return self.run(number)
