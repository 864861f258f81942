"""The packages as a user gets them: what they export, what they import, where they come from."""

from __future__ import annotations

import ast
import importlib
import itertools
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("simloop", "asynctest_compat")


def public_modules():
    """Names of the packages, and of the modules right below a root, that promise something."""
    for root in PACKAGES:
        package = importlib.import_module(root)
        yield root
        for found in pkgutil.walk_packages(package.__path__, root + "."):
            inner = found.name.split(".")[1:]
            if any(part.startswith("_") for part in inner):
                continue
            if found.ispkg or len(inner) == 1:
                yield found.name


# asynctest's `import *` gives unittest's names and none of its own; ours keeps that.
BORROWED_ALL = ("asynctest_compat",)


def is_defined_in(value: object, name: str) -> bool:
    """Whether a module, or one below it, defined the value; constants don't tell."""
    return f"{getattr(value, '__module__', None)}.".startswith(f"{name}.")


@pytest.mark.parametrize("name", tuple(public_modules()))
def test_all_is_what_is_defined(name):
    """``__all__`` lists each public name of ours that the module has, once, and nothing else."""
    module = importlib.import_module(name)
    listed = list(module.__all__)
    assert listed == list(dict.fromkeys(listed))
    assert not [entry for entry in listed if not hasattr(module, entry)]
    if name in BORROWED_ALL:
        return
    defined = [
        entry
        for entry, value in vars(module).items()
        if not entry.startswith("_") and not isinstance(value, ModuleType)
        if is_defined_in(value, name)
    ]
    assert not [entry for entry in defined if entry not in listed]


IMPORTED = """
import sys
before = dict.fromkeys(sys.modules)
import {name}
print(*(module for module in sys.modules if module not in before))
"""
# attrs is two import names; everything else beyond the standard library would be a dependency
# that the project does not declare.
RUNTIME = ("attr", "attrs", "sortedcontainers", "simloop")
# Of the standard library, what a program under simulation should not have to pay for.
HEAVY = ("argparse", "multiprocessing", "pdb", "unittest", "xml", "sqlite3", "http")


def test_importing_simloop_costs_what_it_needs():
    """``import simloop`` loads its declared dependencies and no test tool, server or parser."""
    found = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(name="simloop")],
        capture_output=True,
        text=True,
        check=True,
    )
    tops = dict.fromkeys(module.partition(".")[0] for module in found.stdout.split())
    assert "simloop" in tops
    foreign = [top for top in tops if top not in sys.stdlib_module_names and top not in RUNTIME]
    assert not foreign
    assert not [top for top in tops if top in HEAVY]


def imported_packages():
    """Name the top-level packages that the modules of simloop import anywhere."""
    found = {}
    (folder,) = importlib.import_module("simloop").__path__
    for path in sorted(Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name.partition(".")[0] for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found[node.module.partition(".")[0]] = None
    return list(found)


def names_to_import(requirements):
    """Name what distributions install: their own names, as Python spells them."""
    return [re.match(r"[\w-]+", text)[0].replace("-", "_") for text in requirements]


def test_declared_dependencies_are_those_that_are_imported():
    """Each runtime dependency is imported somewhere, and nothing is imported undeclared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = names_to_import(project["dependencies"])
    extras = names_to_import(
        itertools.chain.from_iterable(project["optional-dependencies"].values())
    )
    found = [name for name in imported_packages() if name not in sys.stdlib_module_names]
    assert [name for name in runtime if name not in found] == []
    known = (*PACKAGES, *runtime, *extras, "_typeshed")  # Which type checkers bring along.
    # A part in C is imported by its own name, with an underscore in front.
    assert [name for name in found if name not in known and name.lstrip("_") not in known] == []


def test_the_version_is_one():
    """The distribution that is installed has the version that the package names."""
    simloop = importlib.import_module("simloop")
    assert metadata.version("simloop-engine") == simloop.__version__


@pytest.mark.skipif("CI" not in os.environ, reason="a developer tests the checkout")
@pytest.mark.parametrize("name", PACKAGES)
def test_the_wheel_is_tested(name):
    """On CI the tests run against the installed wheel, with its type marker, not the checkout."""
    package = Path(importlib.import_module(name).__file__).parent
    assert package.parent.name == "site-packages"
    assert ROOT / name != package
    assert (package / "py.typed").exists()
