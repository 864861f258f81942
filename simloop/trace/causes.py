"""Why two runs of one seed differ: experiments, and what they prove.

Owns: the kinds of causes, the experiments that tell them apart, and the words. A program is run
again in fresh processes, of which some differ in one thing only: the hash seed, or whether objects
lie at random addresses. What makes the difference is the cause. Causes that no experiment can tell
apart (the real time, real entropy, real threads) are told by what the line that parts the runs
names, and then they are likely, not proven.

Must not know: how a program is run elsewhere; that is an argument.
"""

from __future__ import annotations

import ast
import enum
import linecache
import re
from typing import TYPE_CHECKING

import attrs

from .address_order import order_that_differs
from .lines import Culprit, first_culprits, is_foreign
from .recorder import first_difference, first_output_difference, tell_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .address_order import AddressOrder
    from .lines import Line
    from .recorder import Step

    Ask = Callable[[str, str, "int | None"], "Observed | None"]

__all__ = [
    "Cause",
    "Diagnosis",
    "Observed",
    "diagnose",
    "difference_of",
    "ends_differ",
    "guess",
    "name_order",
]

_HASH_SEEDS = ("1", "2", "3", "4")
"""More than two, because two elements of a set have the same order every other time."""

_FUNCTION_LINES = 12
"""How long a function may be whose names as a whole say what one line of it is about."""


class Cause(enum.Enum):
    """A kind of cause, in words."""

    HASHES = "hash order"
    ADDRESSES = "id() order"
    TIME = "real time"
    ENTROPY = "unseeded entropy"
    THREADS = "a real thread or process, which goes on when the machine lets it"
    STATE = "state that the first run left behind"
    UNKNOWN = "something of the real world (time, entropy, files, processes) or id() order"


_REMEDIES = {
    Cause.HASHES: "the order of a set of strings or bytes follows PYTHONHASHSEED: go through"
    " sorted(...), or keep a dict, which has the order of insertion",
    Cause.ADDRESSES: "id(), and the order of a set of objects, follow where objects lie in memory:"
    " sort by a key of your own, or keep a dict, which has the order of insertion",
    Cause.TIME: "ask time, datetime or the loop, which are virtual in a run; what C code, other"
    " processes and the files that they wrote tell is real",
    Cause.ENTROPY: "draw from random, secrets, os.urandom or uuid, which follow the seed in a run;"
    " what code in C or Rust draws by itself does not",
    Cause.THREADS: "leave the executor to the loop (run_in_executor(None, ...), asyncio.to_thread),"
    " whose threads run one at a time in virtual time",
    Cause.STATE: "a variable of a module, a cache or an iterator outlives the run: make it anew in"
    " main(); or a file does, whose temporary name is taken then: remove it at the end",
    Cause.UNKNOWN: "look at what the line asks",
}


@attrs.frozen
class Observed:
    """What was seen of one run."""

    digest: str
    steps: list[Step]
    lines: list[Line]
    used_threads: bool = False
    """Whether real threads or processes had a part in it."""
    end: str = ""
    """How it ended, in words."""
    failure: str = ""
    """The program's error, in words; empty where it returned."""
    error: bytes = b""
    """That error, pickled; empty where it can't be."""
    orders: list[AddressOrder] = attrs.field(factory=list)
    """Sets of objects near the step that was asked for."""
    found_taken: bool = False
    """Whether a temporary name was taken, by a file that is not of this run."""


@attrs.frozen
class Diagnosis:
    """A cause, what speaks for it, and two runs that show it."""

    cause: Cause
    proof: str
    culprits: list[Culprit]
    first: Observed | None = None
    second: Observed | None = None
    near: Culprit | None = None
    """Where the program was when the first step differed."""
    order: AddressOrder | None = None
    """A set near there whose order is another one in each run."""
    runs: int = 0
    """How many runs were made to find out."""

    @property
    def differs(self) -> bool:
        """Whether the runs that were looked at differ at all."""
        return self.first is not None

    def __str__(self) -> str:
        told = f"Likely cause: {self.cause.value} ({self.proof})."
        if self.order is not None:
            told += f"\n  It iterates {self.order}."
        for number, culprit in enumerate(self.culprits):
            told += f"\n  {'In a library, before that,' if number else 'It begins'} at {culprit}"
        if not self.culprits and self.near is not None:
            told += f"\n  It begins near {self.near.file}:{self.near.number}:"
            told += f"\n      {self.near.source}"
        if self.runs:
            told += f"\n  Looked for in {self.runs} more runs, whose output is not shown."
        return f"{told}\n  Way out: {_REMEDIES[self.cause]}."

    def difference(self) -> str:
        """Show the first step that differs, of both runs."""
        assert self.first is not None, self
        assert self.second is not None, self
        return difference_of(self.first, self.second)


def difference_of(first: Observed, second: Observed) -> str:
    """Say where two runs part: by step, by line of output, or only by how they ended."""
    return tell_difference(
        first_difference(first.steps, second.steps),
        first_output_difference(first.steps, second.steps),
        ends_differ(first.end, second.end),
    )


def ends_differ(first: object, second: object) -> str:
    """Say that two runs differ in nothing but how they ended."""
    return (
        "every step was the same, but the ends differ:"
        f"\n  first run:  {first}\n  second run:  {second}"
    )


def diagnose(ask: Ask, hash_seeds: Sequence[str] = _HASH_SEEDS) -> Diagnosis | None:
    """Find out why runs of a program differ; None if it cannot be run elsewhere.

    Args:
        ask: Runs the program in a fresh process with a hash seed, and with objects in memory as
            they come, ``moved`` elsewhere, or ``still``, where nothing moves them; looks for sets
            of objects near the step of a number, if that is given; returns None where it is not
            possible.
        hash_seeds: The hash seeds to run it with.
    """
    runs = 0

    def count_and_ask(hash_seed: str, memory: str, number: int | None = None) -> Observed | None:
        nonlocal runs
        runs += 1
        return ask(hash_seed, memory, number)

    found = _diagnose(count_and_ask, hash_seeds)
    if found is not None and found.cause in (Cause.ADDRESSES, Cause.UNKNOWN):
        found = name_order(found, lambda memory, step: count_and_ask(hash_seeds[0], memory, step))
    return None if found is None else attrs.evolve(found, runs=runs)


def name_order(
    found: Diagnosis, ask: Callable[[str, int], Observed | None], tries: int = 3
) -> Diagnosis:
    """Name the set of objects whose order parts two runs, if there is one within their reach.

    Args:
        found: What is known already.
        ask: Runs the program, with memory as for :func:`diagnose`, and looks near a step.
        tries: How often; the few elements of a small set may have one order by chance.
    """
    if found.first is None or found.second is None:
        return found
    parted = first_difference(found.first.steps, found.second.steps)
    number = parted.number if parted is not None else len(found.first.steps)
    seen: list[Observed] = []
    for index in range(tries + 1):
        observed = ask("moved" if index % 2 else "", number)
        if observed is None:
            break
        for each in seen:
            order = order_that_differs(each.orders, observed.orders)
            if order is None:
                continue
            proof = found.proof
            if found.cause is not Cause.ADDRESSES:
                proof = "the set has another order in each run"
            return attrs.evolve(found, cause=Cause.ADDRESSES, proof=proof, order=order)
        seen.append(observed)
    return found


def _diagnose(
    ask: Callable[[str, str], Observed | None], hash_seeds: Sequence[str]
) -> Diagnosis | None:
    first, second = ask(hash_seeds[0], "moved"), ask(hash_seeds[0], "")
    if first is None or second is None:
        return None
    if first.digest != second.digest:
        still, again = ask(hash_seeds[0], "still"), ask(hash_seeds[0], "still")
        if still is not None and again is not None and still.digest == again.digest:
            proof = "processes whose objects lie at the same addresses run the same, others do not"
            return _shown(Cause.ADDRESSES, proof, first, second)
        return guess(first, second)
    for hash_seed in hash_seeds[1:]:
        other = ask(hash_seed, "")
        if other is None or other.digest == first.digest:
            continue
        again = ask(hash_seed, "moved")
        if again is None or again.digest != other.digest:
            return guess(first, other)  # It differs by itself, now and then.
        proof = "processes with one PYTHONHASHSEED run the same, with another one not"
        return _shown(Cause.HASHES, proof, first, other)
    return Diagnosis(Cause.STATE, "in fresh processes the runs are the same", [])


def _shown(cause: Cause, proof: str, first: Observed, second: Observed) -> Diagnosis:
    culprits = first_culprits(first.lines, second.lines)
    return Diagnosis(cause, proof, culprits, first, second, _nearest(first, second))


def _nearest(first: Observed, second: Observed) -> Culprit | None:
    """Return the line at which the program was last before, or when, the first step differed."""
    found = first_difference(first.steps, second.steps)
    position = len(first.steps) if found is None else found.position
    for step in reversed(first.steps[: position + 1]):
        file, _, number = step.where.rpartition(":")
        if file and not is_foreign(file):
            return Culprit(file, int(number), "", "", "", {})
    return None


def guess(first: Observed, second: Observed, default: Diagnosis | None = None) -> Diagnosis:
    """Return the likely cause, by the line that parts two runs and what else was seen of them."""
    culprits = first_culprits(first.lines, second.lines)
    near = _nearest(first, second)
    for statement in (True, False):
        for culprit in culprits or ([] if near is None else [near]):
            cause, word = _named_at(culprit, statement)
            if cause is not None:
                proof = f"by {word!r} {'in that line' if statement else 'in that function'}"
                return Diagnosis(cause, proof, culprits, first, second, near)
    if first.used_threads or second.used_threads:
        proof = "an executor, a process or a thread from outside had a part in the run"
        return Diagnosis(Cause.THREADS, proof, culprits, first, second, near)
    if default is not None:
        return attrs.evolve(default, culprits=culprits, near=near)
    return Diagnosis(Cause.UNKNOWN, "nothing tells which", culprits, first, second, near)


_WORDS = {
    Cause.ADDRESSES: ("id",),
    Cause.TIME: (
        *("atime", "clock", "ctime", "elapsed", "getloadavg", "getmtime", "getrusage"),
        *("gettimeofday", "monotonic", "mtime", "now", "perf", "stat", "stopwatch", "time"),
        *("times", "timestamp", "today", "uptime", "utcnow"),
    ),
    Cause.ENTROPY: (
        *("entropy", "getrandom", "nonce", "rand", "random", "salt", "secrets", "shuffle"),
        *("token", "ulid", "urandom", "uuid", "uuid1", "uuid4", "uuid7"),
    ),
}
"""Words in names by which code tells what it asks for."""


def _named_at(culprit: Culprit, statement: bool) -> tuple[Cause | None, str]:  # noqa: FBT001 - one of two tries
    """Find a word that names a cause at a line, or else in a short function around it."""
    try:
        tree = ast.parse("".join(linecache.getlines(culprit.file)))
    except (SyntaxError, ValueError):
        return None, ""
    number = culprit.number
    if statement:
        words = [word for node in _at(tree, number) for word in _words_of(node)]
        for node in _at(tree, number):
            if _goes_through_objects(node, culprit.variables):
                return Cause.ADDRESSES, ast.unparse(node.iter)  # type: ignore[attr-defined]  # tested
    else:
        words = [word for node in _around(tree, number) for word in _words_of(node)]
    for cause, named in _WORDS.items():
        for word in words:
            if word in named:
                return cause, word
    return None, ""


def _at(tree: ast.Module, number: int) -> Iterator[ast.AST]:
    """Give what begins at a line."""
    return (node for node in ast.walk(tree) if getattr(node, "lineno", None) == number)


def _around(tree: ast.Module, number: int) -> Iterator[ast.AST]:
    """Give what is in a short function around a line, and the function itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            if node.lineno <= number <= last and last - node.lineno < _FUNCTION_LINES:
                yield from ast.walk(node)


def _goes_through_objects(node: ast.AST, variables: dict[str, str]) -> bool:
    """Whether a loop goes through a set of things that are no strings."""
    if not isinstance(node, ast.For | ast.comprehension) or not isinstance(node.iter, ast.Name):
        return False
    words = variables.get(node.iter.id, "")
    return bool(re.match(r"a (frozen)?set of \d+ (?!str|bytes|int)", words))


def _words_of(node: ast.AST) -> list[str]:
    """Return the words of a name: ``st_mtime_ns``, ``getRandomBytes``; and of a text."""
    name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
    if isinstance(node, ast.Constant):
        name = node.value
    if not isinstance(name, str):
        return []
    return re.findall(r"[a-z]+\d*", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
