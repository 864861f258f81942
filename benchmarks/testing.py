"""What a test in virtual time costs over a plain test function.

    python benchmarks/testing.py [--tiny]

Runs pytest on a file of so many tests, once as plain functions and once in each way of running
async ones in virtual time, where each sleeps for an hour; prints microseconds per test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from simloop._ambient import real

HEAD = """
import asyncio, pytest
from simloop.testing import SimTestCase, virtual_time
NUMBERS = pytest.mark.parametrize("n", range({count}))
"""

WAYS = {
    "plain function": """
@NUMBERS
def test(n): pass
""",
    "pytest.mark.simloop": """
@pytest.mark.simloop
@NUMBERS
async def test(n): await asyncio.sleep(3600)
""",
    "virtual_time": """
@NUMBERS
@virtual_time
async def test(n): await asyncio.sleep(3600)
""",
    "SimTestCase": """
async def sleep(self): await asyncio.sleep(3600)
TestCase = type("TestCase", (SimTestCase,), {{f"test_{{n}}": sleep for n in range({count})}})
""",
}


def seconds(source: str, folder: str) -> float:
    """Return how long a run of pytest on this file takes."""
    (Path(folder) / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # Nothing of what the caller has set for its own run of pytest, as CI does, belongs here.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    began_s = real.perf_counter()
    subprocess.run(  # noqa: S603 - our own interpreter
        [*command, "-p", "simloop.testing.plugin", "test_it.py"],
        cwd=folder,
        env={**inherited, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return real.perf_counter() - began_s


def main() -> None:
    """Print a line per way."""
    count = 10 if "--tiny" in sys.argv else 2000
    with tempfile.TemporaryDirectory() as folder:
        for name, source in WAYS.items():
            once_s = seconds((HEAD + source).format(count=1), folder)
            all_s = seconds((HEAD + source).format(count=count + 1), folder)
            print(f"{name:20} {(all_s - once_s) / count * 1e6:8.1f} us per test")


if __name__ == "__main__":
    main()
