"""Docstrings do what they say: their examples run, and the reference has every public name."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = "\n".join(path.read_text() for path in sorted((ROOT / "docs/reference").glob("*.md")))
PACKAGES = ("simloop", "asynctest_compat")
# Importing these does something: they start a command, or take asynctest's place.
NOT_IMPORTED = ("__main__", "as_asynctest")
# An adapter needs the simulator that it adapts to.
OPTIONAL = "simloop.embed."


def modules():
    """The names of all our modules."""
    for root in PACKAGES:
        yield root
        package = importlib.import_module(root)
        for found in pkgutil.walk_packages(package.__path__, root + "."):
            if found.name.rpartition(".")[2] not in NOT_IMPORTED:
                yield found.name


def load(name):
    """Import a module; skip the test if it adapts to something that is not installed."""
    if name.startswith(OPTIONAL):
        return pytest.importorskip(name)
    return importlib.import_module(name)


# Their examples call simloop.check, which starts processes.
SLOW = ("simloop.errors", "simloop.world.checking")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in tuple(modules())
    ],
)
def test_examples_in_docstrings_run(name):
    """Each example in a docstring of the module gives what it shows."""
    said = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder().find(load(name), name):
        if test.examples:
            runner.run(test, out=said.append)
    assert not said, "".join(said)


def exported():
    """Public names, as users import them."""
    for module in ("simloop", "simloop.testing"):
        for name in importlib.import_module(module).__all__:
            if not name.startswith("__"):
                yield module, name
    package = importlib.import_module("simloop.embed")
    for found in pkgutil.iter_modules(package.__path__, "simloop.embed."):
        if not found.name.rpartition(".")[2].startswith("_"):
            yield found.name, None


EXPORTED = tuple(exported())


def public_of(module, name):
    """Give the public objects that a pair of ``EXPORTED`` means, by name."""
    home = load(module)
    return {each: getattr(home, each) for each in ([name] if name else home.__all__)}


def methods_of(cls):
    """Give the public functions and properties that a class of ours defines, by name."""
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in PACKAGES:
            for name, value in vars(base).items():
                if not name.startswith("_") and (callable(value) or isinstance(value, property)):
                    yield name, value


@pytest.mark.parametrize(("module", "name"), EXPORTED)
def test_a_public_name_says_what_it_is(module, name):
    """Every public name, and every method of a public class, has a docstring of its own."""
    silent = []
    for full, value in public_of(module, name).items():
        if not value.__doc__:
            silent.append(full)
        elif inspect.isclass(value):
            silent += [f"{full}.{inner}" for inner, it in methods_of(value) if not it.__doc__]
    assert not silent


SHOWN_ELSEWHERE = (
    "Bench",  # It needs a simulator to run under; examples/cocotb_mailbox is run.
    "Process",  # A program is given one: Programs.register shows that.
)


@pytest.mark.parametrize(("module", "name"), EXPORTED)
def test_a_public_name_has_an_example(module, name):
    """Every public class and function shows how it is used; errors show how they come about."""
    without = [
        full
        for full, value in public_of(module, name).items()
        if ">>> " not in (value.__doc__ or "") and full not in SHOWN_ELSEWHERE
    ]
    assert not without


@pytest.mark.parametrize(("module", "name"), EXPORTED)
def test_the_reference_has_every_public_name(module, name):
    """Every public name stands in the reference."""
    documented = re.findall(r"^ *\.\. (?:auto|py:)\w+:: ([\w.]+)", REFERENCE, re.MULTILINE)
    assert not [full for full in public_of(module, name) if f"{module}.{full}" not in documented]


def test_the_reference_has_every_name_of_asynctest():
    """What asynctest's modules export stands in the page of asynctest_compat, or is unittest's."""
    homes = [
        importlib.import_module(f"asynctest_compat.{module}")
        for module in ("case", "mock", "selector", "helpers")
    ]
    ours = [
        name
        for home in homes
        for name in home.__all__
        if getattr(getattr(home, name), "__module__", "").startswith("asynctest_compat")
    ]
    missing = [
        name
        for name in ours
        if not re.search(rf"asynctest_compat(\.selector)?\.{name}\b", REFERENCE)
    ]
    assert not missing
