"""Modules that a program loads in the middle of a run are patched at once."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
import types

import pytest

import simloop
from simloop._sandbox.patching import registry as patches


@pytest.fixture
def late(tmp_path, monkeypatch):
    """Await a module that is not loaded yet; return the list of what was registered."""
    (tmp_path / "simloop_late.py").write_text(
        "answer = 1\ndef double(number):\n    return 2 * number\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registered = []

    def register(module):
        registered.append(module)
        patches.entry(module, "answer", 42)
        patches.rewrite(module.double, lambda number: -number)

    patches.when_loaded("simloop_late", register)
    yield registered
    patches._awaited.pop("simloop_late", None)
    sys.modules.pop("simloop_late", None)


def test_a_module_that_a_run_loads_is_patched_in_it(make, late):
    """Its patches hold from the end of its import to the end of the run, and in later runs."""
    finders = list(sys.meta_path)
    with make():
        module = importlib.import_module("simloop_late")
        assert late == [module]
        assert (module.answer, module.double(4)) == (42, -4)
    assert (module.answer, module.double(4)) == (1, 8)
    assert sys.meta_path == finders
    with make():
        assert (module.answer, module.double(4)) == (42, -4)
    assert (module.answer, module.double(4)) == (1, 8)
    assert late == [module]
    assert "exec_module" not in vars(module.__spec__.loader)


def test_a_module_that_is_loaded_between_runs_is_patched_in_the_next(make, late):
    """RealWork of runs nobody looks at imports."""
    with make():
        pass
    module = importlib.import_module("simloop_late")
    assert late == []
    with make():
        assert (module.answer, module.double(4)) == (42, -4)
    assert (module.answer, module.double(4)) == (1, 8)


def test_an_import_that_fails_may_be_repeated(make, late, tmp_path):
    """A module that raised was not loaded; once it can be, it is patched."""
    good = (tmp_path / "simloop_late.py").read_text()
    (tmp_path / "simloop_late.py").write_text("raise LookupError\n")
    with make():
        with pytest.raises(LookupError):
            importlib.import_module("simloop_late")
        assert late == []
        (tmp_path / "simloop_late.py").write_text(good)
        importlib.invalidate_caches()
        module = importlib.import_module("simloop_late")
        assert module.answer == 42
    assert module.answer == 1


def test_a_program_may_remove_the_finder(make, late):
    """Who clears sys.meta_path for himself gets no error from a run's end."""
    with make():
        finders, sys.meta_path[:] = list(sys.meta_path), sys.meta_path[1:]
    assert sys.meta_path == finders[1:]
    module = importlib.import_module("simloop_late")
    assert late == []
    assert module.answer == 1


class ImportsAtItsEnd:
    """Garbage whose finalizer imports, as the warning of a coroutine that nobody awaited does."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        name = f"imported_at_the_end_{len(sys.modules)}"
        sys.modules[name] = types.ModuleType(name)


def test_garbage_that_imports_breaks_no_run() -> None:
    """The collector may run while a run looks through the modules that were imported since."""
    before, thresholds = sys.modules.copy(), gc.get_threshold()
    try:
        for turn in range(10):
            gc.collect()
            gc.set_threshold(50 + 30 * turn, 10, 10)
            garbage = [ImportsAtItsEnd() for _ in range(20)]
            del garbage
            sys.modules[f"new_{turn}"] = types.ModuleType(f"new_{turn}")
            assert simloop.run(asyncio.sleep(1, "done")) == "done"
    finally:
        gc.set_threshold(*thresholds)
        gc.collect()
        for name in [name for name in sys.modules.copy() if name not in before]:
            del sys.modules[name]
