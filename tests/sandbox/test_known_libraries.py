"""Libraries in C that keep to the machine: refused where a run is strict, else left alone."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

import simloop
from simloop._sandbox.libraries.known_libraries import KNOWN


@pytest.fixture(scope="module", autouse=True)
def stand_ins():
    """Put modules of these names there, where the libraries are not installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, library in KNOWN.items():
            module = ModuleType(name)
            for function in library.functions:
                setattr(module, function, lambda *args: args)
            patch.setitem(sys.modules, name, module)
        yield


def call(name: str) -> object:
    """Begin with a library in a run."""
    return getattr(sys.modules[name], KNOWN[name].functions[0])(1)


async def main(name: str) -> object:
    return call(name)


@pytest.mark.parametrize("name", KNOWN)
def test_a_strict_run_refuses_what_is_known(name) -> None:
    """The error names the function, the reason and the way out; other runs may have it."""
    assert simloop.run(main(name)) == (1,)
    with pytest.raises(simloop.EscapeError, match=r"libraries") as caught:
        simloop.run(main(name), strict=True)
    assert f"{name}.{KNOWN[name].functions[0]}()" in str(caught.value)
    assert KNOWN[name].reason in str(caught.value)
    assert simloop.run(main(name), strict=True, allow=("libraries",)) == (1,)
    assert call(name) == (1,)
