"""Drawing: whether a fault strikes, when, and of which shape.

Owns: the questions. In a run that is explored they pass the choice gate, under the kind of the
fault ("fault.crash") and the name of the host; 0 is no fault, and the plainest shape. Elsewhere
they are drawn from the world's random stream "faults".

When. A part of a campaign has four quarters, and a fault strikes in one of them: at its begin (at
a drawn moment of it, where the run is not explored), or when the world has come to the first,
second, third, fifth, ... moment since at which something was due. So it strikes where something
goes on, and not in the long silence between; a grid of times alone would hardly ever hit an
exchange of a few milliseconds.

Must not know: what a fault does.

Invariants: what is asked, and how often, does not depend on the answers before; a key means the
same fault when others are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = ["Draws", "options_of", "read_code"]

QUARTERS = 4
JUMPS = (0, 1, 2, 3, 5, 8, 13, 21)
"""Of how many moments at which something is due a fault waits for the last."""

_INTENSITIES = (0.0, 0.0, 0.05, 0.15, 0.4)
"""How likely a kind that is on strikes a host in a part of the campaign; one of them per run."""


def options_of(lengths: int) -> int:
    """Return how many answers there are to whether, when and for how long a fault strikes."""
    return 1 + QUARTERS * len(JUMPS) * lengths


def read_code(code: int) -> tuple[int, int, int]:
    """Return the quarter, the moments to wait for, and the index of the length, of an answer.

    Example:
        >>> read_code(1), read_code(2), read_code(options_of(3) - 1)
        ((0, 0, 0), (0, 1, 0), (3, 21, 2))
    """
    rest, jumps = divmod(code - 1, len(JUMPS))
    length, quarter = divmod(rest, QUARTERS)
    return quarter, JUMPS[jumps], length


class Draws:
    """What decides, for one campaign.

    Args:
        kernel: The world's gate and random streams.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._likely: dict[str, float] = {}

    @property
    def _random(self) -> Random:
        stream: Random = self._kernel.streams.stream("faults")
        return stream

    def draw_intensities(self, kinds: Sequence[str]) -> None:
        """Draw which kinds strike in this run, and how often: swarm testing (Groce et al., 2012).

        At least one does. A run that is explored has that drawn by its strategy.
        """
        if self._kernel.gate is not None or not kinds:
            return
        self._likely = {kind: self._random.choice(_INTENSITIES) for kind in kinds}
        if not any(self._likely.values()):
            self._likely[self._random.choice(kinds)] = _INTENSITIES[-1]

    def each(self, kind: str, hosts: Sequence[Any], options: int) -> list[tuple[Any, int, Any]]:
        """Ask for each host whether a fault strikes; return the hosts that it does, and how.

        The third is what takes what came of it, in words.
        """
        gate = self._kernel.gate
        if gate is not None:
            return [found for host in hosts if (found := _ask(gate, kind, host, options))[1]]
        draw, likely = self._random, self._likely.get(kind, 0.0)
        return [
            (host, draw.randrange(1, options), None) for host in hosts if draw.random() < likely
        ]

    def one(self, kind: str, hosts: Sequence[Any], options: int) -> list[tuple[Any, int, Any]]:
        """Draw the one host that a fault strikes; the same, with one or none."""
        gate = self._kernel.gate
        if gate is None:
            draw = self._random
            return [(draw.choice(hosts), draw.randrange(1, options), None)] if hosts else []
        found: list[tuple[Any, int, Any]] = []
        for host in hosts:  # All are asked, so that each keeps its count.
            asked = _ask(gate, kind, host, options)
            if asked[1] and found:
                gate.withdraw()
            elif asked[1]:
                found.append(asked)
        return found

    def offset(self, quarter_ns: int) -> int:
        """Return how long after the begin of its quarter a fault may strike, at the earliest."""
        return 0 if self._kernel.gate is not None else self._random.randrange(quarter_ns)

    def which(self, name: str, options: int) -> tuple[int, Any]:
        """Return one of several shapes of a fault, of which 0 is the plainest; and the same."""
        gate = self._kernel.gate
        if gate is None:
            return self._random.randrange(options), None
        picked = gate.ask("fault.shape", name, options)
        return picked, gate.teller() if picked else None


def _ask(gate: Any, kind: str, host: Any, options: int) -> tuple[Any, int, Any]:
    code = gate.ask(f"fault.{kind}", host.name, options)
    return host, code, gate.teller() if code else None
