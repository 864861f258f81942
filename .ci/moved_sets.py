"""Which sets of a program or of the tests' libraries have an order that follows addresses.

    python .ci/moved_sets.py                          # the tests of libraries
    python .ci/moved_sets.py tests/libraries/test_ssh.py -k shell
    python .ci/moved_sets.py --program FILE.py        # its coroutine function ``main``

A set of objects that hash by address has another order in each process. Whether a test notices is
chance; so this looks into every set. It runs the same scenarios in several processes, each with a
heap, a hash seed of strings and a garbage collector of its own. After each of the first steps of
each run (later: now and then) it goes through all sets that the run has made, and all dictionaries
with such keys. Elements are numbered in the order in which they were made, which is that of the
garbage collector's list. What it prints, for each kind of set:

- ``moved``: its order differed between processes. In a dictionary, which has the order of
  insertion, that is the consequence of another one.
- ``by address``: its elements hash by address, and its order happened to be the same.
- ``by text``: they are strings, which follow PYTHONHASHSEED; told with ``--text``.
- the scenarios whose digests differed: by such a set, or by one that lives within one step only,
  which ``simloop.check`` finds the line of.

Where a library's class is reported, it belongs into
``simloop/_sandbox/hashing/library_classes.py``. The exit status is 1 if anything moved.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import inspect
import json
import os
import random
import subprocess
import sys
import tempfile
import types
import weakref
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = "SIMLOOP_MOVED_SETS"
HEAP = "SIMLOOP_HEAP"

_LOOKS = ((150, 1), (2000, 20), (1_000_000, 500))
"""Up to which step of a run each so many are looked at."""
_KINDS = (set, frozenset, dict)
_COMPARED_ONLY = (
    "frozenset typing.Union ",
    "set _weakrefset.WeakSet.data of pydantic.v1.types.ConstrainedNumberMeta",
)
"""Sets that nothing goes through: 3.14 keeps a union's types as a tuple, and compares them as a set
(CPython ``Objects/unionobject.c``); pydantic's first version keeps its own types for Hypothesis,
which asks for them at its start."""
_LARGEST = 2000
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_kept: list[Any] = []


def disturb(number: int) -> None:
    """Make and drop objects of many sizes, so that later ones lie elsewhere."""
    rng = random.Random(number)  # noqa: S311 - no cryptography
    for _ in range(number * 3001):
        _kept.append(bytearray(rng.randrange(1, 600)))
        if rng.randrange(5) < 2:  # noqa: PLR2004 - two in five
            _kept.pop(rng.randrange(len(_kept)))
    gc.set_threshold(*((700, 10, 10), (300, 5, 5), (5000, 20, 20), (50, 3, 3))[number % 4])


def hash_kind(element: Any) -> str:
    """Return by what an element hashes, as far as that may differ between processes."""
    if isinstance(element, weakref.ref):
        element = element()
    if isinstance(element, (tuple, frozenset)):
        kinds = {hash_kind(each) for each in element}
        return next((kind for kind in ("address", "text") if kind in kinds), "")
    if isinstance(element, (str, bytes)):
        return "text"
    if element is None:
        return "address" if sys.version_info < (3, 12) else ""
    cls = type(element)
    if isinstance(element, types.MethodType):
        return hash_kind(element.__self__)
    own: Any = cls.__hash__
    tells_address = "id" in getattr(getattr(own, "__code__", None), "co_names", ())
    if tells_address and own.__module__ != "simloop._sandbox.hashing.object_hashes":
        return "address"
    return "address" if own is object.__hash__ or isinstance(element, type) else ""


def has_keys(found: dict[Any, Any]) -> bool:
    """Return whether a dictionary's keys may hash by address: most have names."""
    key = next(iter(found))
    return type(key) not in (str, bytes, int) and hash_kind(key) == "address"


def class_of(element: Any) -> str:
    """Return the name of an element's class, seen through references and tuples."""
    if isinstance(element, weakref.ref):
        element = element()
    if isinstance(element, tuple):
        return f"({', '.join(sorted({class_of(each) for each in element}))})"
    if isinstance(element, types.MethodType):
        return f"method of {class_of(element.__self__)}"
    cls = type(element)
    return f"{cls.__module__}.{cls.__qualname__}"


def holders(thing: Any) -> list[Any]:
    """Return what refers to an object, but for this file's own frames.

    One of those in a variable of its own is a cycle, which keeps all that was looked at.
    """
    frame = types.FrameType
    found = gc.get_referrers(thing)
    return [
        each for each in found if type(each) is not frame or each.f_code.co_filename != __file__
    ]


def owner_of(thing: Any, depth: int = 2) -> str:
    """Return what holds a set: the attribute of a class, or a function's variable."""
    for each in holders(thing):
        if isinstance(each, dict) and depth:
            names = [name for name, value in each.items() if value is thing]
            if "__name__" in each and names:
                return f"{each['__name__']}.{names[0]}"
            holder = owner_of(each, depth - 1)
            if holder != "?":
                return f"{holder}.{names[0]}" if names and isinstance(names[0], str) else holder
        elif isinstance(each, types.FrameType):
            names = names_in(each, thing)
            if names:
                return f"{each.f_code.co_qualname}():{names[0]}"
        elif not isinstance(each, (list, tuple, types.CellType)) or type(each) not in (list, tuple):
            cls = type(each)
            if cls.__module__ in (__name__, "builtins"):
                continue
            name = attribute_of(each, thing)
            return f"{cls.__module__}.{cls.__qualname__}{'.' * bool(name)}{name}"
    return "?"


def names_in(frame: types.FrameType, thing: Any) -> list[str]:
    """Return the names of a frame's variables that have a value.

    Up to Python 3.12 a function's frame keeps the dictionary that it shows (PEP 667), and with it
    what the variables had: generators lived longer than without this look, and runs differed.
    """
    found = frame.f_locals
    names = [name for name, value in found.items() if value is thing]
    if sys.version_info < (3, 13) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        found.clear()
    return names


def attribute_of(holder: Any, value: Any) -> str:
    """Return the name of the attribute that has a value, if it can be found."""
    try:
        found = [name for name, each in vars(holder).items() if each is value]
    except TypeError:
        found = []
    for cls in type(holder).__mro__:
        for name, slot in vars(cls).items():
            if not found and type(slot) is _SLOTS[0] and getattr(holder, name, None) is value:
                found.append(name)
    return found[0] if found else ""


class Sampler:
    """Looks at sets before each step of a run."""

    def __init__(self, record: dict[str, list[Any]], where: str) -> None:
        self.record = record
        self.where = where
        self.steps = 0
        self.owners: dict[int, tuple[Any, str]] = {}
        self.last: dict[int, tuple[int, ...]] = {}

    def step(self, _now_ns: int, _handle: Any) -> None:
        """Look, unless this is one of many steps."""
        self.steps += 1
        if any(self.steps <= most and self.steps % each == 0 for most, each in _LOOKS):
            self.look()

    def look(self) -> None:
        """Go through what the run has made."""
        made = gc.get_objects()
        found = [each for each in made if type(each) in _KINDS and each]
        wanted = [each for each in found if type(each) is not dict or has_keys(each)]
        if wanted:
            ranks = {id(each): rank for rank, each in enumerate(made)}
            for each in wanted:
                self.look_at(each, ranks)
        del made, found, wanted
        gc.collect()  # Frames that were looked at lie in cycles, by chance, and hold what they had.

    def look_at(self, found: Any, ranks: dict[int, int]) -> None:
        """Note the order of one set or dictionary."""
        if not found or len(found) > _LARGEST or found is self.owners or found is self.record:
            return
        elements = list(found)
        kinds = {hash_kind(each) for each in elements}
        kind = "address" if "address" in kinds else "text" if "text" in kinds else ""
        is_set = not isinstance(found, dict)
        if not kind or not (is_set or kind == "address"):
            return
        keys = [
            ranks.get(id(each() if isinstance(each, weakref.ref) else each), -1)
            for each in elements
        ]
        order = tuple(sorted(keys).index(key) for key in keys) if kind == "address" else ()
        if self.last.get(id(found)) == order:
            return
        self.last[id(found)] = order
        if id(found) not in self.owners:
            self.owners[id(found)] = (found, owner_of(found))
        classes = ", ".join(sorted({class_of(each) for each in elements}))
        name = f"{type(found).__name__} {self.owners[id(found)][1]} of {classes}"
        self.record.setdefault(f"{kind}|{name}|{self.where}", []).append(order)


class Watch:
    """In a child: the plugin that samples each run of :func:`simloop.simulate`."""

    def __init__(self) -> None:
        import simloop  # noqa: PLC0415 - in a child only
        from simloop.world import running  # noqa: PLC0415 - the same

        self.record: dict[str, list[Any]] = {}
        self.where = ""
        self.real = running.simulate
        simloop.simulate = self.simulate

    def simulate(self, main: Any, **options: Any) -> Any:
        """Do what ``simloop.simulate`` does, with an observer."""

        async def watched() -> Any:
            loop: Any = asyncio.get_running_loop()
            loop._kernel.observe(Sampler(self.record, self.where))
            return await main()

        outcome = self.real(watched, **options)
        self.record.setdefault(f"digest||{self.where}", []).append(outcome.digest)
        return outcome

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note which test runs."""
        self.where = nodeid

    def save(self) -> None:
        """Write down what was seen."""
        Path(os.environ[OUT]).write_text(json.dumps(self.record))


def pytest_configure(config: Any) -> None:
    """Begin to watch, as a plugin of pytest."""
    disturb(int(os.environ[HEAP]))
    config.pluginmanager.register(watch := Watch(), "moved-sets")
    config.add_cleanup(watch.save)


def run_program(path: str) -> None:
    """Be a child that runs one program."""
    disturb(int(os.environ[HEAP]))
    watch = Watch()
    spec = importlib.util.spec_from_file_location("program", path)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    sys.argv = [path, "moved-sets"]
    spec.loader.exec_module(program)
    watch.where = path
    error = watch.simulate(program.main, seed=0).error
    watch.save()
    if error is not None:
        raise error


def child(number: int, folder: str, line: list[str]) -> dict[str, list[Any]]:
    """Run the scenarios in a process of their own; return what it saw."""
    out = Path(folder) / f"{number}.json"
    temporary = Path(folder) / f"temporary{number}"
    temporary.mkdir()
    environ = {
        **os.environ, OUT: str(out), HEAP: str(number), "PYTHONHASHSEED": str(number),
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
    }  # fmt: skip
    done = subprocess.run(  # noqa: S603
        [sys.executable, *line], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    if not out.exists() or done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    return json.loads(out.read_text()) if out.exists() else {}


def report(seen: list[dict[str, list[Any]]], *, text: bool) -> list[str]:
    """Return the lines of the report: what moved first."""
    moved: dict[str, list[str]] = {}
    for key in sorted({key for each in seen for key in each}):
        kind, name, where = key.split("|", 2)
        if name.startswith(_COMPARED_ONLY):
            continue
        differs = any(each.get(key) != seen[0].get(key) for each in seen)
        if kind == "digest":
            head = f"digest {'differs' if differs else 'same'}"
        elif kind == "text" and not text:
            continue
        elif kind == "text":
            head = f"by text     {name}"
        elif differs:
            head = f"moved       {name}"
        elif name.startswith("dict "):
            continue
        else:
            head = f"by address  {name}"
        moved.setdefault(head, []).append(where)
    moved.pop("digest same", None)
    order = ("moved", "digest", "by a", "by t")
    heads = sorted(moved, key=lambda head: [not head.startswith(each) for each in order])
    return [f"{head}  ({moved[head][0]}, {len(moved[head])} scenarios)" for head in heads]


def main() -> int:
    """Run the children and print the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--program", help="a file with a coroutine function main")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--text", action="store_true", help="tell of sets of strings, too")
    known, rest = parser.parse_known_args()
    if known.child:
        run_program(known.program)
        return 0
    pytest = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "moved_sets",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    line = [*pytest, *(rest or ["tests/libraries"])]
    if known.program:
        line = [__file__, "--child", "--program", known.program]
    with tempfile.TemporaryDirectory() as folder:
        seen = [child(number, folder, line) for number in range(known.processes)]
    lines = report(seen, text=known.text)
    print("\n".join(lines) or "nothing moved")
    return int(any(line.startswith(("moved", "digest")) for line in lines))


if __name__ == "__main__":
    sys.exit(main())
