"""Being asynctest: ``install()``, and one import in place of unittest's."""

from __future__ import annotations

import pytest

INSTALL = """
import sys
import asynctest_compat
asynctest_compat.install()
import asynctest, asynctest.mock, asynctest.case, asynctest.selector, asynctest.helpers
from asynctest._fail_on import DEFAULTS
from asynctest.mock import patch
assert asynctest.TestCase is asynctest_compat.TestCase
assert patch is asynctest_compat.patch
assert asynctest.asynctest is asynctest
for name in ("_fail_on", "case", "helpers", "mock", "selector"):
    assert sys.modules["asynctest." + name] is getattr(asynctest_compat, name)
with patch("asynctest.mock.Mock", 5):
    assert asynctest_compat.mock.Mock == 5
asynctest_compat.install()
assert not hasattr(asynctest.asyncio, "coroutine")
print("ours")
"""


@pytest.mark.slow
def test_import_asynctest_gives_ours_after_install(python) -> None:
    """install() makes the old imports work; a module is the same one under both names."""
    done = python("-W", "error", "-c", INSTALL)
    assert done.stdout == "ours\n", done.stderr


MAIN = """
import sys
import asynctest_compat as unittest  # the one line that changes

class Case(unittest.TestCase):
    def setUp(self):
        self.value = 1

    def test_passes(self):
        with self.subTest(part=1), self.assertRaisesRegex(ValueError, "no"):
            raise ValueError("no")

    async def test_fails(self):
        self.assertEqual(self.value, 2)

    @unittest.skipIf(sys.platform, "everywhere")
    def test_skipped(self):
        raise AssertionError

unittest.main(argv=["suite", "-v"])
"""


@pytest.mark.slow
def test_main_runs_a_file_whose_import_was_unittest(python) -> None:
    """A suite of plain unittest runs with the one import changed; main() tells what failed."""
    done = python("-W", "error", "-c", MAIN)
    assert done.returncode == 1
    assert "FAILED (failures=1, skipped=1)" in done.stderr
    assert "AssertionError: 1 != 2" in done.stderr
