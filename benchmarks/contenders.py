"""Who is measured: the subject, its peers, and what each of them can do.

Owns: how a contender's loop is made, and how it runs a tiny program in a world of its own. A peer
that is not installed is left out. Abilities are declared, not found out by failing: an error in a
workload is an error of the benchmark.
"""

from __future__ import annotations

import asyncio
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Program = Callable[[], Coroutine[Any, Any, object]]

__all__ = ["BARE", "SUBJECT", "Contender", "available"]

SUBJECT = "simloop"
BARE = "bare"
"""The name under which floors are told: the same Python work with no loop."""

_SOCKETS = ("tcp", "crowd", "udp", "unix", "tls", "http")


@attrs.frozen
class Contender:
    """A loop to be measured.

    Attributes:
        name: What the tables call it.
        distribution: What installs it; "" for the standard library.
        module: What a user imports.
        abilities: What it can do, of: loop, far (deadlines cost no waiting), tcp, crowd
            (thousands of connections in reasonable time), udp, unix, tls, http, runs (worlds of
            their own), import.
        make_loop: Makes a loop.
        run_world: Runs a program in a new world of the given seed.
        run_digest: The same, with a hash over everything that it did.
    """

    name: str
    distribution: str
    module: str
    abilities: tuple[str, ...]
    make_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    run_world: Callable[[Program, int], object] | None = None
    run_digest: Callable[[Program, int], object] | None = None

    def can(self, needs: tuple[str, ...]) -> bool:
        """Tell whether it can do a workload with these needs."""
        return all(need in self.abilities for need in needs)

    def version(self) -> str:
        """Return the version of what is installed; "" for the standard library."""
        return metadata.version(self.distribution) if self.distribution else ""

    def run(self, program: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine on a new loop, and close that."""
        assert self.make_loop is not None
        with asyncio.Runner(loop_factory=self.make_loop) as runner:
            runner.run(program)


def _simloop() -> Contender:
    import simloop  # noqa: PLC0415 - as for every contender: it may not be there

    return Contender(
        SUBJECT,
        "simloop-engine",
        "simloop",
        ("loop", "far", "runs", "import", *_SOCKETS),
        simloop.SimLoop,
        lambda program, seed: simloop.run(program(), seed=seed),
        lambda program, seed: simloop.simulate(program, seed=seed),
    )


def _asyncio() -> Contender:
    loop = asyncio.SelectorEventLoop
    return Contender("asyncio", "", "asyncio", ("loop", "import", *_SOCKETS), loop)


def _uvloop() -> Contender:
    new_loop = import_module("uvloop").new_event_loop
    return Contender("uvloop", "uvloop", "uvloop", ("loop", "import", *_SOCKETS), new_loop)


def _solipsism() -> Contender:
    loop = import_module("async_solipsism").EventLoop
    return Contender(
        "solipsism",
        "async-solipsism",
        "async_solipsism",
        ("loop", "far", "runs", "import", "tcp"),
        loop,
        lambda program, _: _run_on(loop, program),
    )


def _looptime() -> Contender:
    loop = import_module("looptime").make_event_loop_class(asyncio.SelectorEventLoop)
    return Contender(
        "looptime",
        "looptime",
        "looptime",
        ("loop", "far", "runs", "import", *_SOCKETS),
        loop,
        lambda program, _: _run_on(loop, program),
    )


def _seedloop() -> Contender:
    check = import_module("seedloop").check
    loop = import_module("seedloop._loop").DeterministicLoop
    return Contender(
        "seedloop",
        "seedloop",
        "seedloop",
        ("loop", "far", "runs", "import"),
        loop,
        lambda program, seed: check(lambda _: program(), seeds=(seed,)),
    )


def _simloom() -> Contender:
    run = import_module("simloom").run

    def run_world(program: Program, seed: int) -> object:
        return run(program, seed=seed)

    return Contender("simloom", "simloom", "simloom", ("runs", "import"), run_world=run_world)


def _detangle() -> Contender:
    execute = import_module("detangle").execute
    return Contender(
        "detangle",
        "detangle",
        "detangle",
        ("runs", "import"),
        run_world=lambda program, _: execute(program),
    )


def _run_on(loop: Callable[[], asyncio.AbstractEventLoop], program: Program) -> None:
    """Run a program on a new loop, for simulators whose world is their loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(program())


_MAKERS = {
    SUBJECT: _simloop,
    "asyncio": _asyncio,
    "uvloop": _uvloop,
    "solipsism": _solipsism,
    "looptime": _looptime,
    "seedloop": _seedloop,
    "simloom": _simloom,
    "detangle": _detangle,
}


def available(names: tuple[str, ...] | None = None) -> list[Contender]:
    """Return the subject and the peers that are installed, or those of ``names``.

    Raises:
        ImportError: A peer that was named is not installed.
        KeyError: No peer has that name.
    """
    found = []
    for name in names or tuple(_MAKERS):
        try:
            found.append(_MAKERS[name]())
        except ImportError:
            if names:
                raise
    return found
