"""Build the accelerator: the extension in C of ``simloop/_speed``.

Owns: how it is compiled. ``python build_accelerator.py`` builds it in place, for who works in a
checkout; the wheel's build (``hatch_build.py``) does the same where ``SIMLOOP_SPEED=1`` is set. One
call of the compiler that built this Python is enough, so no package for building is needed.

Invariants: what can't be built is told in one line, and is no error: the engine is pure then.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["SOURCES", "build"]

SOURCES = Path(__file__).resolve().parent / "simloop" / "_speed"

_FASTEST = ("-O3", "-flto")
"""What not every compiler has the tools for; it is tried first, and then left out."""

_OPTIONS = (
    "-std=c11",
    "-O2",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=off",  # The same roundings as in Python, on every processor.
    "-Wall",
)


def build(folder: Path) -> Path | None:
    """Compile the extension into a folder; None, and a line that says why, if that can't be."""
    error = _refusal()
    if error is None:
        target = folder / f"twins{sysconfig.get_config_var('EXT_SUFFIX')}"
        error = _compile(target, _FASTEST) and _compile(target, ())
        if error is None:
            return target
    print(f"simloop: no accelerator, the engine is pure Python: {error}", file=sys.stderr)  # noqa: T201 - a command
    return None


def _refusal() -> str | None:
    """Return why this Python gets none."""
    if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 14):
        return "it is made for CPython 3.11 to 3.14"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "free-threaded builds have none"
    if not sysconfig.get_config_var("LDSHARED"):
        return "this Python does not say by which compiler it was built"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return f"there is no Python.h in {sysconfig.get_path('include')}"
    return None


def _compile(target: Path, more: tuple[str, ...]) -> str | None:
    """Call the compiler; return what went wrong."""
    compiler = shlex.split(sysconfig.get_config_var("LDSHARED"))
    if "CC" in os.environ:
        compiler[:1] = shlex.split(os.environ["CC"])
    include = f"-I{sysconfig.get_path('include')}"
    sources = map(str, sorted(SOURCES.glob("*.c")))
    options = [*_OPTIONS, *more, *shlex.split(os.environ.get("CFLAGS", ""))]
    command = [*compiler, *options, include, *sources, "-o", str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    except OSError as error:
        return f"{compiler[0]}: {error.strerror}"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr]
        return f"{compiler[0]}: {lines[0].strip()}"
    return None


if __name__ == "__main__":
    sys.exit(build(SOURCES) is None)
