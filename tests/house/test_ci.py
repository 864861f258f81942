"""The script of CI: that its exit status says what its steps did."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
BASH = shutil.which("bash")
STEPS_BEGIN = '\nneed "Python 3.11 and the builder"'
PASSED = "===== 3 passed, 2 skipped in 1.50s ====="
FAILED = "===== 1 failed, 2 passed, 1 error in 1.50s (0:00:01) ====="

pytestmark = [
    pytest.mark.skipif(not SCRIPT.exists(), reason="this tree came without its CI"),
    pytest.mark.skipif(BASH is None, reason="no bash here"),
]


def run(tmp_path, *steps: str) -> subprocess.CompletedProcess[str]:
    """Run CI's script with these steps in place of its own."""
    functions, found, _ = SCRIPT.read_text(encoding="utf-8").partition(STEPS_BEGIN)
    assert found
    script = tmp_path / ".ci" / "run"
    script.parent.mkdir()
    script.write_text("\n".join([functions, *steps, "conclude", ""]), encoding="utf-8")
    return subprocess.run([BASH, str(script)], capture_output=True, text=True, check=False)


def test_all_steps_passed_is_status_0(tmp_path):
    """When each step passed, the last lines count them and the tests, and the status is 0."""
    done = run(
        tmp_path,
        "also First true",
        f'also Second logged "$scratch/tests-3.11.log" echo "{PASSED}"',
        f'also Third logged "$scratch/tests-3.14.log" echo "{PASSED}"',
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, steps, tests = done.stdout.splitlines()
    assert steps.startswith("3 of 3 steps ok in ")
    assert tests == "6 passed, 0 failed"


@pytest.mark.parametrize("failing", ["false", 'logged "$scratch/none.log" false'])
def test_a_failed_step_is_status_1(tmp_path, failing):
    """When a step failed, those after it still run, and the status is 1."""
    done = run(
        tmp_path,
        f"also First {failing}",
        f'also Second logged "$scratch/tests.log" echo "{PASSED}"',
    )
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert done.stdout.splitlines()[-1] == "3 passed, 0 failed"


def test_failed_tests_and_errors_are_counted(tmp_path):
    """Failures and errors of pytest's closing line are one number."""
    done = run(tmp_path, f'also Only logged "$scratch/tests.log" echo "{FAILED}"')
    assert done.stdout.splitlines()[-1] == "2 passed, 2 failed"


def test_what_others_need_ends_the_run(tmp_path):
    """When a step failed that the others need, these do not run."""
    done = run(tmp_path, "need First false", "also Second echo reached")
    assert done.returncode == 1
    assert "reached" not in done.stdout
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed"
