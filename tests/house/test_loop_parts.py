"""How ``SimLoop`` is put together: parts side by side on one state, none on top of another.

Owns: the rules of ``simloop/_loop/loop.py`` and ``state.py``, read off the classes and off the
syntax trees.
"""

from __future__ import annotations

import ast
import importlib
from itertools import combinations
from pathlib import Path

import pytest

import simloop
from simloop._loop.loop import SimLoop
from simloop._loop.state import LoopState

LOOP = Path(simloop.__file__).parent / "_loop"
ROOMS = ("core", "io")

SHARED = "connections"

# (method, first part, second part) -> why two parts define it; the first one comes before.
TWICE = {
    ("run_forever", "SecondaryLoop", "Lifecycle"): "around it: a thread of the run may have the"
    " loop, and the errors of its world end the run",
}


def modules() -> list[str]:
    return [
        f"simloop._loop.{room}.{path.stem}"
        for room in ROOMS
        for path in sorted((LOOP / room).glob("*.py"))
        if path.stem != "__init__"
    ]


def parts() -> dict[str, type]:
    """The classes of the rooms that stand on the loop's state, by name."""
    return {
        name: value
        for module in modules()
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, type)
        and issubclass(value, LoopState)
        and value is not LoopState
        and value.__module__ == module
    }


def declared() -> list[str]:
    """What ``LoopState`` declares for the type checker: the calls between parts."""
    tree = ast.parse((LOOP / "state.py").read_text())
    [state] = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "LoopState"
    ]
    [block] = [node for node in state.body if isinstance(node, ast.If)]
    assert isinstance(block.test, ast.Name)
    assert block.test.id == "TYPE_CHECKING"
    return [node.name for node in block.body]


def own(part: type) -> list[str]:
    """The names that a part defines itself."""
    return [name for name in vars(part) if not name.startswith("__")]


def used(module: str) -> list[str]:
    """The attributes that a file asks a loop for: of ``self``, ``loop`` and ``self._loop``."""
    tree = ast.parse(Path(importlib.import_module(module).__file__).read_text())
    loops = ("self", "loop", "self._loop")
    return [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in loops
    ]


def test_a_part_stands_on_the_state_only() -> None:
    """The only base of each part is the loop's state, and it has no constructor."""
    assert {name: part.__bases__ for name, part in parts().items()} == dict.fromkeys(
        parts(), (LoopState,)
    )
    assert [name for name, part in parts().items() if "__init__" in vars(part)] == []


def test_the_loop_lists_every_part() -> None:
    """``loop.py`` puts every part of the rooms into the loop, each once."""
    assert sorted(part.__name__ for part in SimLoop.__bases__) == sorted(parts())


def test_the_loops_header_names_every_file() -> None:
    """The table at the top of ``loop.py`` names each file of the rooms."""
    text = ast.get_docstring(ast.parse((LOOP / "loop.py").read_text()))
    names = [module.removeprefix("simloop._loop.").replace(".", "/") for module in modules()]
    assert [name for name in names if f"{name}``" not in text] == []


def test_no_two_parts_define_the_same() -> None:
    """What two parts define, so that their order counts, is listed with its reason, and needed."""
    order = [part for part in SimLoop.__bases__ if part is not object]
    found = [
        (name, first.__name__, second.__name__)
        for first, second in combinations(order, 2)
        for name in own(first)
        if name in own(second)
    ]
    assert found == list(TWICE)


@pytest.mark.parametrize("name", declared())
def test_a_call_between_parts_is_defined_and_needed(name) -> None:
    """What the state declares is defined by exactly one part, and another file asks for it."""
    defining = [part for part in parts().values() if name in own(part)]
    assert len(defining) == 1
    if name in {"_step_into", "_step_took", "_takes_exit"}:  # The kernel's.
        return
    others = [module for module in modules() if module != defining[0].__module__]
    assert any(name in used(module) for module in others)


@pytest.mark.parametrize("module", modules())
def test_a_file_asks_other_parts_for_what_is_declared(module) -> None:
    """A file uses a private name of another part only if the state declares it."""
    asked = used(module)
    here = [part for part in parts().values() if part.__module__ == module]
    if not here:
        return
    elsewhere = [
        name
        for part in parts().values()
        if part.__module__ != module
        for name in own(part)
        if name.startswith("_") and not any(name in own(each) for each in here)
    ]
    allowed = (*declared(), *vars(LoopState))
    assert [name for name in asked if name in elsewhere and name not in allowed] == []


@pytest.mark.parametrize("module", modules())
def test_a_part_imports_no_other_part(module) -> None:
    """A part's file imports none of another part, but for the one of what they share."""
    tree = ast.parse(Path(importlib.import_module(module).__file__).read_text())
    imported = [
        node.module.rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    ]
    files = [part.__module__.rpartition(".")[2] for part in parts().values()]
    assert [name for name in imported if name in files and name != SHARED] == []
