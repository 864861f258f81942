"""CPython's own tests of asyncio pass on ``SimLoop``, but for those that do not apply."""

from __future__ import annotations

import attrs
import pytest

from .exceptions import EXCEPTIONS, LEFT_OUT
from .suite import MISSING, modules, run

MODULES = modules()


@pytest.mark.slow
@pytest.mark.skipif(not MODULES, reason=MISSING)
@pytest.mark.parametrize("module", MODULES or ["test_asyncio"])
def test_module(module, record_property):
    """All tests of a module pass that apply, and all of those that do not apply fail."""
    report = run(module)
    count = report.count()
    record_property("conformance", attrs.asdict(count))
    texts = [f"{name} {told}" for name, told in report.unexpected().items()]
    assert not texts, "\n".join([*texts, report.stderr])
    assert not report.stale(), f"{report.stale()} pass, so exceptions.py must not list them"
    assert count.total > count.skipped, f"nothing ran: {report.outcomes}"


HANGING = """
import unittest

class Case(unittest.TestCase):
    def test_1(self):
        pass

    def test_2(self):
        while True:
            pass

    def test_3(self):
        raise ValueError("told")
"""


@pytest.mark.slow
@pytest.mark.skipif(not MODULES, reason=MISSING)
def test_a_test_that_hangs_is_ended(tmp_path):
    """It ends with its process after the limit, and the tests after it run in another one."""
    (tmp_path / "hanging.py").write_text(HANGING)
    report = run("hanging", package="", limit=0.5, path=str(tmp_path))
    outcomes = {"Case.test_1": "passed", "Case.test_2": "died", "Case.test_3": "failed"}
    assert report.outcomes == outcomes
    assert list(report.unexpected()) == ["Case.test_2", "Case.test_3"]
    assert "ValueError: told" in report.unexpected()["Case.test_3"]


def test_every_exception_has_its_reason():
    """Each test that does not apply is named once, with a sentence that says why."""
    reasons = [reason for tests in EXCEPTIONS.values() for reason in tests.values()]
    for reason in [*reasons, *LEFT_OUT.values()]:
        assert len(reason) > 10
        assert reason.endswith(".")
        assert "yet" not in reason
