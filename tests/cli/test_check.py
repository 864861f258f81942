"""``simloop run --check``: equal runs are called equal, and others are told apart by a step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from simloop.cli import ExitStatus

pytestmark = pytest.mark.slow


def test_a_deterministic_program_is_equal(command, tmp_path):
    """The program's output appears once, its status is kept, and the check says equal."""
    (tmp_path / "app.py").write_text(
        "import asyncio, sys\nasync def main():\n    await asyncio.sleep(1)\n"
        "    print(*sys.argv[1:])\n    return 3\n"
    )
    done = command("run", "app.py", "--check", "--max-time", "2", "--max-steps", "90", "--", "-x")
    assert (done.returncode, done.stdout) == (3, "-x\n")
    assert done.stderr.endswith(
        "simloop: check: equal, in two processes with PYTHONHASHSEED 0 and 1\n"
    )


def test_an_order_of_hashes_is_found(command, tmp_path):
    """A program that follows the order of a set is told by the first step that differs."""
    (tmp_path / "app.py").write_text(
        "import asyncio\n\nasync def nap(name): await asyncio.sleep(len(name))\n\n"
        "async def main():\n"
        "    for name in {'a' * n for n in range(1, 20)}:\n"
        "        await asyncio.create_task(nap(name), name=name)\n"
    )
    done = command("run", "app.py", "--check", "--trace", "kept.json")
    assert done.returncode == ExitStatus.DIFFERS
    assert "simloop: check: not the same run again; step " in done.stderr
    assert "first run:" in done.stderr
    assert "app.nap" in done.stderr or "nap" in done.stderr
    assert "Likely cause: hash order (processes with one PYTHONHASHSEED run the" in done.stderr
    assert f"It begins at {tmp_path / 'app.py'}:6, in main:\n      for name in {{" in done.stderr
    assert json.loads((tmp_path / "kept.json").read_text())["traceEvents"]


def test_an_order_in_a_script_is_found(command, tmp_path):
    """A script that starts its own loop is looked at as closely, with its arguments."""
    (tmp_path / "app.py").write_text(
        "import asyncio, sys\n\nasync def nap(name): await asyncio.sleep(len(name))\n\n"
        "async def main():\n"
        "    names = set(sys.argv[1:])\n"
        "    await asyncio.gather(*map(nap, names))\n\n"
        "if __name__ == '__main__':\n    asyncio.run(main())\n"
    )
    done = command("run", "app.py", "--check", "--", *("a" * n for n in range(1, 20)))
    assert done.returncode == ExitStatus.DIFFERS
    assert "Likely cause: hash order" in done.stderr
    assert (
        f"It begins at {tmp_path / 'app.py'}:7, in main:\n      await asyncio.gath" in done.stderr
    )


def test_a_real_time_is_found(command, tmp_path):
    """What differs whatever the hash seed is told by what its line asks for."""
    (tmp_path / "app.py").write_text(
        "import asyncio, ctypes\n\nasync def main():\n"
        "    moment = (ctypes.c_long * 2)()\n"
        "    ctypes.CDLL(None).clock_gettime(0, moment)\n"
        "    now_ns = moment[1]\n"
        "    await asyncio.sleep(now_ns % 100_003)\n"
    )
    done = command("run", "app.py", "--check")
    assert done.returncode == ExitStatus.DIFFERS
    assert "Likely cause: real time (by 'now' in that line)" in done.stderr
    assert f"It begins at {tmp_path / 'app.py'}:6, in main:" in done.stderr


def test_an_end_that_differs_is_found(command, tmp_path):
    """Runs with equal steps and different results are not equal."""
    (tmp_path / "app.py").write_text("async def main():\n    return hash('simloop') % 50\n")
    done = command("run", "app.py", "--check")
    assert done.returncode == ExitStatus.DIFFERS
    assert "every step was the same, but the ends differ" in done.stderr


def test_a_second_run_that_breaks_off_is_told(command, tmp_path):
    """A second process that dies before its end is reported with its status."""
    (tmp_path / "app.py").write_text(
        "import os\ndef main():\n    if os.environ['PYTHONHASHSEED'] == '1': os._exit(4)\n"
    )
    done = command("run", "app.py", "--check")
    assert done.returncode == ExitStatus.DIFFERS
    assert "simloop: check: the second run broke off with status 4" in done.stderr


def test_an_error_twice_is_equal(command, tmp_path):
    """A program that fails in the same way each time is deterministic, and still fails."""
    (tmp_path / "app.py").write_text("async def main():\n    raise LookupError('gone')\n")
    done = command("run", "app.py", "--check")
    assert done.returncode == ExitStatus.FAILED
    assert done.stderr.count("LookupError: gone") == 1
    assert "check: equal" in done.stderr


def test_a_missing_program_is_not_checked(command):
    """A program that isn't there is told once."""
    done = command("run", "none.py", "--check")
    assert done.returncode == ExitStatus.USAGE
    assert done.stderr == "simloop: error: the file 'none.py' does not exist\n"


def test_the_installed_script_checks_too(command, tmp_path):
    """The command checks as well when it was started by its script."""
    script = Path(sys.executable).with_name("simloop")
    if not script.exists():
        pytest.skip("simloop is not installed here, only importable")
    (tmp_path / "app.py").write_text("async def main(): pass\n")
    assert "check: equal" in command("run", "app.py", "--check", script=str(script)).stderr
