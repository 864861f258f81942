"""The rules of the house that no linter checks, read off the syntax tree.

Owns: the checker (`violations`), the table of exceptions with their reasons, and tests of both.
A finding is ``path:line: what; the way out``. An exception names a file and the thing found in it,
and must still be needed: an entry that excuses nothing fails too.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("simloop", "asynctest_compat")

MODULE_LINES = 600
FUNCTION_LINES = 70
FOLDER_FILES = 12

# Calls by name that make a run depend on addresses or on the order of hashes.
UNORDERED = {
    "id": "addresses differ in every process: number things by a counter",
    "hash": "hashes of strings and objects differ in every process: use the value, or hashlib",
    "set": "sets have no order: use dict.fromkeys()",
    "frozenset": "sets have no order: use a tuple or dict.fromkeys()",
    "WeakSet": "sets have no order: use a dict of weak references by number",
}
# Modules whose calls reach for the real world; `random.Random(seed)` does not.
AMBIENT = {
    "time": "only simloop/_sandbox touches real time",
    "random": "draw from a named stream of the seed (simloop/_kernel)",
    "secrets": "draw from a named stream of the seed (simloop/_kernel)",
    "uuid": "number things by a counter",
}

# (file, finding) -> why it is right there.
_STANDSTILL = "It tells a thread that computes from one that is stuck, and decides only an error."
_IDENTITY = "Finds a living task without asking for its hash; never ordered and never shown."
_UNHELD = "Tells living frames and objects apart without holding them; never ordered, never shown."
_ADDRESS = "A coroutine's address, to read where it stands; only the line is told."
ALLOWED = {
    ("simloop/trace/tracks.py", "id()"): _IDENTITY,
    ("simloop/trace/plain_text.py", "id()"): "Finds the addresses in a repr, to drop them.",
    ("simloop/trace/digest.py", "hash()"): _ADDRESS,
    ("simloop/trace/labels.py", "hash()"): _ADDRESS,
    ("simloop/trace/address_order.py", "id()"): "Looks at each object once; never shown.",
    ("simloop/_threads/spinning.py", "id()"): _UNHELD,
    ("simloop/_threads/watching/seen_state.py", "id()"): _UNHELD,
    ("simloop/_threads/thread_position.py", "time.clock_gettime()"): _STANDSTILL,
    ("simloop/_threads/thread_position.py", "time.pthread_getcpuclockid()"): _STANDSTILL,
}


def dotted(node: ast.expr) -> str:
    """``a.b.c`` for a chain of names, the empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return f"{head}.{node.attr}"
    return ""


def imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: ``from time import time as now`` gives now=time.time."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def called(node: ast.Call, names: dict[str, str]) -> str:
    """The full name of what is called, as far as the file itself tells."""
    head, dot, rest = dotted(node.func).partition(".")
    return names.get(head, head) + dot + rest


def size_findings(tree: ast.Module, source: str):
    if ast.get_docstring(tree) is None:
        yield 1, "module docstring", "open the module with its theory"
    if (lines := source.count("\n")) > MODULE_LINES:
        yield 1, "module length", f"{lines} lines, {MODULE_LINES} at most: it is two things"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                why = f"{lines} lines, {FUNCTION_LINES} at most: it is two things"
                yield node.lineno, node.name, why


def compared_with(tree: ast.Module):
    """The ``{...}`` of ``x in {"a", "b"}``, which nobody can iterate."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for operator, right in zip(node.ops, node.comparators, strict=True):
                if isinstance(operator, ast.In | ast.NotIn):
                    yield right


def order_findings(tree: ast.Module):
    names = imported(tree)
    compared = list(compared_with(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Set | ast.SetComp) and node not in compared:
            yield node.lineno, "{...}", UNORDERED["set"]
        elif isinstance(node, ast.Call):
            name = called(node, names)
            module, _, last = name.rpartition(".")
            if (not module or module == "weakref") and last in UNORDERED:
                yield node.lineno, f"{last}()", UNORDERED[last]
            elif module in AMBIENT and not (name == "random.Random" and node.args):
                yield node.lineno, f"{name}()", AMBIENT[module]


def violations(path: str, source: str):
    """Yields (line, finding, way out) for each broken rule in one file."""
    tree = ast.parse(source)
    yield from size_findings(tree, source)
    if path.startswith("simloop/") and not path.startswith("simloop/_sandbox/"):
        yield from order_findings(tree)


def sources(*names: str):
    """Path and text of each file of a folder, or of a package where it was installed to."""
    for name in names:
        package = importlib.util.find_spec(name) if name in PACKAGES else None
        folder = Path(package.origin).parent if package and package.origin else ROOT / name
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(folder.parent).as_posix(), path.read_text()


def test_the_packages_are_tidy():
    """No module of ours breaks a rule of the house without a reason in the table."""
    findings = [
        f"{path}:{line}: {finding}; {way_out}"
        for path, source in sources(*PACKAGES)
        for line, finding, way_out in violations(path, source)
        if (path, finding) not in ALLOWED
    ]
    assert not findings, "\n" + "\n".join(findings)


def test_every_exception_is_needed():
    """An entry of the table excuses something that is really there, and says why."""
    found = {
        (path, finding)
        for path, source in sources(*PACKAGES)
        for _, finding, _ in violations(path, source)
    }
    assert not [entry for entry in ALLOWED if entry not in found]
    assert all(reason.endswith(".") for reason in ALLOWED.values())


def crowding(paths):
    """Yield each folder with too many files, and each file name that a package has twice."""
    folders, names = {}, {}
    for path in map(PurePosixPath, paths):
        if not path.name.startswith("__"):  # The names of faces are Python's.
            folders.setdefault(path.parent.as_posix(), []).append(path)
            names.setdefault((path.parts[0], path.name), []).append(path.as_posix())
    for folder, files in folders.items():
        if len(files) > FOLDER_FILES:
            yield f"{folder}: {len(files)} files, {FOLDER_FILES} at most: it is two rooms"
    for (_, name), twice in names.items():
        if len(twice) > 1:
            yield f"{name}: {', '.join(twice)}; in a traceback only the name shows, so it tells"


def test_a_folder_is_a_glance():
    """No folder of ours holds over a dozen files, and no two files of a package share a name."""
    assert not list(crowding(path for path, _ in sources(*PACKAGES)))


def test_crowding_is_found():
    """Thirteen files in a folder, and one name in two, are told; a dozen and faces are not."""
    dozen = [f"simloop/net/file_{number}.py" for number in range(FOLDER_FILES)]
    faces = ["simloop/net/__init__.py", "simloop/__init__.py", "simloop/__main__.py"]
    assert not list(crowding([*dozen, *faces, "asynctest_compat/file_1.py"]))
    assert [each.partition(":")[0] for each in crowding([*dozen, "simloop/net/one.py"])] == [
        "simloop/net"
    ]
    assert [each.partition(":")[0] for each in crowding([*dozen, "simloop/file_1.py"])] == [
        "file_1.py"
    ]


def _outer_functions(tree: ast.Module):
    """Yield functions of a module and of its classes; those inside of tests are their programs."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for owner in [tree, *classes]:
        for node in owner.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def test_every_test_states_its_promise():
    """Each test of ours has a docstring of one paragraph."""
    silent = [
        f"{path}:{node.lineno}: {node.name}"
        for path, source in sources("tests")
        for node in _outer_functions(ast.parse(source))
        if node.name.startswith("test_") and Path(path).name.startswith("test_")
        if "\n\n" in (ast.get_docstring(node) or "\n\n")
    ]
    assert not silent, "\n" + "\n".join(silent)


@pytest.mark.parametrize(
    ("code", "findings"),
    [
        ("id(x)", ["id()"]),
        ("sorted(xs, key=id)", []),
        ("hash(x)", ["hash()"]),
        ("set()", ["set()"]),
        ("frozenset(xs)", ["frozenset()"]),
        ("{1, 2}", ["{...}"]),
        ("{x for x in xs}", ["{...}"]),
        ("x in {1, 'a'}", []),
        ("x not in {1, 2}", []),
        ("x in {1, y}", []),
        ("x in {y for y in z}", []),
        ("{1, 2} in x", ["{...}"]),
        ("{}", []),
        ("dict.fromkeys(xs)", []),
        ("self.set(x)", []),
        ("event.set()", []),
        ("xs: set[int]", []),
        ("isinstance(x, set)", []),
        ("import weakref\nweakref.WeakSet()", ["WeakSet()"]),
        ("from weakref import WeakSet\nWeakSet()", ["WeakSet()"]),
        ("import time\ntime.time()", ["time.time()"]),
        ("import time as t\nt.monotonic_ns()", ["time.monotonic_ns()"]),
        ("from time import sleep as doze\ndoze(1)", ["time.sleep()"]),
        ("self.time.time()", []),
        ("loop.time()", []),
        ("import random\nrandom.random()", ["random.random()"]),
        ("import random\nrandom.Random()", ["random.Random()"]),
        ("import random\nrandom.Random(seed)", []),
        ("import uuid\nuuid.uuid4()", ["uuid.uuid4()"]),
    ],
)
def test_the_checker_finds_what_it_should(code, findings):
    """The checker tells accidental order and real time from what only looks like them."""
    source = f'"""Theory."""\n{code}\n'
    assert [finding for _, finding, _ in violations("simloop/x.py", source)] == findings
    assert not list(violations("simloop/_sandbox/x.py", source))
    assert not list(violations("asynctest_compat/x.py", source))


def test_the_checker_measures():
    """A missing docstring, a long module and a long function are told, each with its line."""
    assert [(line, what) for line, what, _ in violations("simloop/x.py", "x = 1\n")] == [
        (1, "module docstring")
    ]
    long_module = '"""Theory."""\n' + "x = 1\n" * MODULE_LINES
    assert [what for _, what, _ in violations("simloop/x.py", long_module)] == ["module length"]
    body = "    x = 1\n" * FUNCTION_LINES
    long_function = f'"""Theory."""\n\n\nasync def f():\n{body}'
    assert [(line, what) for line, what, _ in violations("simloop/x.py", long_function)] == [
        (4, "f")
    ]
