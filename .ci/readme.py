"""Runs the code of README.md with the Python that runs this, and whatever is installed for it.

    cd /some/empty/folder && python /path/to/.ci/readme.py /path/to/README.md

Each block of Python is a file of its own in a folder of its own; what the text block behind it
shows is what it has to print, and nothing else, and without a warning. A block that imports pytest
is given to pytest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n+^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


def run(source: str, expected: str, folder: str) -> str:
    """Run one block; return what is wrong with it, or nothing."""
    Path(folder, "test_snippet.py").write_text(source, encoding="utf-8")
    is_test = re.search(r"^import pytest", source, re.MULTILINE) is not None
    line = ["-m", "pytest", "-q", "-W", "error"] if is_test else ["-W", "error", "test_snippet.py"]
    done = subprocess.run(  # noqa: S603 - the project's own README
        [sys.executable, *line], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"status {done.returncode}:\n{done.stdout}{done.stderr}"
    if is_test:
        return "" if " passed" in done.stdout else f"no test ran:\n{done.stdout}"
    if (done.stdout, done.stderr) != (expected, ""):
        return f"printed\n{done.stdout}{done.stderr}instead of\n{expected}"
    return ""


def main(readme: str) -> int:
    """Run all blocks, and return how many failed."""
    text = Path(readme).read_text(encoding="utf-8")
    failed = 0
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        with tempfile.TemporaryDirectory() as folder:
            problem = run(block[1], block[2] or "", folder)
        if problem:
            line = text.count("\n", 0, block.start()) + 1
            print(f"{readme}:{line}: {problem}")
            failed += 1
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"Python {version}: {len(blocks) - failed} of {len(blocks)} blocks of {readme} work")
    return failed or not blocks


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
