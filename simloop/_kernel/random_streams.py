"""Random streams: independent sources drawn from one seed, by name.

Owns: how a seed becomes sources of random numbers. Each purpose (the schedule, the network, the
program's own ``random``) has a stream of its own, so that one more draw in one moves no other.

Invariants: a stream depends on the seed and its name only: not on hashing, on the process, or on
which streams were asked for before.
"""

from __future__ import annotations

import _random
import random
from hashlib import sha512

__all__ = ["RandomStreams"]

_seed = _random.Random.seed  # The one in C.

# The first seed of a process that is a text imports what it is hashed by (Lib/random.py, Python
# 3.14): here, and not in the middle of a run, which would be another one than the next.
random.Random("")  # noqa: S311 - nothing is drawn from it


class RandomStreams:
    """The named random streams of one seed.

    Args:
        seed: Any integer or string; the same seed gives the same streams everywhere.

    Example:
        >>> streams = RandomStreams(7)
        >>> streams.stream("network") is streams.stream("network")
        True
        >>> streams.stream("network").random() == RandomStreams(7).stream("network").random()
        True
    """

    __slots__ = ("_streams", "seed")

    def __init__(self, seed: int | str) -> None:
        self.seed: int | str = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, name: str) -> random.Random:
        """Return the stream of that name, made on first use."""
        stream = self._streams.get(name)
        if stream is None:
            # Seeding with a string hashes it by SHA-512, the same way in every process.
            stream = self._streams[name] = random.Random(f"{self.seed}/{name}")  # noqa: S311 - a simulation
        return stream

    def begin(self, generator: random.Random, name: str) -> None:
        """Put a generator into the state in which the stream of that name begins, in all but gauss.

        Args:
            generator: Any; making one costs as much again as seeding it.
            name: Of the stream, which is not made.
        """
        # As `Random.seed` does it with a string (CPython Lib/random.py), and not by calling that:
        # it is asked in the middle of a run, and at its first call it imports what it hashes by.
        named = f"{self.seed}/{name}".encode()
        _seed(generator, int.from_bytes(named + sha512(named).digest(), "big"))
