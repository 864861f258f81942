"""How often a search finds the bugs of the corpus, and whom it accuses wrongly.

    python benchmarks/corpus.py [--schedules 400] [--searches 10] [--only A,B] [--json FILE]
    python benchmarks/corpus.py --tool detangle      a peer; see below for the others

The corpus is `tests/explore/bugs`: programs with bugs that people reported, their corrected twins,
and correct programs that rely on asyncio's order. A search runs one program under up to so many
schedules and stops at the first that fails; searches differ by their seed alone. What is told for
each bug is runs by hits over all searches: how many schedules a find costs on the average. The
first schedule of a search counts, and for some tools it is always the undisturbed one.

Peers are run by this same file in environments of their own, since it needs nothing but the
standard library and the tool, and one of them bears our name:

    for peer in detangle simloom seedloop simloop; do
        python3.12 -m venv peers/$peer; peers/$peer/bin/pip install $peer; done
    peers/detangle/bin/python benchmarks/corpus.py --tool detangle
    peers/detangle/bin/python benchmarks/corpus.py --tool detangle-timing   late timers and links
    peers/detangle/bin/python benchmarks/corpus.py --tool detangle-fifo     these and no permuting
    peers/simloom/bin/python benchmarks/corpus.py --tool simloom
    peers/simloom/bin/python benchmarks/corpus.py --tool simloom-slow       late links
    peers/simloop/bin/python benchmarks/corpus.py --tool simloop-pypi
    peers/simloop/bin/python benchmarks/corpus.py --tool simloop-pypi-slow  late links
    peers/seedloop/bin/python benchmarks/corpus.py --tool seedloop

A program is one that a tool can't run when its twin or itself fails by the tool's own refusal, when
the twin fails in the first run of each search, or when a search stands still (some tools have real
threads); it is told apart and counts as not found.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import logging
import math
import os
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "tests" / "explore") not in sys.path:
    sys.path.append(str(ROOT / "tests" / "explore"))

from bugs.registry import BUGS, RIGHT  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bugs.registry import Bug

Main = Callable[[], Awaitable[None]]

# What counts as a failure for this project's own: all but tasks that are left behind.
FAILURES = ("error", "deadlock", "limit", "unretrieved", "callback")

# Seconds from the quickest to the slowest delivery, where a peer is told that links may be slow.
SLOW = (0.0001, 0.1)

REFUSALS = ("NotImplementedError", "UnsupportedError", "RealIOError", "EscapedSimulationError")
REFUSALS += ("BoundaryError", "SimulationFenceError", "StandsStillError")
BROKEN = "the tool's own "  # Before the name of an error that the search raised itself.


class StandsStillError(BaseException):
    """A search has taken too long: a tool waits for something real that will not come."""


@dataclass(frozen=True)
class Search:
    """What came of one search: ``error`` is the name of the type; both others are of shrinking."""

    ran: int
    error: str | None = None
    deviations: int | None = None
    spent: int | None = None


@dataclass(frozen=True)
class Row:
    """One bug: its searches, those of its twin, and whether the tool could run it."""

    name: str
    is_held_out: bool
    is_able: bool
    searches: list[Search]
    twin: list[Search]

    @property
    def hits(self) -> int:
        """How many searches found it."""
        return sum(search.error is not None for search in self.searches) if self.is_able else 0

    @property
    def cost(self) -> float:
        """Schedules per hit; infinite where there was none."""
        ran = sum(search.ran for search in self.searches)
        return ran / self.hits if self.hits else math.inf


Find = Callable[[Main, int, int], Search]


def by_simloop(main: Main, seed: int, schedules: int, *, shrinks: bool = True) -> Search:
    """Search with this project's own ``explore``."""
    import simloop  # noqa: PLC0415 - each tool may be missing, and two have one name

    found = simloop.explore(  # type: ignore[attr-defined,unused-ignore]
        main, schedules=schedules, seed=seed, shrink=shrinks, failures=FAILURES
    )
    if not found.failures:
        return Search(found.ran)
    failure = found.failures[0]
    deviations = len(failure.schedule.deviations)
    return Search(failure.found_at, type(failure.error).__name__, deviations, failure.runs)


def by_detangle(main: Main, seed: int, schedules: int, **options: Any) -> Search:
    """Search with detangle; the seed moves its strategies."""
    import detangle  # noqa: PLC0415 - the same

    try:
        stats = detangle.explore(
            main, runs=schedules, seed=seed, shrink=False, database=False, **options
        )
    except detangle.BugFound as bug:
        return Search(bug.report.runs, type(bug.__cause__ or bug).__name__)
    return Search(stats.runs)


def by_detangle_timing(main: Main, seed: int, schedules: int, *, reorder: bool = True) -> Search:
    """Search with detangle, timers and network up to 0.1 s late, and writes in pieces."""
    slow = {"latency": SLOW, "fragment": 0.3}
    return by_detangle(main, seed, schedules, timer_jitter=SLOW[1], net=slow, reorder=reorder)


def by_detangle_fifo(main: Main, seed: int, schedules: int) -> Search:
    """Search with detangle in the same way, but keep what is ready in asyncio's order."""
    return by_detangle_timing(main, seed, schedules, reorder=False)


def by_simloom(main: Callable[..., Awaitable[None]], seed: int, schedules: int) -> Search:
    """Search with simloom, in a world of its own."""
    import simloom  # noqa: PLC0415 - the same

    found = simloom.explore(main, runs=schedules, start_seed=seed * schedules)
    return Search(found.runs, found.failures[0].error if found.failures else None)


def by_simloom_slow(main: Main, seed: int, schedules: int) -> Search:
    """Search with simloom, its network up to 0.1 s late."""

    async def slowly(world: Any) -> None:
        world.net.set_latency(*SLOW)
        await main()

    return by_simloom(slowly, seed, schedules)


def by_seedloop(main: Main, seed: int, schedules: int) -> Search:
    """Search with seedloop; a scenario gets a world that these programs do not use."""
    import seedloop  # noqa: PLC0415 - the same

    async def scenario(_world: object) -> None:
        await main()

    seeds = range(seed * schedules, (seed + 1) * schedules)
    found = seedloop.check(scenario, seeds=seeds, on_failure="return")
    error = None if found.failing_seed is None else type(found.error).__name__
    return Search(found.checked, error)


def by_simloop_pypi(
    main: Main, seed: int, schedules: int, latency: tuple[float, float] = (0.0, 0.0)
) -> Search:
    """Search with the package called simloop on the public index, which is not this one."""
    import simloop  # noqa: PLC0415 - the same

    async def at_home() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.net.set_defaults(latency=latency)
        lend_loopback(loop)
        await main()

    seeds = range(seed * schedules, (seed + 1) * schedules)
    found: Any = simloop.explore(at_home, seeds)  # type: ignore[attr-defined,unused-ignore]
    if found is None:
        return Search(schedules)
    return Search(found.seeds_passed + 1, type(found.exception).__name__)


def by_simloop_pypi_slow(main: Main, seed: int, schedules: int) -> Search:
    """Search with that package, its network up to 0.1 s late."""
    return by_simloop_pypi(main, seed, schedules, SLOW)


def lend_loopback(loop: Any) -> None:
    """Give a loop of that package 127.0.0.1, port 0 and ``Server.sockets``, which it lacks.

    Its machines have names and its servers no sockets; without this not a tenth of the corpus could
    be tried. Connections go to the machine that the program itself runs on.
    """
    connect, serve, ports = loop.create_connection, loop.create_server, itertools.count(49152)

    async def create_connection(factory: Any, _host: str, port: int, **options: Any) -> Any:
        return await connect(factory, "driver", port, **options)

    async def create_server(factory: Any, _host: str, port: int, **options: Any) -> Any:
        server = await serve(factory, None, port or next(ports), **options)
        address = ("127.0.0.1", server._port)
        name = SimpleNamespace(getsockname=lambda: address)
        server.__class__ = type("Server", (type(server),), {"sockets": (name,)})
        return server

    loop.create_connection, loop.create_server = create_connection, create_server


TOOLS: dict[str, tuple[str, Find]] = {
    "simloop": ("simloop-engine", by_simloop),
    "detangle": ("detangle", by_detangle),
    "detangle-timing": ("detangle", by_detangle_timing),
    "detangle-fifo": ("detangle", by_detangle_fifo),
    "simloom": ("simloom", by_simloom),
    "simloom-slow": ("simloom", by_simloom_slow),
    "seedloop": ("seedloop", by_seedloop),
    "simloop-pypi": ("simloop", by_simloop_pypi),
    "simloop-pypi-slow": ("simloop", by_simloop_pypi_slow),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Search for what the arguments ask for, print the table and write it."""
    options = _parser().parse_args(arguments)
    package, tool = TOOLS[options.tool]
    find = limited(tool, options.seconds)
    chosen = [bug for bug in BUGS if _is_chosen(bug.name, options.only)]
    print(head(options.tool, _version(package), options.schedules, options.searches))
    began = time.perf_counter()
    rows = []
    for bug in chosen:
        rows.append(search_for(bug, find, options.schedules, options.searches))
        print(line(rows[-1]), flush=True)
    rights = {
        right.name: find(right.main, 0, options.schedules)
        for right in RIGHT
        if _is_chosen(right.name, options.only)
    }
    print(tail(rows, rights, time.perf_counter() - began))
    if options.json:
        found = {"tool": options.tool, "version": _version(package), "python": sys.version}
        found |= {"rows": [asdict(row) for row in rows]}
        found |= {"right": {name: asdict(each) for name, each in rights.items()}}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--tool", choices=TOOLS, default="simloop", help="what searches (default: simloop)")
    add("--schedules", type=int, default=400, help="at most so many a search (default: 400)")
    add("--searches", type=int, default=10, help="so many a bug, each by its seed (default: 10)")
    add("--seconds", type=int, default=120, help="per search, then it is given up (default: 120)")
    add("--only", metavar="A,B", help="programs whose names contain one of these")
    add("--json", type=Path, metavar="FILE", help="write everything as JSON")
    return parser


def is_refusal(error: str | None) -> bool:
    """Return whether an error says that the tool can't run the program."""
    return error is not None and (error in REFUSALS or error.startswith(BROKEN))


def limited(find: Find, seconds: int) -> Find:
    """Return a search that is given up after so many real seconds, as one that can't be run."""

    def give_up(_number: int, _frame: object) -> None:
        raise StandsStillError

    def search(main: Main, seed: int, schedules: int) -> Search:
        outer = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # Again, where a tool swallows it.
        try:
            try:
                return find(main, seed, schedules)
            finally:
                signal.signal(signal.SIGALRM, signal.SIG_IGN)
        except StandsStillError:
            return Search(schedules, StandsStillError.__name__)
        except Exception as error:  # noqa: BLE001 - a tool that breaks is a row of the table
            return Search(schedules, BROKEN + type(error).__name__)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, outer)

    return search


def _is_chosen(name: str, only: str | None) -> bool:
    return only is None or any(part in name for part in only.split(","))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of this tree"


def search_for(bug: Bug, find: Find, schedules: int, count: int) -> Row:
    """Search a bug so often, and its twin once; or hardly at all, where the tool can't run it."""
    twin = [find(bug.fixed, 0, schedules)]
    if is_refusal(twin[0].error):
        return Row(bug.name, bug.is_held_out, is_able=False, searches=[], twin=twin)
    if twin[0].error is not None:  # Another seed may tell a false alarm from an inability.
        twin += [find(bug.fixed, seed, schedules) for seed in range(1, 3)]
    is_able = any(search.error is None or search.ran > 1 for search in twin)
    searches: list[Search] = []
    for seed in range(count if is_able else 1):
        searches.append(find(bug.buggy, seed, schedules))
        if is_refusal(searches[-1].error):
            is_able = False
            break
    return Row(bug.name, bug.is_held_out, is_able, searches, twin)


def head(tool: str, version: str, schedules: int, searches: int) -> str:
    """Return what was searched with, and the names of the columns."""
    return (
        f"{tool} {version}, Python {sys.version.split()[0]}; {searches} searches of at most"
        f" {schedules} schedules for each bug; h: held out\n\n"
        f"{'bug':36}   {'hits':>5} {'runs/hit':>9}  {'first':>14} {'left':>5} {'spent':>6}"
    )


def line(row: Row) -> str:
    """Return a bug's line."""
    mark = "h" if row.is_held_out else " "
    if not row.is_able:
        errors = [search.error for search in (*row.twin, *row.searches) if search.error]
        return f"{row.name:36} {mark} can't run it: {errors[0]}"
    firsts = " ".join(str(each.ran) if each.error else "-" for each in row.searches[:3])
    text = f"{row.name:36} {mark} {row.hits:>2}/{len(row.searches):<2} {row.cost:>9.1f}"
    text += f"  {firsts:>14} {_median(each.deviations for each in row.searches):>5}"
    text += f" {_median(each.spent for each in row.searches):>6}"
    return text + (f"  ACCUSES THE TWIN: {row.twin[0].error}" if row.twin[0].error else "")


def tail(rows: Sequence[Row], rights: dict[str, Search], seconds: float) -> str:
    """Return what all lines come to."""
    lines = [""]
    for title, group in (
        ("all", rows),
        ("not held out", [row for row in rows if not row.is_held_out]),
        ("held out", [row for row in rows if row.is_held_out]),
    ):
        found = [row for row in group if row.hits]
        always = sum(row.hits == len(row.searches) for row in found if row.is_able)
        lines.append(
            f"{title + ':':14} {len(found)} of {len(group)} found, {always} in every search;"
            f" schedules per hit: {_means(found)}"
        )
    unable = sum(not row.is_able for row in rows)
    twins = [row.name for row in rows if row.is_able and row.twin[0].error]
    tried = {name: each for name, each in rights.items() if not is_refusal(each.error)}
    wrong = [name for name, search in tried.items() if search.error]
    false_alarms = (
        f"false alarms: {len(twins)} of {len(rows) - unable} twins, {len(wrong)} of"
        f" {len(tried)} correct programs {[*twins, *wrong] or ''}"
    )
    lines += [
        f"can't run: {unable} of {len(rows)}",
        false_alarms,
        f"{seconds:.0f} s",
    ]
    return "\n".join(lines)


def _means(found: Sequence[Row]) -> str:
    if not found:
        return "none"
    costs = [row.cost for row in found]
    worst = max(found, key=lambda row: row.cost)
    mean = statistics.geometric_mean(costs)
    return f"geometric mean {mean:.1f}, worst {worst.cost:.0f} ({worst.name})"


def _median(values: Iterable[int | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):g}" if known else ""


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)  # What bugs lose is their point.
    gc.freeze()  # One tool collects garbage at every run: modules need not be gone through.
    main()
    sys.stdout.flush()
    os._exit(0)  # Whatever real threads a tool has left waiting.
